"""Choose how to quantize by measurement: try, compare with the float model on held-out examples, keep the best.

No estimator and no correction is best for every network: clipping helps heavy-tailed activations and hurts ReLU6,
learned rounding pays where weights lose more than activations do.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError, PipelineError
from pipeline.evaluation.statistics import paired_difference
from pipeline.progress import Track, quiet
from pipeline.quantization.calibrate import calibrate_many
from pipeline.quantization.float_reference import Reference
from pipeline.quantization.observers import Estimator, describe, make
from pipeline.quantization.ptq import FloatModel, Inputs, Quantizer, Settings, prepare
from pipeline.quantization.tap import BATCH
from pipeline.tflite import flatbuffer
from pipeline.tflite.runner import Runner

ESTIMATORS: tuple[Estimator, ...] = ("min_max", "mse", "percentile", "entropy")
HELD_OUT = 0.25
"""Share of the calibration examples that candidates are compared on."""
FEWEST_HELD_OUT, MOST_HELD_OUT = 8, 128
MARGIN_DB = 0.5
_SQUASHING = ("SOFTMAX", "LOGISTIC")


@dataclass(frozen=True)
class Trial:
    """What one candidate reached on the held-out examples."""

    settings: Settings
    agreement: float
    """Share of the answers that are the float model's."""
    sqnr_db: float
    """Signal to quantization noise of the output (of the logits, where it ends in a softmax), in decibels."""
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return {
            "name": str(self.settings),
            "settings": self.settings.to_json(),
            "agreement": self.agreement,
            "sqnr_db": self.sqnr_db,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class Choice:
    """The settings that were kept, and why."""

    settings: Settings
    trials: tuple[Trial, ...]
    """In the order in which they were tried; empty where there were too few examples to compare on."""
    held_out: int
    reason: str

    def to_json(self) -> dict[str, Any]:
        return {
            "chosen": str(self.settings),
            "settings": self.settings.to_json(),
            "reason": self.reason,
            "held_out": self.held_out,
            "trials": [trial.to_json() for trial in self.trials],
        }


def choose(
    content: bytes,
    inputs: Inputs,
    examples: int,
    *,
    base: Settings = Settings(),
    equalizing: bool = True,
    learning: bool = True,
    budget: float = 180.0,
    threads: int = 2,
    track: Track = quiet,
) -> Choice:
    """Try the range estimators, then equalization and learned rounding on top of the best; keep what answers best.

    The best agreement with the float model wins. Agreements that cannot be told apart on so few examples (paired
    difference, 95 %) are decided by the outputs' signal to noise ratio, which every example informs; what gains less
    than `MARGIN_DB` is not worth a change to the network.

    Args:
        content: A float .tflite file's content.
        inputs: The calibration examples; the last quarter is held out.
        examples: How many there are.
        base: What is not tried stays as it is here.
        equalizing: Whether to try channel equalization.
        learning: Whether to try learned rounding.
        budget: Seconds after which nothing more is begun. The first candidate is always tried.

    Raises:
        InputError: as `ptq.prepare` and `ptq.Quantizer`.
        PipelineError: no candidate can be written.
    """
    held = min(MOST_HELD_OUT, int(examples * HELD_OUT))
    if held < FEWEST_HELD_OUT:
        needed = int(FEWEST_HELD_OUT / HELD_OUT)
        return Choice(base, (), 0, f"{examples} examples are too few to compare candidates on; {needed} would do")
    started = time.monotonic()
    seen = examples - held

    def fit() -> Iterator[NDArray[np.float32]]:
        return _slice(inputs(), 0, seen)

    reference = Reference(content, fit, threads=threads)
    judge = _Judge(content, list(_slice(inputs(), seen, examples)), threads)
    trials: list[tuple[Trial, NDArray[np.bool_]]] = []
    refusals: list[str] = []

    def attempt(settings: Settings, prepared: FloatModel | None = None) -> None:
        begun = time.monotonic()
        if trials and begun - started > budget:
            return
        try:
            ready = prepared or prepare(content, fit, settings, threads=threads)
            own = reference if ready.content == content else None
            written, _ = Quantizer(ready, fit, settings, threads=threads, reference=own)("int8")
            agreed, noise = judge(written)
        except PipelineError as error:
            refusals.append(str(error))
            return
        trials.append((Trial(settings, float(agreed.mean()), noise, time.monotonic() - begun), agreed))

    first = [replace(base, estimator=estimator) for estimator in ESTIMATORS]
    makers = {str(s): (make(s.estimator, **_options(s)), describe(s.estimator, **_options(s))) for s in first}
    measured = calibrate_many(content, fit(), makers, examples=seen, threads=threads, track=track)
    for settings in track(first, "trying range estimators", len(first)):
        attempt(settings, FloatModel(content, settings.shape(measured[str(settings)])))
    if not trials:
        raise PipelineError(f"The model cannot be written as int8: {refusals[0]}")
    if equalizing:
        attempt(replace(_best(trials).settings, equalize=True))
    if learning:
        attempt(replace(_best(trials).settings, rounding="learned"))
    best = _best(trials)
    return Choice(
        best.settings, tuple(trial for trial, _ in trials), held, _reason(best, trials, held, budget, started)
    )


def _options(settings: Settings) -> dict[str, float]:
    return {"percentile": settings.percentile} if settings.estimator == "percentile" else {}


def _best(trials: list[tuple[Trial, NDArray[np.bool_]]]) -> Trial:
    """The first one that no later, less simple one beats."""
    best, answers = trials[0]
    for trial, agreed in trials[1:]:
        difference = paired_difference(agreed, answers)
        clearer = trial.sqnr_db >= best.sqnr_db + MARGIN_DB and difference.high >= 0
        if difference.low > 0 or clearer:
            best, answers = trial, agreed
    return best


def _reason(
    best: Trial, trials: list[tuple[Trial, NDArray[np.bool_]]], held: int, budget: float, started: float
) -> str:
    text = f"{100 * best.agreement:.1f} % agreement with float and {best.sqnr_db:.1f} dB on {held} held-out examples"
    text += f", the best of {len(trials)} candidates"
    if best.agreement < max(trial.agreement for trial, _ in trials):
        text += " (a higher agreement is within chance; the signal to noise ratio decided)"
    if time.monotonic() - started > budget:
        text += f"; the budget of {budget:g} s ended the search"
    return text


def open_predictor(content: bytes, threads: int) -> Runner:
    """The model at a batch that it takes."""
    try:
        return Runner(content, threads=threads, batch=BATCH)
    except InputError:  # its graph fixes the batch
        return Runner(content, threads=threads)


class _Judge:
    """Compares quantized models with the float one on held-out examples."""

    def __init__(self, content: bytes, batches: list[NDArray[np.float32]], threads: int) -> None:
        self._batches, self._threads = batches, threads
        self._expected = self._outputs(content)

    def __call__(self, written: bytes) -> tuple[NDArray[np.bool_], float]:
        """Which answers agree, bool [answers], and the signal to noise ratio in decibels."""
        found = self._outputs(written)
        noise = float(np.mean((found - self._expected) ** 2, dtype=np.float64))
        signal = float(np.var(self._expected, dtype=np.float64))
        decibels = 10 * np.log10(max(signal, 1e-30) / max(noise, 1e-30))
        if self._expected.shape[-1] == 1:  # one unit: two classes, whichever side of their mean
            middle = self._expected.mean()
            return ((found > middle) == (self._expected > middle)).reshape(-1), float(decibels)
        return (found.argmax(axis=-1) == self._expected.argmax(axis=-1)).reshape(-1), float(decibels)

    def _outputs(self, content: bytes) -> NDArray[np.float32]:
        runner = open_predictor(before_squashing(content), self._threads)
        return np.concatenate([runner.predict(batch) for batch in self._batches])


def before_squashing(content: bytes) -> bytes:
    """The model up to its logits, where its first output comes from a softmax or a sigmoid; else with that output only.

    An int8 softmax rounds probabilities to 1/256, which hides most of what quantization does.
    """
    model = flatbuffer.read(content)
    graph = model.subgraphs[0]
    makers = flatbuffer.producers(graph)
    end = int(graph.outputs[0])
    while end in makers:
        operator = graph.operators[makers[end]]
        name = flatbuffer.operator_name(model, operator)
        if name in _SQUASHING:
            end = int(operator.inputs[0])
            break
        if name not in ("QUANTIZE", "DEQUANTIZE", "RESHAPE"):
            break
        end = int(operator.inputs[0])
    else:
        end = int(graph.outputs[0])
    graph.outputs, model.signatureDefs = [end], []
    return flatbuffer.serialize(model)


def _slice(batches: Iterable[NDArray[np.float32]], start: int, stop: int) -> Iterator[NDArray[np.float32]]:
    """Examples start to stop of a stream of batches."""
    place = 0
    for batch in batches:
        piece = batch[max(start - place, 0) : max(stop - place, 0)]
        if len(piece):
            yield piece
        place += len(batch)
        if place >= stop:
            return
