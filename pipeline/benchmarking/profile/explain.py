"""Why is int8 slow: every operator of the int8 model beside the float model's, worst first, with reasons."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.benchmarking.host import Host, describe_host
from pipeline.benchmarking.latency import benchmark
from pipeline.benchmarking.profile.attribute import attribute
from pipeline.benchmarking.profile.litert import REFUSED
from pipeline.benchmarking.profile.profiler import profile
from pipeline.benchmarking.profile.reasons import DOT_PRODUCTS, reasons
from pipeline.errors import InputError, PipelineError
from pipeline.tflite import flatbuffer
from pipeline.tflite.activations import listed
from pipeline.tflite.delegation import measure
from pipeline.tflite.inspect import Operator, inspect
from pipeline.tflite.match import matched
from pipeline.tflite.operator_names import short_names
from pipeline.tflite.work import INSTRUCTION_SETS, Work, work

RUNS = 50


@dataclass(frozen=True)
class OperatorTime:
    """One operator of the int8 model."""

    index: int
    name: str
    short: str
    type: str
    us: float
    """Mean of the faster half of the runs; 0 where it was fused into another one, or takes less than the profiler's
    whole microsecond."""
    share: float
    """Of all operators' time, 0..1."""
    float_us: float | None
    """The float model's operator; None where there is none."""
    delegated: bool
    ran: tuple[str, ...]
    """What ran, by the profiler's names."""
    macs: int
    gains: dict[str, float] | None
    """At most how many times as fast as float its multiplications are, by ARM's instruction set: an estimate."""
    reasons: tuple[str, ...]

    @property
    def ratio(self) -> float | None:
        """Its time by the float operator's; None where that is none or too short."""
        return self.us / self.float_us if self.float_us else None

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {"ratio": self.ratio, "ran": list(self.ran), "reasons": list(self.reasons)}


@dataclass(frozen=True)
class Explanation:
    """Where the time of an int8 model goes."""

    model: Path
    reference: Path | None
    text: str
    """What the model is."""
    runs: int
    operators: tuple[OperatorTime, ...]
    """In the graph's order."""
    total_us: float
    """All operators'."""
    reference_us: float | None
    """The float model's."""
    inference_us: float
    """A whole inference, with what is between the operators; on a busy machine it varies more than their sum. Timed
    without the profiler where that does not take the model."""
    gains: dict[str, float] | None
    """At most how many times as fast as float all multiplications are, by instruction set: an estimate."""
    host: Host
    unprofiled: str | None = None
    """Why no operator was timed: the profiler does not take the model, and all operators' times are 0."""

    @property
    def delegated(self) -> float:
        """Share of the operators that XNNPACK runs."""
        return sum(op.delegated for op in self.operators) / max(len(self.operators), 1)

    @property
    def delegated_time(self) -> float:
        """Share of the operators' time within XNNPACK."""
        return sum(op.share for op in self.operators if op.delegated)

    @property
    def host_has_dot_products(self) -> bool:
        """Whether this host multiplies int8 faster than float; phones of the last years do."""
        return bool(DOT_PRODUCTS.intersection(self.host.int8))

    @property
    def slow(self) -> tuple[OperatorTime, ...]:
        """Those with a reason, the longest first."""
        return tuple(op for op in self.worst_first() if op.reasons)

    def worst_first(self) -> tuple[OperatorTime, ...]:
        return tuple(sorted(self.operators, key=lambda op: -op.us))

    def to_json(self) -> dict[str, Any]:
        """The operators come worst first."""
        return {
            "model": str(self.model),
            "reference": str(self.reference) if self.reference else None,
            "verdict": self.text,
            "runs": self.runs,
            "total_us": self.total_us,
            "inference_us": self.inference_us,
            "unprofiled": self.unprofiled,
            "reference_us": self.reference_us,
            "ratio": self.total_us / self.reference_us if self.reference_us else None,
            "delegated": self.delegated,
            "delegated_time": self.delegated_time,
            "estimated_gains": self.gains,
            "operators": [op.to_json() for op in self.worst_first()],
            "host": self.host.to_json() | {"int8_dot_product": self.host_has_dot_products},
        }


