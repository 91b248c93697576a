"""How near what was written is to the float model, and why where it is not: what every export says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError, PipelineError
from pipeline.finding import Finding, worst_first
from pipeline.quantization.keep import BASE
from pipeline.recipe import Format, Keep
from pipeline.tflite import flatbuffer
from pipeline.workflow.context import EVALUATION_CHUNK, RunContext, task_json
from pipeline.workflow.format_stage import open_quantizer, own_rules
from pipeline.workflow.run_folder import FLOAT, PREPARED, QAT, RANGES

if TYPE_CHECKING:
    from pipeline.evaluation.evaluator import Evaluation
    from pipeline.tensors import Predictor

EXAMPLES = 256
"""That are judged by, drawn at random."""
_OF_EACH_VALUE = frozenset({"SUB", "ADD", "MUL", "DIV", "CAST", "RESHAPE", "EXPAND_DIMS", "SQUEEZE", "DEQUANTIZE"})
"""Operators that bring numbers to like sizes and do not mix them."""


@dataclass(frozen=True)
class Judgement:
    """What was measured, and what is wrong."""

    scores: dict[str, Evaluation]
    """By format; the first is what the others are compared with: `float`, after QAT `qat`."""
    against: str
    """The name of the model that the others are compared with."""
    split: str
    calibrated: bool
    """Whether examples of that split, or all of them, calibrated too."""
    task: dict[str, Any]
    """As JSON, with its metrics."""
    weak: tuple[str, ...]
    """Formats that are below the floor."""
    findings: tuple[Finding, ...]
    """The first cause of that, and inputs or labels that are not the model's, whatever the formats reach."""

    @property
    def where(self) -> str:
        """In words, what was measured on."""
        count = next(iter(self.scores.values())).n
        if self.split == "calibration":
            return f"{count} calibration examples, which the ranges were measured on"
        return f"{count} {self.split} examples" + (", calibration examples among them" if self.calibrated else "")

    @property
    def warnings(self) -> list[str]:
        """Which formats are of no use, and what was found, a paragraph each."""
        weak = []
        for name in self.weak:
            compared = self.scores[name].compared
            assert compared is not None
            weak.append(
                f"{name} is far from the {self.against} model: {100 * compared.agreement:.1f} % agreement, "
                f"{compared.sqnr_db:.1f} dB"
            )
        return [*weak, *map(str, self.findings)]

    def to_json(self) -> dict[str, Any]:
        return {
            "against": self.against,
            "split": self.split,
            "calibrated": self.calibrated,
            "models": {name: score.to_json() for name, score in self.scores.items()},
            "weak": list(self.weak),
            "warnings": self.warnings,
            "findings": [finding.to_json() for finding in self.findings],
        }


def judge(context: RunContext, written: Mapping[Format, Path], keep: Sequence[Keep] = ()) -> Judgement:
    """Compare formats with the run's float model, and look for the cause where one is far from it.

    Args:
        context: The run, with its float model.
        written: The files by format.
        keep: The rules that they were written with.

    Raises:
        InputError: the data cannot be read.
        PipelineError: a model fails or gives NaN.
    """
    from pipeline.diagnosis.calibration_data import scale_and_labels
    from pipeline.diagnosis.stream import sample
    from pipeline.diagnosis.weak_int8 import first_cause, statistics_over
    from pipeline.evaluation.comparison import is_weak
    from pipeline.evaluation.evaluator import evaluate
    from pipeline.tflite.kernels import open_runner

    data, task, recipe = context.data, context.task, context.recipe
    against, reference = _reference(context)
    files: dict[str, Path | bytes | Predictor] = {against: reference}
    files |= {name: path for name, path in written.items() if name != "float32"}
    split = judging_split(data.splits, data.calibrating)
    scores = evaluate(
        files,
        sample(data, split, EXAMPLES),
        task,
        against,
        threads=recipe.evaluate.threads,
        batch_size=recipe.evaluate.batch_size,
        track=context.track,
    )
    content = flatbuffer.load(reference)
    findings = scale_and_labels(content, data, split, task, track=context.track) if "calibration" in data.splits else []
    weak = [name for name, score in scores.items() if score.compared is not None and is_weak(score.compared)]
    integers: list[Format] = [name for name in written if name in weak and name in BASE]
    mixed = _joined(context, keep) if any(name in BASE for name in written) else []
    if integers and not any(finding.severity == "error" for finding in findings):
        statistics = statistics_over(
            data.inputs,
            {name: preprocessor.describe() for name, preprocessor in data.preprocessors.items()},
            data.batches("calibration", EVALUATION_CHUNK),
        )
        columns = {name: column.names for name, column in data.split("calibration").inputs.items()}
        own = open_runner(written[integers[0]], "xnnpack", 1)
        models = open_runner(content, "xnnpack", 1), own
        cause = first_cause(statistics, columns, *models, sample(data, split, EXAMPLES), mixed)
        findings.append(_with_proof(context, cause, split, keep))
    findings += [finding for finding in mixed if finding not in findings]
    return Judgement(
        scores,
        against,
        split,
        split == "calibration" or split in data.calibrating,
        task_json(context.resolved),
        tuple(weak),
        worst_first(findings),
    )


