"""Examine a .tflite: all checks, in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.finding import Finding, worst_first
from pipeline.progress import Track, quiet
from pipeline.tensors import Tensors
from pipeline.tflite import flatbuffer, metadata
from pipeline.tflite.audit.checks import (
    bias_overflow,
    bias_scale,
    custom_operators,
    float_islands,
    mixed_parts,
    packed_files,
    partitions,
    per_channel,
    plausible,
    saturation,
    scales,
    score_steps,
    zero_points,
    zero_rows,
)
from pipeline.tflite.audit.observe import observe
from pipeline.tflite.audit.subject import Subject
from pipeline.tflite.delegation import Delegation, measure
from pipeline.tflite.inspect import Inspection, inspect
from pipeline.tflite.plausible_run import plausible_run

# Causes before their consequences: of the same severity, findings keep this order.
CHECKS: dict[str, Callable[[Subject], list[Finding]]] = {
    custom_operators.CHECK: custom_operators.check,
    plausible.CHECK: plausible.check,
    scales.CHECK: scales.check,
    bias_scale.CHECK: bias_scale.check,
    bias_overflow.CHECK: bias_overflow.check,
    mixed_parts.CHECK: mixed_parts.check,
    zero_points.CHECK: zero_points.check,
    zero_rows.CHECK: zero_rows.check,
    per_channel.CHECK: per_channel.check,
    float_islands.CHECK: float_islands.check,
    partitions.CHECK: partitions.check,
    score_steps.CHECK: score_steps.check,
    saturation.CHECK: saturation.check,
    packed_files.CHECK: packed_files.check,
}


_NOT_RUN = "the model cannot be run"


@dataclass(frozen=True)
class Audit:
    """What was looked at and what was found."""

    findings: tuple[Finding, ...]
    """The worst first."""
    checked: tuple[str, ...]
    left_out: tuple[str, ...]
    """What could not be looked at, and why."""
    delegation: Delegation | None
    """What XNNPACK takes, measured on this host; None where the model cannot be loaded."""

    @property
    def failed(self) -> bool:
        """Whether there is an error among the findings."""
        return any(finding.severity == "error" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        measured = self.delegation
        return {
            "findings": [finding.to_json() for finding in self.findings],
            "checked": list(self.checked),
            "left_out": list(self.left_out),
            "xnnpack": None
            if measured is None
            else {
                "share": measured.share,
                "operators": measured.operators,
                "partitions": [list(partition) for partition in measured.partitions],
            },
        }


def audit(
    file: Path,
    inspection: Inspection | None = None,
    examples: Iterable[Tensors] | None = None,
    *,
    track: Track = quiet,
) -> Audit:
    """Look for what is wrong, or wasted, in a .tflite.

    Args:
        file: The file.
        inspection: What `inspect` said of it; read again by default.
        examples: By input name, [...] without the batch, on which activations are observed.
        track: Follows the examples.

    Raises:
        InputError: no model, or examples that it does not take.
        PipelineError: the model fails on the examples.
    """
    content = flatbuffer.load(file)
    found = inspection or inspect(file)
    left_out: list[str] = []
    measured: Delegation | None = None
    try:
        measured = measure(file)
    except InputError as error:
        left_out.append(f"{partitions.CHECK}: {error}")
    ran_on = plausible_run(file)
    if ran_on is None:
        left_out.append(f"{plausible.CHECK}: {_NOT_RUN if measured is None else 'nothing tells what it takes'}")
    observed = None
    if examples is None:
        left_out.append(f"{saturation.CHECK}: it takes data (--data, or --recipe)")
    elif measured is None:
        left_out.append(f"{saturation.CHECK}: {_NOT_RUN}")
    else:
        observed, count = observe(content, examples, track)
        if not count:
            raise InputError("There are no examples to observe activations on. Look at the data's splits.")
    subject = Subject(flatbuffer.read(content), found, measured, observed, ran_on, metadata.lost_file(content))
    skipped = {note.split(":")[0] for note in left_out}
    ran = {name: check for name, check in CHECKS.items() if name not in skipped}
    findings = [finding for check in ran.values() for finding in check(subject)]
    return Audit(worst_first(findings), tuple(ran), tuple(left_out), measured)
