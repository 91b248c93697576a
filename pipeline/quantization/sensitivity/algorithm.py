"""The analysis: float answers → a model an operator, this one in int8 → its error and the model's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.evaluation.fidelity import Noise
from pipeline.progress import Track, quiet
from pipeline.quantization.ranges import Ranges
from pipeline.quantization.sensitivity.probe import Plain, Probe, Probed, Probes
from pipeline.quantization.sensitivity.sensitivity_result import OperatorError, Sensitivity
from pipeline.quantization.tap import Piece, TappedModel, check_finite
from pipeline.tasks.task import Task
from pipeline.tensors import Array, Tensors
from pipeline.tflite.runner import Runner

EXAMPLES = 32
"""Enough to rank operators; the ratios are means over all values of an activation, the answers are not."""


def analyze(
    content: bytes,
    ranges: Ranges,
    batches: Iterable[Tensors],
    *,
    task: Task | None = None,
    track: Track = quiet,
    threads: int = 2,
) -> Sensitivity:
    """Quantize each operator alone and measure what that does to its own outputs and to the model's.

    The model is the int8 format's for the one operator (its input, weights and output, by the given ranges) and float
    for all others; the kernels that a phone runs compute it. Interactions between operators are not in it, nor is
    bias correction. The float reference is a second copy of the operator on the same inputs.

    Args:
        content: A float .tflite file's content.
        ranges: (min, max) of its activations.
        batches: Examples, [B, ...] arrays by the model's input names, preprocessed as it expects them. All are held,
            so give few: `EXAMPLES` do.
        task: What counts as another answer; None: only the noise is measured.
        track: Progress, an operator a step.
        threads: Interpreter threads.

    Raises:
        InputError: no operator that int8 quantizes, no examples, inputs that the model does not take, values that are
            not finite, or a model that is quantized already.
        PipelineError: an operator cannot be written as int8.
    """
    probes = Probes(content, ranges)
    operators = probes.operators()
    if not operators:
        raise InputError(
            "The model has no operator that int8 quantizes and that computes: there is nothing to rank. "
            "`pipeline inspect --operators` lists what it has."
        )
    plain = probes.plain()
    model = TappedModel(plain.content, threads)
    pieces = _checked(model.pieces(batches))
    references = [_Reference.of(plain, piece, model.views(piece)) for piece in pieces]
    for name, tensor in probes.logits.items():
        if not all(np.isfinite(reference.logits[name]).all() for reference in references):
            raise InputError(f"The model gives NaN or infinite values at '{tensor}': check its weights and the data.")
    judge = _Judge(probes, pieces, references, task, threads)
    found = tuple(judge(probed) for probed in track(operators, "sensitivity", len(operators)))
    return Sensitivity(
        found,
        sum(piece.examples for piece in pieces),
        tuple(dict.fromkeys(probes.logits.values())),
        task.metrics[0].name if task is not None and task.metrics else None,
    )


@dataclass(frozen=True, eq=False)
class _Reference:
    """What the float model gives for one piece, [B, …] by output name."""

    logits: dict[str, Array]
    answers: dict[str, Array]

    @classmethod
    def of(cls, plain: Plain, piece: Piece, views: list[Array]) -> _Reference:
        logits, answers = (
            {name: piece.by_example(views[place]).copy() for name, place in side.items()}
            for side in (plain.logits, plain.answers)
        )
        return cls(logits, answers)


class _Judge:
    """Runs an operator's probe over the examples and sums up its errors."""

    def __init__(
        self, probes: Probes, pieces: list[Piece], references: list[_Reference], task: Task | None, threads: int
    ) -> None:
        self._probes, self._pieces, self._references, self._threads = probes, pieces, references, threads
        self._task = task
        self._before = None if task is None else task.before_activation()

    def __call__(self, probed: Probed) -> OperatorError:
        probe = self._probes.write(probed)
        runner, shapes = None, None
        own, logits = Noise(), dict[tuple[str, int], Noise]()
        agreed: list[NDArray[np.float64]] = []
        for piece, reference in zip(self._pieces, self._references, strict=True):
            if runner is None or shapes != piece.shapes:
                shapes = piece.shapes
                runner = Runner(probe.content, threads=self._threads, shapes=shapes)
            runner.feed(*piece.arrays)
            runner.invoke()
            outputs = [piece.own(view) for view in runner.views()]
            for exact, quantized in zip(probe.exact, probe.quantized, strict=True):
                own.add(outputs[exact], outputs[quantized])
            for name, place in probe.logits.items():
                self._add(logits, name, reference.logits[name], piece.by_example(outputs[place]))
            agreed += self._agreement(probe, piece, reference, outputs)
            del outputs  # LiteRT refuses to run while a view of its memory is held
        if not own.finite:
            raise InputError(
                f"The operator '{probed.name}' gives NaN or infinite values on these examples: check the weights and "
                "the preprocessing."
            )
        return OperatorError(
            index=probed.index,
            name=probed.name,
            short=probed.short,
            type=probed.type,
            sqnr_db=own.sqnr_db,
            cosine=own.cosine,
            output_sqnr_db=min((noise.sqnr_db for noise in logits.values()), default=math.inf),
            changed=1 - float(np.concatenate(agreed).mean()) if agreed else None,
        )

    def _add(self, noises: dict[tuple[str, int], Noise], name: str, expected: Array, found: Array) -> None:
        """The noise of each part of an output."""
        split = self._probes.parts.split
        for part, (wanted, own) in enumerate(zip(split(name, expected), split(name, found), strict=True)):
            noises.setdefault((name, part), Noise()).add(wanted, own)

    def _agreement(
        self, probe: Probe, piece: Piece, reference: _Reference, outputs: list[Array]
    ) -> list[NDArray[np.float64]]:
        """How far each example keeps its answer, [B]; nothing where no answer depends on the operator."""
        task: Task | None
        expected: Mapping[str, Array]
        task, expected, places = self._before, reference.logits, probe.logits
        if not places:  # it comes behind the logits
            task, expected, places = self._task, reference.answers, probe.answers
        if task is None or not places:
            return []
        found = {name: piece.by_example(outputs[place]) for name, place in places.items()}
        return [task.agreement(expected, {**expected, **found})]


def _checked(pieces: Iterable[Piece]) -> list[Piece]:
    held: list[Piece] = []
    for piece in pieces:
        check_finite(piece, sum(earlier.examples for earlier in held))
        held.append(piece)
    if not held:
        raise InputError("There are no examples to measure on: give at least one, better some ten.")
    return held