def _joined(context: RunContext, keep: Sequence[Keep]) -> list[Finding]:
    """What joins parts of very different ranges in int8: the whole output's signal to noise ratio hides it."""
    from pipeline.diagnosis.checks.joined_ranges import in_int8, of_ranges
    from pipeline.quantization.keep import kept_in_float
    from pipeline.quantization.ranges import Ranges

    content = context.run.path(PREPARED).read_bytes()
    ranges = Ranges.load(context.run.path(RANGES))
    return in_int8(of_ranges(content, ranges, kept_in_float(content, (*own_rules(context.run), *keep))))


def _reference(context: RunContext) -> tuple[str, Path]:
    """What the formats are to answer like: the float model, or what QAT made of it."""
    for name, file in (("qat", QAT), ("float", FLOAT)):
        if context.run.path(file).is_file():
            return name, context.run.path(file)
    return "float", context.run.path(PREPARED)


def judging_split(splits: Mapping[str, Any], calibrating: frozenset[str]) -> str:
    """The split that a model is judged on: one that took no part in its making, where there is one."""
    there = [name for name in ("test", "validation") if name in splits]
    apart = [name for name in there if name not in calibrating]
    return next(iter([*apart, *(["calibration"] if "calibration" in splits else there)]))


def _with_proof(context: RunContext, cause: Finding, split: str, keep: Sequence[Keep]) -> Finding:
    """The cause with a way out that was tried: what reads the inputs kept in float, where that helps."""
    from pipeline.diagnosis.checks.wide_ranges import CHECK
    from pipeline.diagnosis.stream import sample
    from pipeline.evaluation.comparison import is_weak
    from pipeline.evaluation.evaluator import evaluate

    if cause.check != CHECK:
        return cause
    names = first_operators(context.run.path(PREPARED))
    rules = [
        *own_rules(context.run),
        *keep,
        *(Keep.model_validate({"match": name, "as": "float32"}) for name in names),
    ]
    try:
        content, _ = open_quantizer(context)("int8", "float32", rules)
        models: dict[str, Path | bytes | Predictor] = {"float": context.run.path(FLOAT), "tried": content}
        tried = evaluate(models, sample(context.data, split, EXAMPLES), context.task, "float")["tried"].compared
    except (InputError, PipelineError):
        return cause
    if tried is None or is_weak(tried):
        return cause
    options = " ".join(f"--keep '{name}=float32'" for name in names)
    return replace(
        cause,
        remedy=f"Keep what reads them in float: --io float32 {options}; tried, it agrees in "
        f"{100 * tried.agreement:.1f} % with {tried.sqnr_db:.1f} dB. Or: {cause.remedy[0].lower()}{cause.remedy[1:]}",
        evidence={**cause.evidence, "tried": {"keep": names, **tried.to_json()}},
    )


def first_operators(model: Path) -> list[str]:
    """Names, as keep rules take them, of the operators that a float model's inputs go through before they are mixed.

    Those that treat each value by itself, as a Normalization layer's do; where there are none, those that read the
    inputs.
    """
    from pipeline.tflite.operator_names import short_names

    content = flatbuffer.read(flatbuffer.load(model))
    graph = content.subgraphs[0]
    whole = [flatbuffer.tensor_name(graph.tensors[operator.outputs[0]]) for operator in graph.operators]
    kinds = [flatbuffer.operator_name(content, operator) for operator in graph.operators]
    short = short_names(list(zip(whole, kinds, strict=True)))
    reached = {int(index) for index in graph.inputs}
    readers = [place for place, operator in enumerate(graph.operators) if reached & set(map(int, operator.inputs))]
    found = []
    for place, operator in enumerate(graph.operators):
        if kinds[place] in _OF_EACH_VALUE and reached & set(map(int, operator.inputs)):
            reached |= set(map(int, operator.outputs))
            found.append(place)
    return [short[place] for place in found or readers]
