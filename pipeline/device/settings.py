"""How a model is run on a device, whichever runner does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.device.results import Delegate
from pipeline.errors import InputError

Affinity = Literal["big", "all"]


@dataclass(frozen=True)
class Settings:
    """What one run of one model is to do. The names are benchmark_model's."""

    threads: int = 1
    delegate: Delegate = "xnnpack"
    runs: int = 50
    """Timed inferences, at least."""
    min_secs: float = 1.0
    """Seconds of timed inferences, at least."""
    max_secs: float = 150.0
    """Seconds after which a run begins no further inference."""
    warmup_runs: int = 1
    """Untimed inferences before them, at least."""
    warmup_min_secs: float = 0.5
    """Seconds of untimed inferences, at least."""
    affinity: Affinity = "big"
    """`big` binds the run to the fast cores, so that the scheduler does not decide what is measured."""

    def __post_init__(self) -> None:
        if self.threads < 1 or self.runs < 1 or self.warmup_runs < 0 or self.min_secs < 0:
            raise InputError(
                "A benchmark takes threads ≥ 1, runs ≥ 1, warmup ≥ 0 and seconds ≥ 0, not "
                f"{self.threads}, {self.runs}, {self.warmup_runs} and {self.min_secs:g}."
            )

    @property
    def timeout(self) -> float:
        """Seconds after which a run has hung: twice what it may take, and a minute to load the model."""
        return 60 + 2 * (self.max_secs + 1)
