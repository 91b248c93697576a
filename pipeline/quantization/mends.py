"""What is done about tensors that join parts of very different ranges: tried, measured, and the best kept.

One int8 scale for boxes of 0 to 640 and scores of 0 to 1 leaves no score. The mends keep names, shapes and real values
of the outputs; each is a set of keep rules:

- `float`: the parts stay int8, each on its own scale, and are joined in float; the output is float32.
- `float_decode`: so is the arithmetic before the joining, a box decode and last activations, back to the layers.
- `int16`: the joined tensor is int16, with 256 times as many steps.

A joined tensor inside the model takes the operators that compute with it along. The errors of the parts are measured
apart: over the whole output the boxes' signal would hide that the scores are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError, PipelineError
from pipeline.evaluation.statistics import finite_or_none
from pipeline.progress import Track, quiet
from pipeline.quantization.float_comparison import FloatComparison, part_of
from pipeline.quantization.keep import OUTPUT, keep_as, plan
from pipeline.quantization.mixed_ranges import mixed_ranges
from pipeline.quantization.output_parts import Parts
from pipeline.quantization.ptq import FloatModel, Quantizer, Settings, prepare
from pipeline.quantization.ranges import Ranges
from pipeline.quantization.tap import Inputs
from pipeline.quantization.trial import best_of
from pipeline.recipe import Compute, IoType, Keep, MixedRanges, Quantize
from pipeline.tasks.task import Task
from pipeline.tensors import Tensors
from pipeline.tflite import flatbuffer
from pipeline.tflite.few_steps import Mixed
from pipeline.tflite.inspect import inspect
from pipeline.tflite.joins import Join, arithmetic_before, joins, scalings
from pipeline.tflite.signature import output_names

EXAMPLES = 64
"""Calibration examples that ranges are looked at on, and that mends are judged by."""
AT_OUTPUTS: tuple[MixedRanges, ...] = ("int8", "int16", "float", "float_decode")
INSIDE: tuple[MixedRanges, ...] = ("int8", "int16", "float")
"""What `auto` tries, the least change to the model first."""
_Found = Sequence[tuple[Join, Mixed]]


@dataclass(frozen=True)
class MendTrial:
    """What one way to write the joined tensors reached."""

    how: MixedRanges
    inside: bool
    """Whether it is about joined tensors that the model computes with, not about outputs."""
    rules: tuple[Keep, ...]
    agreement: float
    """The task's, with the float model, 0..1."""
    sqnr_db: float
    """Of the part of an output, or the output, that is worst off."""
    agreed: NDArray[np.float64] = field(repr=False, compare=False)
    """The agreement of each example, [n]."""

    def to_json(self) -> dict[str, Any]:
        return {
            "how": self.how,
            "inside": self.inside,
            "keep": [str(rule) for rule in self.rules],
            "agreement": self.agreement,
            "sqnr_db": finite_or_none(self.sqnr_db),
        }


@dataclass(frozen=True)
class Mended:
    """What was found and what is done about it; empty where there is nothing."""

    mixed: tuple[Mixed, ...] = ()
    rules: tuple[Keep, ...] = ()
    """To be laid before the user's."""
    trials: tuple[MendTrial, ...] = ()
    chosen: tuple[MendTrial, ...] = ()
    """One for outputs, one for what is inside, of those that there are."""
    parts: Parts = field(default_factory=Parts, repr=False, compare=False)
    """Of the outputs, told apart; not part of the JSON."""

    def __str__(self) -> str:
        """What was found and what is done, a sentence a kind."""
        return " ".join(_said(trial, self) for trial in self.chosen)

    def to_json(self) -> dict[str, Any]:
        return {
            "found": [one.tensor for one in self.mixed],
            "keep": [str(rule) for rule in self.rules],
            "chosen": [trial.to_json() for trial in self.chosen],
            "trials": [trial.to_json() for trial in self.trials],
        }


