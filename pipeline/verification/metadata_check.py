"""Is the file what its metadata say: format, labels, preprocessing, recipe, data, golden pair?"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from pipeline import recipe
from pipeline.data import Dataset
from pipeline.diagnosis.checks import metadata_agreement
from pipeline.errors import InputError, PipelineError
from pipeline.quantization.formats import FORMATS
from pipeline.quantization.keep import BASE, OUTPUT, float_outputs, parse, plan
from pipeline.recipe import Format, Keep
from pipeline.tensors import TensorSpec, bind
from pipeline.tflite import golden
from pipeline.tflite.audit.formatting import short
from pipeline.tflite.hybrid import require_hybrid
from pipeline.tflite.inspect import Inspection
from pipeline.tflite.metadata import Metadata

State = Literal["ok", "note", "broken"]
"""broken: the file is not what it says. note: something else is, which may be meant."""

_RUNTIME = "ai-edge-litert"


@dataclass(frozen=True)
class Check:
    """One thing that the metadata says, and whether it is so."""

    what: str
    state: State
    message: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def check(inspection: Inspection, data: Dataset, of_run: Mapping[str, Any] | None = None) -> tuple[Check, ...]:
    """Hold a file to its metadata.

    Args:
        inspection: The file's, read from disk.
        data: The data that it is verified on.
        of_run: The recipe of the run that the file lies in, as its manifest holds it; None for a file in no run.

    Returns:
        Nothing for a file without metadata: there is nothing to hold it to.

    Raises:
        InputError: metadata that are damaged or of a newer version.
        PipelineError: the model fails on the golden inputs.
    """
    assert inspection.file is not None
    path, described = Path(inspection.file), inspection.metadata
    if described is None:
        return ()
    facts = described.provenance
    found = [
        *_format(inspection, facts),
        *_labels(described, data),
        *_preprocessing(inspection, described, data),
        *_recipe(of_run, facts),
        *_data(facts, data),
        *_golden(path, facts),
    ]
    return tuple(found)


def _format(inspection: Inspection, facts: dict[str, Any]) -> list[Check]:
    """Whether the file is what was promised, called what it is: its format, inputs and outputs, keep rules."""
    said = cast(Format, facts.get("format"))
    if said not in FORMATS:
        return []
    is_so = f"is {inspection.verdict.text}"
    rules = _rules(facts)
    kept = _kept(inspection, rules, said)
    io = facts.get("io")
    floats = [port.name for port in (*inspection.inputs, *inspection.outputs) if port.dtype == "float32"]
    floating = _float_outputs(inspection, rules, said)
    if kept or floating:
        count = _counted(kept, floating, facts)
        try:
            require_hybrid(inspection, kept, said, io or ("float32" if floats else "int8"), floating)
        except PipelineError as error:
            return [Check("format", "broken", f"written as {said} but for {count}: {str(error).rstrip('.')}")]
        return [Check("format", "ok", f"written as {said} but for {count} ({', '.join(map(str, rules))}), and {is_so}")]
    ends = " with float inputs and outputs" if io == "float32" and said in BASE else ""
    written = f"written as {said}{ends}"
    if not _fits(inspection.verdict.kind, said):
        return [Check("format", "broken", f"{written}, but it {is_so}")]
    if said in BASE and floats and io != "float32":
        state: State = "note" if io is None else "broken"
        return [Check("format", state, f"{written}, but it {is_so}: {', '.join(map(repr, floats))} float32")]
    return [Check("format", "ok", f"{written}, and {is_so}")]


def _fits(kind: str, said: Format) -> bool:
    if said == "int8_per_tensor":  # with one channel everywhere the two are the same
        return kind in ("int8_per_tensor", "int8", "int8_float_io")
    return kind == said or (said == "int8" and kind == "int8_float_io")


def _rules(facts: dict[str, Any]) -> list[Keep]:
    try:
        return [parse(str(rule)) for rule in facts.get("keep") or []]
    except (InputError, TypeError):
        return []


def _kept(inspection: Inspection, rules: Sequence[Keep], said: Format) -> dict[str, str]:
    """What the operators of the file are to compute in by its keep rules, by their outputs."""
    fitting = []
    for rule in rules if said in BASE else ():
        if rule.type == OUTPUT:
            continue
        # The writer may have named what only moves values otherwise.
        with contextlib.suppress(InputError):
            plan(inspection.operators, [rule], said)
            fitting.append(rule)
    return {operator.output: compute for operator, compute in plan(inspection.operators, fitting, said).items()}


def _float_outputs(inspection: Inspection, rules: Sequence[Keep], said: Format) -> frozenset[str]:
    with contextlib.suppress(InputError):
        return float_outputs([port.name for port in inspection.outputs], rules) if said in BASE else frozenset()
    return frozenset()


def _counted(kept: Mapping[str, str], floating: Collection[str], facts: Mapping[str, Any]) -> str:
    """What leaves the format, and why."""
    count = f"{len(kept)} operator{'s' * (len(kept) > 1)}" if kept else ""
    if floating:
        count += f"{' and ' * bool(kept)}the output{'s' * (len(floating) > 1)} {', '.join(map(repr, sorted(floating)))}"
    joined = facts.get("mixed_ranges")
    if isinstance(joined, list) and joined:
        named = ", ".join(repr(short(str(name))) for name in joined)
        return f"{count} that its keep rules name, since one int8 scale would leave parts of {named} without steps"
    return f"{count} that its keep rules name"


def _labels(described: Metadata, data: Dataset) -> list[Check]:
    if not described.labels:
        return []
    # Classes that the data does not show have their numbers as names.
    own, given = described.labels[: len(data.class_names)], tuple(data.class_names)
    if own == given:
        return [Check("labels", "ok", f"{len(described.labels)} labels, the data's")]
    place = next((i for i, (a, b) in enumerate(zip(own, given, strict=False)) if a != b), len(own))
    said = own[place] if place < len(own) else "nothing"
    return [
        Check("labels", "broken", f"class {place} is '{said}' in the file's labels and '{given[place]}' in the data")
    ]


def _preprocessing(inspection: Inspection, described: Metadata, data: Dataset) -> list[Check]:
    if not described.preprocessing:
        return []
    dtypes = {port.name: np.dtype(port.dtype) for port in inspection.inputs}
    specs = [TensorSpec(port.name, port.shape, dtypes[port.name]) for port in inspection.inputs]
    names = bind({name: name for name in data.inputs}, specs)
    findings = [
        finding
        for own, name in names.items()
        if name in data.preprocessors
        for finding in metadata_agreement.preprocessing(
            described,
            data.preprocessors[name].describe(),
            integer_input=dtypes[own].kind != "f",
            name=own if len(names) > 1 else "",
        )
    ]
    if not findings:
        return [Check("preprocessing", "ok", "the data is prepared as the file says")]
    return [
        Check("preprocessing", "broken" if finding.severity == "error" else "note", finding.message.rstrip("."))
        for finding in findings
    ]


def _recipe(of_run: Mapping[str, Any] | None, facts: dict[str, Any]) -> list[Check]:
    said = facts.get("recipe_sha256")
    if said is None or of_run is None:
        return []
    # As `Recipe.digest` counts it, over the recipe as it was written, and with the keys that this program knows too.
    own = hashlib.sha256(json.dumps(of_run, sort_keys=True).encode()).hexdigest()
    if said in (own, recipe.parse(dict(of_run), "the run's recipe").digest()):
        return [Check("recipe", "ok", f"the run's own, {said[:12]}")]
    return [
        Check("recipe", "note", f"written by the recipe {said[:12]}; the run's is {own[:12]} now, it was changed since")
    ]


def _data(facts: dict[str, Any], data: Dataset) -> list[Check]:
    said = facts.get("data_sha256")
    if said is None:
        return []
    if said == data.fingerprint:
        return [Check("data", "ok", f"calibrated on this data, {said[:12]}")]
    return [Check("data", "note", f"calibrated on the data {said[:12]}; this is {data.fingerprint[:12]}")]


def _golden(path: Path, facts: dict[str, Any]) -> list[Check]:
    said = golden.of(facts)
    if said is None:
        return []
    found = golden.pair(path, said.examples, said.version)
    written, now = facts.get("versions", {}).get(_RUNTIME, "unknown"), version(_RUNTIME)
    if found is None or found.input_sha256 != said.input_sha256:
        return [Check("golden pair", "broken", "the golden inputs are others: the model's input was changed")]
    if found.output_sha256 == said.output_sha256:
        return [
            Check(
                "golden pair",
                "ok",
                f"{said.examples} inputs give the bytes that were recorded, {said.output_sha256[:12]}",
            )
        ]
    other = "" if written == now else f", or LiteRT {now} computes otherwise than {written}, which recorded them"
    return [
        Check(
            "golden pair",
            "broken",
            f"the model answers {found.output_sha256[:12]} where {said.output_sha256[:12]} was recorded: the file was "
            f"changed since{other}",
        )
    ]