def explain(model: Path, reference: Path | None = None, *, runs: int = RUNS) -> Explanation:
    """Profile a quantized model on this host, beside its float model.

    Args:
        model: The .tflite file.
        reference: The float .tflite that it was made from; None: by itself.
        runs: Inferences of each, in turns.

    Raises:
        InputError: a float model where a quantized one was asked for, a reference that is quantized, a file that is no
            model or kills the process that runs it.
        PipelineError: this LiteRT's profiler cannot be used. Where it is only this model that it does not take, its
            operators are explained without times.
    """
    found = inspect(model)
    if found.verdict.kind == "float32":
        raise InputError(
            f"{model} computes in float: it is {found.verdict.text}. Give the quantized one; the float model goes with "
            "--reference."
        )
    if reference is not None and (kind := inspect(reference).verdict).kind != "float32":
        raise InputError(f"The reference {reference} is no float model: it is {kind.text}.")
    files = [model, *([reference] if reference else [])]
    tree = flatbuffer.read(model)
    operators = [op for op in found.operators if op.subgraph == 0]
    try:
        profiles, unprofiled = profile(files, runs), None
    except PipelineError as error:
        if not str(error).startswith(REFUSED):
            raise
        profiles, unprofiled = [], str(error)
    if profiles:
        times, ran, outside = attribute(profiles[0], [op.name for op in operators])
        inference_us = profiles[0].inference_us
    else:
        times, ran = [0.0] * len(operators), [list[str]() for _ in operators]
        outside = frozenset(op.index for op in operators) - measure(model).taken
        inference_us = 1000 * benchmark([model], runs=runs)[0].percentile_ms(50)
    others = _float_times(model, reference, profiles[1]) if reference and profiles else {}
    works = [work(tree, op.index) for op in operators]
    whole = sum(times)
    shorts = short_names([(op.output, op.name) for op in operators])
    host = describe_host()
    measured = []
    for op, short, us, tags, own in zip(operators, shorts, times, ran, works, strict=True):
        other = others.get(op.index)
        measured.append(
            OperatorTime(
                index=op.index,
                name=op.output,
                short=short,
                type=op.name,
                us=us,
                share=us / whole if whole else 0.0,
                float_us=other,
                delegated=op.index not in outside,
                ran=tuple(tags),
                macs=own.macs,
                gains=_gains([own]),
                reasons=reasons(
                    tree,
                    op,
                    own,
                    delegated=op.index not in outside,
                    share=us / whole if whole else 0.0,
                    ratio=_sure_ratio(us, other),
                    int8=host.int8,
                ),
            )
        )
    return Explanation(
        model=model,
        reference=reference,
        text=found.verdict.text,
        runs=runs,
        operators=tuple(measured),
        total_us=whole,
        reference_us=profiles[1].operators_us if reference and profiles else None,
        inference_us=inference_us,
        gains=_gains(works),
        host=host,
        unprofiled=unprofiled,
    )


_MEASURABLE_US = 3.0
"""Below it the profiler's whole microseconds say nothing about a ratio."""


def _sure_ratio(us: float, other: float | None) -> float | None:
    return us / other if other and max(us, other) >= _MEASURABLE_US else None


def _float_times(model: Path, reference: Path, measured: Any) -> dict[int, float]:
    """The float operators' times, by the place of the int8 model's operator."""
    operators: list[Operator] = [op for op in inspect(reference).operators if op.subgraph == 0]
    times, _, _ = attribute(measured, [op.name for op in operators])
    upper, lower = listed(flatbuffer.load(reference)), listed(flatbuffer.load(model))
    return {
        lower[below].index: times[upper[above].index]
        for above, below in matched(upper, lower)
        if lower[below].index >= 0 and upper[above].index >= 0
    }


def _gains(works: list[Work]) -> dict[str, float] | None:
    floats = sum(each.float_instructions for each in works)
    if not floats:
        return None
    return {name: floats / sum(each.instructions(name) for each in works) for name in INSTRUCTION_SETS}