def mend_on_examples(
    content: bytes,
    inputs: Inputs,
    settings: Settings,
    section: Quantize,
    given: Ranges | None = None,
    *,
    task: Task,
    threads: int = 2,
    track: Track = quiet,
) -> Mended:
    """As :func:`mend`, for a float model whose ranges are still to be measured; no work where nothing is joined.

    Args:
        content: A float .tflite file's content.
        inputs: The calibration examples.
        settings: How weights are quantized; the trials leave out what takes long.
        section: The recipe's, for the way, the type of inputs and outputs and the keep rules.
        given: Ranges that are known already.
        task: What counts as the same answer.
        threads: Interpreter threads.
        track: Follows the trials.

    Raises:
        InputError: as `ptq.prepare` and :func:`mend`.
        PipelineError: as :func:`mend`.
    """
    read = flatbuffer.read(content)
    if not joins(read) and not scalings(read):
        return Mended()
    simple = Settings(activations=settings.activations, bias_correction=False)  # what corrects layers is alike in all

    def some() -> Iterator[Tensors]:
        return part_of(inputs(), 0, EXAMPLES)

    model = prepare(content, some, simple, given=given, threads=threads, track=track)
    return mend(
        model,
        some,
        simple,
        task=task,
        how=section.mixed_ranges,
        io_type=section.io,
        keep=section.keep,
        threads=threads,
        track=track,
    )


def mend(
    model: FloatModel,
    inputs: Inputs,
    settings: Settings,
    *,
    task: Task,
    how: MixedRanges = "auto",
    io_type: IoType = "int8",
    keep: Sequence[Keep] = (),
    threads: int = 2,
    track: Track = quiet,
) -> Mended:
    """Look for joined tensors that int8 would leave without steps, and choose what is done about them.

    Args:
        model: The float model with its activations' ranges.
        inputs: The calibration examples; the first `EXAMPLES` are used.
        settings: How weights are quantized in the trials.
        task: What counts as the same answer.
        how: `auto` tries all that keep the outputs' names, shapes and values; another one is taken as it is, for
            outputs and, where it is among `INSIDE`, for what is inside.
        io_type: Of the model's inputs and outputs.
        keep: The user's rules, which win. What they keep in float is not looked at.
        threads: Interpreter threads.
        track: Follows the trials.

    Raises:
        InputError: a rule matches nothing, or as `ptq.Quantizer`.
        PipelineError: the model cannot be written.
    """
    found = mixed_ranges(model.content, model.ranges, _left_out(model.content, keep))
    if not found:
        return Mended()
    judge = _Judge(model, inputs, settings, task, io_type, keep, threads)
    rules: tuple[Keep, ...] = ()
    trials: list[MendTrial] = []
    chosen: list[MendTrial] = []
    for inside, ways in ((False, AT_OUTPUTS), (True, INSIDE)):
        still = mixed_ranges(model.content, model.ranges, _left_out(model.content, (*rules, *keep)))
        group = [one for one in still if bool(one[1].outputs) != inside]
        if not group:
            continue
        tried = _distinct(model.content, group, ways if how == "auto" else [how if how in ways else "int8"])
        own = [
            judge(way, inside, rules, added)
            for way, added in track(tried, "trying what joins parts of different ranges", len(tried))
        ]
        reached = [trial for trial in own if trial is not None]
        if not reached:
            raise PipelineError(f"The model cannot be written with mixed_ranges: {how}.")
        best = best_of(reached)
        trials += reached
        chosen.append(best)
        rules = best.rules
    return Mended(tuple(mixed for _, mixed in found), rules, tuple(trials), tuple(chosen), judge.parts)


def unmeasured_rules(content: bytes, ranges: Ranges, how: MixedRanges, keep: Sequence[Keep] = ()) -> tuple[Keep, ...]:
    """The rules where there are no examples to try ways on: for `auto` those of `float`, for outputs alone.

    Args:
        content: A float .tflite file's content.
        ranges: Of its activations, such as QAT learned.
        how: The recipe's `quantize.mixed_ranges`.
        keep: The user's rules, which win.
    """
    way: MixedRanges = "float" if how == "auto" else how
    found = mixed_ranges(content, ranges, _left_out(content, keep))
    group = [one for one in found if one[1].outputs]
    return _rules(content, group, way if way in AT_OUTPUTS else "int8") if group else ()


