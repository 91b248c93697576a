"""Profile models in turns, in a process of its own.

Run as a module it is that process: `python -m pipeline.benchmarking.profile.profiler RUNS MODEL…`.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.benchmarking.example_runner import example_runner
from pipeline.benchmarking.inputs import random_inputs
from pipeline.benchmarking.profile.litert import Library, Profiled
from pipeline.benchmarking.profile.profiler_self_test import check
from pipeline.errors import InputError, PipelineError
from pipeline.files import write_bytes
from pipeline.tflite import flatbuffer, guard
from pipeline.tflite.example_shapes import example_shapes
from pipeline.tflite.signature import output_names, sign_outputs

WARM_UP = 3


@dataclass(frozen=True)
class Timing:
    """One operator as the profiler names it."""

    tag: str
    delegated: bool
    place: int
    """The operator's place in the graph, or, where delegated, in its piece of the delegate."""
    us: float
    """Mean over the faster half of the inferences, microseconds. The profiler cuts to whole ones."""


@dataclass(frozen=True)
class Profile:
    """What one model took."""

    timings: tuple[Timing, ...]
    """In the order they ran."""
    inference_us: float
    """Of a whole inference, mean over the faster half."""
    partitions: tuple[tuple[int, ...], ...]
    """The operators in each of the delegate's pieces, by their places in the graph."""

    @property
    def operators_us(self) -> float:
        return sum(timing.us for timing in self.timings)


def profile(models: Sequence[Path], runs: int = 50) -> list[Profile]:
    """Profile models under XNNPACK on one thread, one inference of each in turn, on random inputs.

    Raises:
        InputError: no such file, no model, or it kills the process that runs it.
        PipelineError: this LiteRT's profiler cannot be used, or not on this model.
    """
    if runs < 1:
        raise InputError(f"A profile takes at least 1 run, not {runs}.")
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, model in enumerate(models):
            paths.append(Path(folder) / f"{number}.tflite")
            write_bytes(paths[-1], flatbuffer.load(model))
            known = example_shapes(model)
            guard.check(model, str(model), shapes=known.shapes if known else None)
        command = [sys.executable, "-m", "pipeline.benchmarking.profile.profiler", str(runs), *map(str, paths)]
        home = str(Path(__file__).resolve().parents[3])  # where the other process finds this package
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=home)
        named = ", ".join(map(str, models))
        if done.returncode < 0:
            raise InputError(
                f"Profiling {named} kills the process that does it ({signal.Signals(-done.returncode).name}): a model "
                "is damaged, or this LiteRT's C API is another one than the profile is taken with."
            )
        lines = done.stdout.splitlines()
        if done.returncode or not lines:
            message = done.stderr.strip().splitlines()[-1:] or [f"Profiling {named} ended without a word."]
            kind = InputError if done.returncode == InputError.exit_status else PipelineError
            for path, model in zip(paths, models, strict=True):
                message[0] = message[0].replace(str(path), str(model))
            raise kind(message[0])
    return [_read(content) for content in json.loads(lines[-1])]


def _read(content: dict[str, object]) -> Profile:
    timings, partitions = content["timings"], content["partitions"]
    assert isinstance(timings, list)
    assert isinstance(partitions, list)
    return Profile(
        tuple(Timing(**timing) for timing in timings),
        float(str(content["inference_us"])),
        tuple(tuple(partition) for partition in partitions),
    )


def _measure(runs: int, paths: list[Path]) -> list[dict[str, object]]:
    library = Library()
    check(library)
    runners = [example_runner(path, example_shapes(path)) for path in paths]
    profiled = []
    for path, runner in zip(paths, runners, strict=True):
        inputs = random_inputs(runner)
        outputs = runner.run(*inputs)
        write_bytes(path, fixed(flatbuffer.load(path), [array.shape for array in (*inputs, *outputs)]))
        profiled.append(Profiled(library, path, inputs))
    for _ in range(WARM_UP):
        for model in profiled:
            model.profile()
    rounds = [[model.profile() for model in profiled] for _ in range(runs)]
    results: list[dict[str, object]] = []
    for number, runner in enumerate(runners):
        inferences = [each[number] for each in rounds]
        shapes = {tuple((event.tag, event.place) for event in inference.events) for inference in inferences}
        if len(shapes) != 1:
            raise PipelineError("The model runs other operators from time to time: no profile can be put together.")
        times = np.array([[event.us for event in inference.events] for inference in inferences], np.float64)
        results.append(
            {
                "timings": [
                    {"tag": event.tag, "delegated": event.delegated, "place": event.place, "us": us}
                    for event, us in zip(inferences[0].events, _faster_half(times), strict=True)
                ],
                "inference_us": _faster_half(np.array([[inference.total_us] for inference in inferences], np.float64))[
                    0
                ],
                "partitions": runner.partitions[1],
            }
        )
    return results


def fixed(content: bytes, shapes: Sequence[tuple[int, ...]]) -> bytes:
    """The model with these shapes for its inputs and then its outputs, and a signature in their order.

    LiteRT's C API feeds signatures, which a model may lack or list in another order, and takes open sides as 1.
    """
    tree = flatbuffer.read(content)
    graph = tree.subgraphs[0]
    for index, shape in zip([*graph.inputs, *graph.outputs], shapes, strict=True):
        graph.tensors[index].shape = np.array(shape, np.int32)
        graph.tensors[index].shapeSignature = None
    sign_outputs(tree, output_names(tree))
    return flatbuffer.serialize(tree)


def _faster_half(times: np.ndarray) -> list[float]:
    """Mean over each column's faster half: [runs, n] → n. What else runs on the machine only ever adds."""
    ordered = np.sort(times, axis=0)[: max(1, -(-len(times) // 2))]
    return [float(value) for value in ordered.mean(axis=0)]


def _main(arguments: list[str]) -> int:
    guard.unguarded()
    try:
        content = _measure(int(arguments[0]), [Path(path) for path in arguments[1:]])
    except PipelineError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    sys.stdout.write(f"\n{json.dumps(content)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
