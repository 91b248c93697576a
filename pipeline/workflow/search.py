"""Search for the fewest operators to keep out of int8: rank → write and measure sets of them → name the smallest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.benchmarking.latency import benchmark
from pipeline.data import Batch
from pipeline.errors import InputError, PipelineError
from pipeline.evaluation.comparison import Comparison, Record
from pipeline.evaluation.evaluator import evaluate
from pipeline.evaluation.statistics import Difference
from pipeline.files import write_bytes
from pipeline.quantization.correct import Corrected
from pipeline.quantization.keep import plan
from pipeline.quantization.rules import takes_int8
from pipeline.quantization.search.pass_through import pass_through_operators
from pipeline.quantization.search.search_result import Found, Step, gain, show_points
from pipeline.quantization.search.subset import fewest
from pipeline.quantization.sensitivity.algorithm import analyze
from pipeline.quantization.sensitivity.probe import MOVES_VALUES
from pipeline.quantization.sensitivity.sensitivity_result import OperatorError
from pipeline.recipe import Compute, Keep
from pipeline.tasks.task import Metric, Task
from pipeline.tensors import Outputs, Predictor, first_examples
from pipeline.tflite import flatbuffer
from pipeline.tflite.inspect import inspect
from pipeline.tflite.kernels import open_runner
from pipeline.workflow import stages
from pipeline.workflow.format_stage import mixed_tensors, own_rules
from pipeline.workflow.provenance import with_metadata

MEMORY = 512 * 2**20
"""Bytes of examples and float answers that are held; of a larger split both are made again for each model."""
RANKED_ON = 32
"""Calibration examples of the sensitivity analysis."""
OTHERS: tuple[Compute, ...] = ("float32", "float16", "int16x8")
"""Each is tried for the set that was found."""
_EXACT = 1e-7
"""Points that rounding may make of nothing."""


@dataclass(frozen=True)
class Budget:
    """What is searched for, and at what cost."""

    max_drop: float
    """What may be lost, in points of the task's first metric: of a share percentage points."""
    split: str | None = None
    """Where it is measured; None: validation, or calibration where there is none."""
    compute: Compute = "float16"
    """What operators that leave int8 compute in. float16: their weights in half, computed in float32."""
    sure: bool = False
    """Ask the whole 95 % interval of the difference to keep to the budget, not only its estimate."""
    models: int = 60
    """After so many have been written and measured, no further set is tried."""


class _SpentError(Exception):
    pass


@dataclass(frozen=True, eq=False)
class _Tried:
    kept: tuple[OperatorError, ...]
    compute: Compute
    path: Path
    value: float
    """Of the task's first metric."""
    difference: Difference
    """Of it to the float model's."""
    compared: Comparison
    rules: tuple[Keep, ...]
    corrected: Corrected | None


def search(context: stages.RunContext, budget: Budget, folder: Path, *, threads: int = 2) -> tuple[Found, Path | None]:
    """Find the fewest operators that must leave int8 so that the metric drops by no more than the budget.

    The candidates are ranked by the noise that each alone brings to the output of the model with corrected weights
    (:mod:`pipeline.quantization.sensitivity`). Every set that is tried is written as a whole, its biases corrected as
    the run's settings say, and answers the whole split; the sets are those of :func:`subset.fewest`. Last, the set
    found is written with the other types, and all models are timed in turns.

    Args:
        context: A run with its float model and ranges (`stages.reopen`). The recipe's own keep rules hold in every
            model.
        budget: What is asked for.
        folder: Where the models are written, one a step.
        threads: Interpreter threads of evaluation and sensitivity; latency is measured as the recipe says.

    Returns:
        What was tried, and the file of the answer; None where no model keeps to the budget.

    Raises:
        InputError: a budget below 0, a task without a metric, a split that is not there or not enough, or what
            `analyze` refuses.
        PipelineError: the int8 model cannot be written.
    """
    if budget.max_drop < 0:
        raise InputError(f"The budget is a drop of 0 points or more, not {budget.max_drop:g}.")
    if budget.models < 1:
        raise InputError(f"The search writes at least one model, not {budget.models}.")
    if budget.compute == "int8":
        raise InputError("Operators that leave int8 compute in float32, float16 or int16x8, not in int8.")
    return _Search(context, budget, folder, threads).run()


