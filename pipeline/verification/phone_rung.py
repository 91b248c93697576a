"""The last rung: the int8 model on a phone, through TFLite's benchmark_model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.device import adb, binary
from pipeline.device.devices import choose
from pipeline.device.facts import describe
from pipeline.device.golden_check import split
from pipeline.device.native import NativeRunner
from pipeline.device.settings import Settings
from pipeline.errors import PipelineError
from pipeline.progress import Track
from pipeline.tensors import Array, Outputs, Tensors
from pipeline.tflite.kernels import open_runner
from pipeline.tflite.runner import Call

ONCE = Settings(runs=1, min_secs=0.0, warmup_runs=0, warmup_min_secs=0.0, affinity="all")


class PhoneRung:
    """
    Args:
        runner: In its context.
        kind: What its answers may be called: `native`, or `loopback-standin` for the tests' device.
        where: The device, in words.
        model: The int8 .tflite.
        limit: How many examples it is given; each is a start of the program.
        track: Follows them.
    """

    against = "xnnpack"

    def __init__(self, runner: NativeRunner, kind: str, where: str, model: Path, limit: int, track: Track) -> None:
        self.name = "phone" if kind == "native" else kind
        self.title, self.source, self.limit = f"int8 on {where}", str(model), limit
        self._device, self._model, self._track = runner, model, track
        self._host = open_runner(model, "xnnpack", 1)
        self.signature = self._host.signature

    def __call__(self, inputs: Tensors) -> Outputs:
        """
        Raises:
            InputError: the model does not take the examples, or the program cannot give a model's outputs.
            PipelineError: the device was lost, or the program failed or gave something else than the outputs.
        """
        calls = list(self._host.calls(inputs))
        return self._host.gather(
            (self._asked(call), call) for call in self._track(calls, f"asking the {self.name}", len(calls))
        )

    def _asked(self, call: Call) -> list[Array]:
        answer = self._device.answer(
            self._model, [array.tobytes() for array in call.arrays], [array.shape for array in call.arrays], ONCE
        )
        # The host's answer to the same inputs tells where one output ends and the next begins.
        like = self._host.run(*call.arrays)
        expected = sum(array.nbytes for array in like)
        if len(answer) != expected:
            raise PipelineError(
                f"The {self.name} gave {len(answer)} bytes of outputs for a call, the model has {expected}: the file "
                "on the device may be another, or was cut off."
            )
        return split(answer, like)


@contextmanager
def phone_rung(
    model: Path, serial: str | None, program: Path | None, examples: int, track: Track
) -> Iterator[PhoneRung]:
    """Connect, put the program there, and clean up afterwards.

    Args:
        model: The int8 .tflite.
        serial: Which device; None: the only one.
        program: TFLite's benchmark_model for its ABI; None: fetched once.
        examples: That the device is given.

    Raises:
        InputError: no adb, no device or several, or a program of another ABI.
        PipelineError: the download or the device fails.
    """
    device = choose(adb.find(), serial)
    described = describe(device)
    if program is not None:
        given = binary.given(program, described.abis)
    else:
        given = binary.fetched(described.abis, track=track)
    facts = described.facts
    where = " ".join(filter(None, (facts.manufacturer, facts.model))) or device.serial
    with NativeRunner(device, described, given) as runner:
        yield PhoneRung(runner, described.kind("native"), where, model, examples, track)