def _distinct(content: bytes, group: _Found, ways: Iterable[MixedRanges]) -> list[tuple[MixedRanges, tuple[Keep, ...]]]:
    """The ways with their rules, without those that come to the same as an earlier one."""
    rules = {way: _rules(content, group, way) for way in ways}
    return [(way, own) for place, (way, own) in enumerate(rules.items()) if own not in list(rules.values())[:place]]


def _rules(content: bytes, group: _Found, how: MixedRanges) -> tuple[Keep, ...]:
    if how == "int8":
        return ()
    model = flatbuffer.read(content)
    graph, names = model.subgraphs[0], output_names(model)
    places = {place for join, _ in group for place in (join.place, *join.behind, *join.computed_with)}
    if how == "float_decode":
        places |= {place for join, _ in group for place in arithmetic_before(model, join.parts)}
    compute: Compute = "int16x8" if how == "int16" else "float32"
    kept = {flatbuffer.tensor_name(graph.tensors[int(graph.operators[place].outputs[0])]) for place in places}
    outputs = dict.fromkeys(names[position] for join, _ in group for position in join.outputs)
    return (
        *keep_as(inspect(content).operators, kept, compute),
        *(Keep.model_validate({"match": name, "type": OUTPUT, "as": "float32"}) for name in outputs),
    )


def _left_out(content: bytes, rules: Sequence[Keep]) -> frozenset[str]:
    """Outputs of the operators that rules keep out of int8."""
    return frozenset(operator.output for operator in plan(inspect(content).operators, rules)) if rules else frozenset()


class _Judge:
    """Writes the model with rules and holds its answers against the float model's, the parts of outputs apart."""

    def __init__(
        self,
        model: FloatModel,
        inputs: Inputs,
        settings: Settings,
        task: Task,
        io_type: IoType,
        keep: Sequence[Keep],
        threads: int,
    ) -> None:
        def some() -> Iterator[Tensors]:
            return part_of(inputs(), 0, EXAMPLES)

        self._io, self._keep = io_type, tuple(keep)
        self._quantizer = Quantizer(model, some, settings, threads=threads)
        self._against_float = FloatComparison(model.content, some(), task, threads, cut=False)
        self.parts = Parts.of(model.content, model.ranges)

    def __call__(
        self, how: MixedRanges, inside: bool, before: tuple[Keep, ...], added: tuple[Keep, ...]
    ) -> MendTrial | None:
        rules = (*before, *added)
        try:
            written, _ = self._quantizer("int8", self._io, (*rules, *self._keep))
            agreed, worst = self._against_float.by_parts(written, self.parts)
        except (InputError, PipelineError):
            if how == "int8":
                raise
            return None
        return MendTrial(how, inside, rules, float(agreed.mean()), worst, agreed)


_DONE: dict[MixedRanges, Callable[[str], str]] = {
    "int8": lambda what: f"{what} stays int8",
    "int16": lambda what: f"{what} is int16",
    "float": lambda what: f"{what} is joined in float",
    "float_decode": lambda what: f"{what} is joined in float, with the arithmetic before it",
}


def _said(trial: MendTrial, mended: Mended) -> str:
    tried = [other for other in mended.trials if other.inside == trial.inside]
    own = [one for one in mended.mixed if bool(one.outputs) != trial.inside]
    outputs = dict.fromkeys(name for one in own for name in one.outputs)
    least = min((part.steps for one in own for part in one.lost), default=0.0)
    what = ", ".join(f"'{name}'" for name in outputs) if outputs else ", ".join(f"'{one.tensor}'" for one in own)
    others = ", ".join(
        f"{other.how} {100 * other.agreement:.1f} % and {other.sqnr_db:.1f} dB" for other in tried if other != trial
    )
    return (
        f"mixed ranges: one int8 scale leaves a part of {what} {least:.2g} of 256 steps; "
        f"{_DONE[trial.how](what)}: {100 * trial.agreement:.1f} % agreement, the worst part {trial.sqnr_db:.1f} dB"
        + (f" ({others})" if others else "")
        + f". By hand: quantize.mixed_ranges: {trial.how}."
    )
