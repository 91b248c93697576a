"""A rung of the ladder that is an emulated ARM CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.progress import Track
from pipeline.tensors import Outputs, Tensors
from pipeline.tflite.runner import Runner
from pipeline.verification.arm.emulate import run_profiles
from pipeline.verification.arm.emulation_result import ProfileResult


class ArmRung:
    """
    Args:
        profile: Name of an emulated CPU.
        model: The int8 .tflite.
        float_model: Counted beside, where there is one.
        limit: How many examples it is given.
        track: Follows the inferences.
        say: Told of the set-up.

    Raises:
        InputError: as `Runner`.
    """

    against = "xnnpack"

    def __init__(
        self,
        profile: str,
        model: Path,
        float_model: Path | None,
        limit: int,
        track: Track,
        say: Callable[[str], None],
    ) -> None:
        self.name, self.title, self.source, self.limit = profile, f"int8 on an emulated {profile}", str(model), limit
        self.result: ProfileResult | None = None
        """All that was found, with the counts; None until it has run. Of several batches the first that failed, else
        the last."""
        self._model, self._float, self._track, self._say = model, float_model, track, say
        self.signature = Runner(model).signature

    def __call__(self, inputs: Tensors) -> Outputs:
        """
        Raises:
            PipelineError: this host cannot emulate ARM, or the model did not run there.
        """
        [found] = run_profiles(
            self._model, inputs, [self.name], float_model=self._float, track=self._track, say=self._say
        )
        if self.result is None or not self.result.failed:
            self.result = found
        if found.answers is None:
            raise PipelineError(f"The int8 model did not run on the emulated {self.name}: {' '.join(found.undone)}")
        return found.answers
