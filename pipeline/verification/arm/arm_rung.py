"""Rungs of the ladder that are emulated ARM CPUs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.progress import Track
from pipeline.verification.arm import random_inputs as inputs
from pipeline.verification.arm.emulate import open_runner, run_profiles
from pipeline.verification.arm.emulation_result import ProfileResult
from pipeline.verification.arm.profiles import chosen
from pipeline.verification.rung import Float, Outputs
from pipeline.workflow.targets import model_file


class ArmRung:
    """
    Args:
        profile: Name of an emulated CPU.
        model: The int8 .tflite.
        float_model: Counted beside, where there is one.
        limit: How many examples it is given, in one go.
        track: Follows the inferences.
        say: Told of the set-up.
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
        """All that was found, with the counts; None until it has run."""
        self._model, self._float, self._track, self._say = model, float_model, track, say
        self._spec = open_runner(model).outputs[0]

    def run(self, batch: Float) -> Outputs:
        """
        Raises:
            PipelineError: this host cannot emulate ARM, or the model did not run there.
        """
        [self.result] = run_profiles(
            self._model, batch, [self.name], float_model=self._float, track=self._track, say=self._say
        )
        return Outputs(self.result.stored, self._spec)


def arm_rungs(
    target: Path | None,
    reference: Path | None,
    profiles: Sequence[str],
    examples: int,
    track: Track,
    say: Callable[[str], None],
) -> list[ArmRung]:
    """A rung a profile, below the ladder's last.

    Args:
        target: A run or an int8 .tflite; None: the newest run.
        reference: The float model; None: the run's.
        profiles: All by default.
        examples: That each is given.

    Raises:
        InputError: an unknown profile, or no model.
    """
    model = model_file(target)
    beside = reference or inputs.float_of(model)
    return [ArmRung(profile.name, model, beside, examples, track, say) for profile in chosen(profiles)]
