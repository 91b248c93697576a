"""The analysis: float answers → a model an operator, this one in int8 → its error and the model's."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.evaluation.fidelity import Noise
from pipeline.progress import Track, quiet
from pipeline.quantization.ranges import Ranges
from pipeline.quantization.sensitivity.probe import SQUASHING, Probe, Probed, Probes
from pipeline.quantization.sensitivity.sensitivity_result import OperatorError, Sensitivity
from pipeline.quantization.tap import Tapped, check_finite
from pipeline.tflite.runner import Runner

Float = NDArray[np.float32]

EXAMPLES = 32
"""Enough to rank operators; the ratios are means over all values of an activation, the answers are not."""


def analyze(
    content: bytes, ranges: Ranges, batches: Iterable[NDArray[np.float32]], *, track: Track = quiet, threads: int = 2
) -> Sensitivity:
    """Quantize each operator alone and measure what that does to its own output and to the model's.

    The model is the int8 format's for the one operator (its input, weights and output, by the given ranges) and float
    for all others; the kernels that a phone runs compute it. Interactions between operators are not in it, nor is
    bias correction. The float reference is a second copy of the operator on the same inputs.

    Args:
        content: A float .tflite file's content; one input.
        ranges: (min, max) of its activations.
        batches: float32 [B, ...] examples, preprocessed as the model expects them. All are held, so give few:
            `EXAMPLES` do.
        track: Progress, an operator a step.
        threads: Interpreter threads.

    Raises:
        InputError: several inputs, no operator that int8 quantizes, no examples, values that are not finite, or a
            model that is quantized already.
        PipelineError: an operator cannot be written as int8.
    """
    probes = Probes(content, ranges)
    operators = probes.operators()
    if not operators:
        raise InputError(
            "The model has no operator that int8 quantizes and that computes: there is nothing to rank. "
            "`pipeline inspect --operators` lists what it has."
        )
    reference = Tapped(probes.plain(), threads)
    pieces = _checked(reference.pieces(batches))
    answers = [[np.array(view) for view in reference.views(piece)] for piece in pieces]
    for end, name in enumerate(probes.ends):
        if not all(np.isfinite(answer[end]).all() for answer in answers):
            raise InputError(f"The model gives NaN or infinite values at '{name}': check its weights and the data.")
    judge = _Judge(probes, pieces, answers, threads)
    found = tuple(judge(probed) for probed in track(operators, "sensitivity", len(operators)))
    return Sensitivity(found, sum(map(len, pieces)), probes.ends)


class _Judge:
    """Runs an operator's probe over the examples and sums up its errors."""

    def __init__(self, probes: Probes, pieces: list[Float], answers: list[list[Float]], threads: int) -> None:
        self._probes, self._pieces, self._answers, self._threads = probes, pieces, answers, threads

    def __call__(self, probed: Probed) -> OperatorError:
        probe = self._probes.write(probed)
        runners: dict[tuple[int, ...], Runner] = {}
        own, ends = Noise(), {end: Noise() for end in probe.ends}
        changes: list[NDArray[np.bool_] | None] = []
        for piece, answers in zip(self._pieces, self._answers, strict=True):
            if piece.shape not in runners:
                runners[piece.shape] = Runner(probe.content, threads=self._threads, shapes=[piece.shape])
            runner = runners[piece.shape]
            runner.feed(piece)
            runner.invoke()
            outputs = runner.views()
            own.add(outputs[probe.exact], outputs[probe.quantized])
            for end, place in probe.ends.items():
                ends[end].add(answers[end], outputs[place])
            changes.append(self._changed(probed, probe, outputs, answers))
            del outputs  # LiteRT refuses to run while a view of its memory is held
        if not own.finite:
            raise InputError(
                f"The operator '{probed.name}' gives NaN or infinite values on these examples: check the weights and "
                "the preprocessing."
            )
        told = [change for change in changes if change is not None]
        return OperatorError(
            index=probed.index,
            name=probed.name,
            short=probed.short,
            type=probed.type,
            sqnr_db=own.sqnr_db,
            cosine=own.cosine,
            output_sqnr_db=min((noise.sqnr_db for noise in ends.values()), default=math.inf),
            top1_changed=float(np.concatenate(told).mean()) if told else None,
        )

    def _changed(
        self, probed: Probed, probe: Probe, outputs: list[Float], answers: list[Float]
    ) -> NDArray[np.bool_] | None:
        """Which examples get another answer, bool [B]; None where the model is no classifier."""
        if len(answers) != 1:
            return None
        if probe.ends:
            expected, found, middle = answers[0], outputs[probe.ends[0]], 0.0
        elif probed.type in SQUASHING:  # after the logits: what it answers itself
            expected, found, middle = outputs[probe.exact], outputs[probe.quantized], 0.5
        else:
            return None
        if expected.ndim != 2:
            return None
        if expected.shape[1] > 1:
            return np.asarray(expected.argmax(axis=1) != found.argmax(axis=1))
        if self._probes.squashes:  # one unit and a sigmoid: two classes
            return np.asarray((expected[:, 0] > middle) != (found[:, 0] > middle))
        return None


def _checked(pieces: Iterable[Float]) -> list[Float]:
    held: list[Float] = []
    for piece in pieces:
        check_finite(piece, sum(map(len, held)))
        held.append(piece)
    if not held:
        raise InputError("There are no examples to measure on: give at least one, better some ten.")
    return held
