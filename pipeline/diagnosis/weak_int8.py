"""Why a quantized model is far from the float one: the first cause that is found, where causes precede consequences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.diagnosis.checks import flat_inputs, lost_outputs, sample_size, wide_ranges
from pipeline.diagnosis.input_statistics import InputKind, InputStatistics, add_batch, statistics_of
from pipeline.evaluation.comparison import renamed
from pipeline.finding import Finding
from pipeline.tensors import Batch, Predictor, TensorSpec

CHECK = "fidelity"


def statistics_over(
    inputs: Mapping[str, TensorSpec], described: Mapping[str, Mapping[str, Any]], batches: Iterable[Batch]
) -> dict[str, InputStatistics]:
    """Of the calibration examples, by input name.

    Args:
        inputs: What the data gives, the batch open.
        described: How each is prepared; nothing for what is not known.
        batches: The examples.
    """
    kinds = [InputKind.of(name, described.get(name, {}), spec.shape[1:], spec.dtype) for name, spec in inputs.items()]
    found = statistics_of(kinds)
    seen = 0
    for batch in batches:
        add_batch(found, np.arange(seen, seen + len(batch)), batch.inputs)
        seen += len(batch)
    return found


def first_cause(
    statistics: Mapping[str, InputStatistics],
    columns: Mapping[str, Sequence[str]],
    float_model: Predictor,
    model: Predictor,
    batches: Iterable[Batch],
    mixed: Sequence[Finding] = (),
) -> Finding:
    """The first of: inputs without content, one scale for numbers of very different sizes, in an input or an output,
    too few examples, outputs that say nothing any more.

    Args:
        statistics: Of the calibration examples, by input.
        columns: Their columns' names, where they have names.
        float_model: What it was made from.
        model: The quantized one.
        batches: Examples to ask both about.
        mixed: What `joined_ranges` found in it.
    """
    found: list[Finding] = []
    examples = 0
    for name, one in statistics.items():
        examples = one.count
        found += flat_inputs.without_content(one, len(statistics))
        found += wide_ranges.one_scale(one, columns.get(name, ()), len(statistics))
    found += mixed
    found += sample_size.enough(examples, 0, None)
    if not found:
        asked = [(float_model(batch.inputs), model(batch.inputs)) for batch in batches]
        names = [spec.name for spec in float_model.signature.outputs]
        own = [renamed(answers, names) for _, answers in asked]
        found += lost_outputs.lost_outputs([answers for answers, _ in asked], own)
    return found[0] if found else _unknown()


def _unknown() -> Finding:
    return Finding(
        CHECK,
        "warning",
        "The cause is none of those that are looked for: inputs without content or on another scale, numbers of very "
        "different sizes in one input, too few examples, outputs that say nothing.",
        "The int8 model answers otherwise than the float one.",
        "`pipeline sensitivity RUN` ranks the operators by the noise that they bring and `pipeline search RUN` finds "
        "which must stay out of int8; or train with QAT.",
    )