class _Search:
    def __init__(self, context: stages.RunContext, budget: Budget, folder: Path, threads: int) -> None:
        self._context, self._budget, self._folder, self._threads = context, budget, folder, threads
        float_model = context.run.path(stages.FLOAT)
        self._task = context.task
        self._metric = _metric(self._task)
        self._split = _split(context, budget.split)
        self._examples = _Examples(context, self._split, float_model, threads)
        self._quantizer = stages.open_quantizer(context)
        self._prepared = self._quantizer.prepared
        self._model = flatbuffer.read(self._prepared.content)
        self._float = Record("float", self._task)
        for batch, answers in self._examples():
            self._float.add(answers, self._task.targets_of(batch))
        if self._float.statistics is None:
            raise InputError(f"There are no {self._split} examples to measure on. Look at the data's splits.")
        self._tried: list[_Tried] = []

    def run(self) -> tuple[Found, Path | None]:
        corrected = self._try((), "int8").corrected
        kept: tuple[OperatorError, ...] | None = ()
        ranked: list[OperatorError] = []
        ended_early = False
        try:
            if not self._within(self._tried[0]):
                self._warn_of_too_few()
                ranked = self._ranked(corrected)
                kept = fewest(ranked, self._enough)
        except _SpentError:
            ended_early = True
            kept = min((t.kept for t in self._tried if self._within(t)), key=len, default=None)
        if kept:
            for compute in OTHERS:
                if compute != self._budget.compute:
                    self._try_another(kept, compute)
        chosen = next((i for i, t in enumerate(self._tried) if t.kept == kept and self._within(t)), None)
        return self._found(chosen, len(ranked), ended_early), None if chosen is None else self._tried[chosen].path

    def _ranked(self, corrected: Corrected | None) -> list[OperatorError]:
        # What the corrections take back needs no operator in float: the rounded weights count as exact.
        content = self._prepared.content if corrected is None else corrected.apply(self._prepared.content)
        first = first_examples(self._context.data.batches("calibration", stages.EVALUATION_CHUNK), RANKED_ON)
        left = {operator.output for operator in plan(inspect(content).operators, self._own_rules)}
        ranked = analyze(
            content,
            self._prepared.ranges,
            (batch.inputs for batch in first),
            track=self._context.track,
            threads=self._threads,
        ).worst_first()
        return [operator for operator in ranked if operator.name not in left]

    @property
    def _own_rules(self) -> tuple[Keep, ...]:
        """That hold in every model: for what joins parts of very different ranges, and the recipe's."""
        return (*own_rules(self._context.run), *self._context.recipe.quantize.keep)

    def _warn_of_too_few(self) -> None:
        """Where the loss of the int8 model is known less exactly than the budget asks, whatever the metric."""
        gained = gain(self._metric, self._tried[0].difference)
        known_to = (gained.high - gained.low) / 2
        if known_to > self._budget.max_drop:
            unit = f" {self._metric.unit_of_points}".rstrip()
            self._context.say(
                f"{self._float.n} {self._split} examples are too few for a budget of {self._budget.max_drop:g}{unit}: "
                f"they tell what all int8 loses to ±{known_to:.2g}{unit} (95 %). Give more examples or a larger "
                "--max-drop."
            )

    def _enough(self, kept: tuple[OperatorError, ...]) -> bool:
        if not kept:
            return self._within(self._tried[0])
        if len(self._tried) >= self._budget.models:
            raise _SpentError
        return self._within(self._try(kept, self._budget.compute))

    def _try_another(self, kept: tuple[OperatorError, ...], compute: Compute) -> None:
        try:
            self._try(kept, compute)
        except (InputError, PipelineError) as error:
            self._context.say(f"not tried as {compute}: {error}")

    def _try(self, kept: tuple[OperatorError, ...], compute: Compute) -> _Tried:
        rules = self._rules(kept, compute)
        content, corrected = self._quantizer("int8", self._context.recipe.quantize.io, rules)
        path = self._folder / f"{len(self._tried):03d}.tflite"
        method, how = self._prepared.ranges.method, self._quantizer.how
        write_bytes(
            path,
            with_metadata(
                self._context.recipe,
                self._context.data,
                content,
                "int8",
                method,
                rules,
                how,
                mixed_ranges=mixed_tensors(self._context.run),
                task=self._task,
                io=self._context.recipe.quantize.io,
            ),
        )
        record = self._ask(path)
        compared = record.against(self._float)
        assert compared.difference is not None  # both have targets
        value = record.values[self._metric.name]
        tried = _Tried(
            kept, compute, path, value, compared.difference, compared, rules, None if self._tried else corrected
        )
        self._tried.append(tried)
        gained = show_points(self._metric, gain(self._metric, compared.difference).value)
        what = f"{len(kept)} operator{'s' * (len(kept) > 1)} in {compute}" if kept else "all int8"
        self._context.say(f"{what}: {gained}")
        return tried

    def _rules(self, kept: tuple[OperatorError, ...], compute: Compute) -> tuple[Keep, ...]:
        graph = self._model.subgraphs[0]
        moving = [
            place
            for place, operator in enumerate(graph.operators)
            if (kind := flatbuffer.operator_name(self._model, operator)) in MOVES_VALUES and takes_int8(kind)
        ]
        along = pass_through_operators(graph, [operator.index for operator in kept], moving)
        names = [operator.short for operator in kept]
        names += [flatbuffer.tensor_name(graph.tensors[graph.operators[place].outputs[0]]) for place in sorted(along)]
        return (*self._own_rules, *(Keep.model_validate({"match": name, "as": compute}) for name in names))

    def _ask(self, path: Path) -> Record:
        batch_size = self._context.recipe.evaluate.batch_size
        runner, record = open_runner(path, "xnnpack", batch_size, threads=self._threads), Record(path.stem, self._task)
        for batch, expected in self._examples():
            answers = runner(batch.inputs)
            record.add(answers, self._task.targets_of(batch))
            record.hold_against(self._float.name, answers, expected)
        return record

    def _within(self, tried: _Tried) -> bool:
        gained = gain(self._metric, tried.difference)
        return (gained.low if self._budget.sure else gained.value) >= -self._budget.max_drop - _EXACT

    def _found(self, chosen: int | None, candidates: int, ended_early: bool) -> Found:
        context, first = self._context, self._tried[0]
        files = [first.path, context.run.path(stages.FLOAT), *(tried.path for tried in self._tried[1:])]
        timings = benchmark(files, **context.recipe.benchmark.model_dump(), track=context.track)
        times = {timing.model: timing for timing in timings}
        steps = tuple(
            Step(
                kept=tuple(operator.short for operator in tried.kept),
                compute=tried.compute,
                value=tried.value,
                difference=tried.difference,
                agreement=tried.compared.agreement,
                size_bytes=tried.path.stat().st_size,
                latency_ms=times[tried.path].percentile_ms(50),
                latency_ratio=times[tried.path].ratio_to_first,
                within=self._within(tried),
            )
            for tried in self._tried
        )
        return Found(
            metric=self._metric,
            max_drop=self._budget.max_drop,
            sure=self._budget.sure,
            split=self._split,
            examples=self._float.n,
            float_value=self._float.values[self._metric.name],
            float_size_bytes=files[1].stat().st_size,
            float_latency_ratio=times[files[1]].ratio_to_first,
            steps=steps,
            chosen=chosen,
            rules=() if chosen is None else self._tried[chosen].rules,
            candidates=candidates,
            ended_early=ended_early,
            test=self._tested(chosen),
        )

    def _tested(self, chosen: int | None) -> dict[str, object] | None:
        """Every choice fits the split it was made on a little too well; another split tells by how much."""
        if self._split == "test" or "test" not in self._context.data.splits:
            return None
        files: dict[str, Path | Predictor] = {
            "float": self._context.run.path(stages.FLOAT),
            "int8": self._tried[0].path,
        }
        if chosen:
            files["chosen"] = self._tried[chosen].path
        recipe = self._context.recipe
        scores = evaluate(
            files,
            self._context.data.batches("test", stages.EVALUATION_CHUNK),
            self._task,
            "float",
            threads=self._threads,
            batch_size=recipe.evaluate.batch_size,
            track=self._context.track,
        )
        return {name: score.to_json() for name, score in scores.items()}


