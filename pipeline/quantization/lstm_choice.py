"""Which fused LSTMs compute in int8 and which stay in float, by measurement.

Weights with one scale a gate and a state of 8 bits that is fed back are enough for most LSTMs, and useless for some:
only the answers tell.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import InputError, PipelineError
from pipeline.evaluation.comparison import Comparison, is_weak
from pipeline.quantization.float_comparison import FloatComparison, part_of
from pipeline.quantization.keep import in_float, parse, plan
from pipeline.quantization.ptq import Quantizer
from pipeline.quantization.sequence_lstm import NAME
from pipeline.quantization.tap import Inputs
from pipeline.recipe import Keep
from pipeline.tasks.task import Task
from pipeline.tflite.inspect import Operator, inspect
from pipeline.tflite.operator_names import short_names

EXAMPLES = 64
"""That both forms are compared on; what is of no use shows in few."""
MARGIN_DB = 3.0
"""Float must halve the noise to be worth it: else it is not the LSTM that makes it."""


@dataclass(frozen=True)
class LstmChoice:
    """Rules that keep LSTMs in float, and why."""

    rules: tuple[Keep, ...] = ()
    reason: str = ""
    """A sentence; empty where there are no rules."""

    def to_json(self) -> dict[str, Any]:
        return {"rules": [str(rule) for rule in self.rules], "reason": self.reason}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> LstmChoice:
        return cls(tuple(map(parse, content.get("rules", ()))), str(content.get("reason", "")))


def keep_inaccurate(
    quantizer: Quantizer, inputs: Inputs, task: Task, rules: Sequence[Keep] = (), *, threads: int = 2
) -> LstmChoice:
    """Measure the int8 form of every LSTM against float on the first calibration examples.

    They stay in float where the int8 model is below the floor of :func:`~pipeline.evaluation.comparison.is_weak` and
    float lifts it by `MARGIN_DB` or above the floor; of several LSTMs only those that do it. So do those that have no
    int8 form.

    Args:
        quantizer: Of the float model.
        inputs: The calibration examples.
        task: What counts as the same answer.
        rules: The user's, which come after and win: what they name is not judged.
        threads: Interpreter threads.
    """
    content = quantizer.prepared.content
    operators = inspect(content).operators
    if not any(operator.name == NAME for operator in operators):
        return LstmChoice()
    in_float_unless_told = plan(operators, [Keep.model_validate({"type": NAME, "as": "float32"}), *rules])
    told = plan(operators, rules)
    lstms = [op.output for op in in_float_unless_told if op.name == NAME and op not in told]
    if not lstms:
        return LstmChoice()

    def kept(names: Collection[str]) -> tuple[Keep, ...]:
        return in_float(operators, names)

    try:
        written, _ = quantizer("int8", keep=rules)
        in_float_already = {operator.output for operator in inspect(written).float_operators}
        unable = [name for name in lstms if name in in_float_already]
        compare = FloatComparison(content, part_of(inputs(), 0, EXAMPLES), task, threads)
        whole = compare(written)
        if not is_weak(whole):
            return LstmChoice(kept(unable), _unable(unable, operators))
        best_names, best = lstms, compare(quantizer("int8", keep=[*kept(lstms), *rules])[0])
        if not _better(best, whole):
            return LstmChoice(kept(unable), _unable(unable, operators))
        for name in [name for name in lstms if name not in unable]:
            fewer = [other for other in best_names if other != name]
            tried = compare(quantizer("int8", keep=[*kept(fewer), *rules])[0]) if fewer else whole
            if not _better(best, tried):
                best_names, best = fewer, tried
    except (InputError, PipelineError):  # said where the format is written
        return LstmChoice()
    reason = (
        f"{_listed(best_names, operators)} in float: with the LSTMs in int8 {_reached(whole)}, so {_reached(best)}, "
        f"on {best.n} calibration examples"
    )
    return LstmChoice(kept(best_names), reason)


def _better(one: Comparison, other: Comparison) -> bool:
    """Whether it is worth an operator in float."""
    return (is_weak(other) and not is_weak(one)) or one.sqnr_db >= other.sqnr_db + MARGIN_DB


def _reached(found: Comparison) -> str:
    return f"{100 * found.agreement:.1f} % agreement with the float model and {found.sqnr_db:.1f} dB"


def _unable(names: Sequence[str], operators: Sequence[Operator]) -> str:
    if not names:
        return ""
    return f"{_listed(names, operators)} in float: what TFLite's int8 kernel lacks is in it"


def _listed(names: Collection[str], operators: Sequence[Operator]) -> str:
    shorts = short_names([(operator.output, operator.name) for operator in operators])
    own = [short for operator, short in zip(operators, shorts, strict=True) if operator.output in names]
    return f"the LSTM{'s' * (len(own) > 1)} {', '.join(own)} stay{'s' * (len(own) == 1)}"