class _Examples:
    """A split and what the float model answers to it, gone through once a model: held where both are small."""

    def __init__(self, context: stages.RunContext, split: str, float_model: Path, threads: int) -> None:
        self._context, self._split = context, split
        self._float = open_runner(float_model, "xnnpack", context.recipe.evaluate.batch_size, threads=threads)
        self._held: list[tuple[Batch, Outputs]] | None = None

    def __call__(self) -> Iterable[tuple[Batch, Outputs]]:
        return self._read() if self._held is None else self._held

    def _read(self) -> Iterator[tuple[Batch, Outputs]]:
        held: list[tuple[Batch, Outputs]] = []
        size = 0
        for batch in self._context.data.batches(self._split, stages.EVALUATION_CHUNK):
            answers = self._float(batch.inputs)
            size += sum(array.nbytes for array in (*batch.inputs.values(), *answers.stored.values()))
            if size <= MEMORY:
                held.append((batch, answers))
            else:
                held.clear()
            yield batch, answers
        if size <= MEMORY:
            self._held = held


def _metric(task: Task) -> Metric:
    if not task.metrics:
        raise InputError(
            f"The search holds a budget on the task's metric, and the task '{task.name}' has none. Give the data "
            "targets and name the task in the recipe (task: …), or rank the operators without a budget: `pipeline "
            "sensitivity`."
        )
    return task.metrics[0]


def _split(context: stages.RunContext, asked: str | None) -> str:
    if asked is not None:
        context.data.split(asked)
        return asked
    if "validation" in context.data.splits:
        return "validation"
    context.data.split("calibration")
    context.say(
        "The data has no validation split: accuracy is measured on the calibration split, which the int8 model was "
        "fitted to. Name another with --split."
    )
    return "calibration"
