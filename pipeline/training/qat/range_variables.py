"""The activation ranges inside a QAT model: read them, and set them where training is to begin.

A range is known by the name of the layer whose output it rounds. The same name stands in the converted model
(:func:`pipeline.quantization.learned.quantizer_tensors` gives the tensor), so ranges that calibration measured on the
float flatbuffer can be handed to QAT, and the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tensorflow_model_optimization.python.core.quantization.keras.quantize_wrapper import QuantizeWrapper

from pipeline.errors import InputError
from pipeline.models.fake_quant.quantizers import FixedRange, RunningRange, WidestRange
from pipeline.quantization.ranges import holding_zero

SEEN = 1.0
"""Batches that a range which was set counts for; with 1 it weighs as much as the first batch of training."""


def ranges(aware: Any) -> dict[str, tuple[float, float]]:
    """(min, max) of every quantizer that learns its range, by the name of its wrapper."""
    return {name: (float(state["min"]), float(state["max"])) for name, _, state in _learning(aware)}


def input_quantizers(aware: Any) -> dict[str, str]:
    """Names of the quantizers of the model's float inputs, by the inputs' names, in the model's order.

    Integer inputs (tokens, counts) have none: they are fed as they are.
    """
    read = {layer.name: str(layer.input._keras_history.layer.name) for layer in aware.layers if _widens(layer)}
    return {source: wrapper for source in aware.input_names for wrapper, name in read.items() if name == source}


def set_ranges(aware: Any, start: Mapping[str, tuple[float, float]], seen: float = SEEN) -> None:
    """Let quantizers begin from given ranges.

    Args:
        aware: A QAT model.
        start: (min, max) by the wrapper's name; quantizers that are not named stay as they are.
        seen: How many batches the given range counts for in the running mean. A large number all but freezes it.

    Raises:
        InputError: a name that no quantizer has.
    """
    found = {name: (quantizer, state) for name, quantizer, state in _learning(aware)}
    if unknown := set(start) - set(found):
        raise InputError(f"The QAT model has no activation quantizer named {', '.join(map(repr, sorted(unknown)))}.")
    for name, (low, high) in start.items():
        quantizer, state = found[name]
        low, high = holding_zero(low, high) if isinstance(quantizer, WidestRange) else (min(low, 0.0), max(high, 0.0))
        state["min"].assign(low)
        state["max"].assign(high)
        state["seen"].assign(seen)


def freeze_ranges(aware: Any) -> None:
    """Keep every range where it is from the next trace of the training step on."""
    for _, quantizer, _ in _learning(aware):
        if isinstance(quantizer, RunningRange):
            quantizer.follows = False


def rounds_output(layer: Any) -> bool:
    """Whether there is a fake-quant behind a layer's answer."""
    return isinstance(layer, QuantizeWrapper) and bool(layer._output_quantizers)


def learned_range(layer: Any) -> dict[str, Any] | None:
    """The variables `min`, `max` and `seen` of the fake-quant behind a layer's answer, if it has a range of its own."""
    if rounds_output(layer) and isinstance(layer._output_quantizers[0], RunningRange | WidestRange):
        state: dict[str, Any] = layer._output_quantizer_vars
        return state
    return None


def range_of(layer: Any) -> tuple[float, float] | None:
    """(min, max) of the fake-quant behind a layer's answer; None for a quantizer of the user's."""
    learned = learned_range(layer)
    if learned is not None:
        return float(learned["min"].numpy()), float(learned["max"].numpy())
    quantizer = layer._output_quantizers[0]
    return (quantizer.low, quantizer.high) if isinstance(quantizer, FixedRange) else None


def _widens(layer: Any) -> bool:
    return rounds_output(layer) and isinstance(layer._output_quantizers[0], WidestRange)


def _learning(aware: Any) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Name, quantizer and variables of every output quantizer with a range of its own."""
    for layer in aware.layers:
        state = learned_range(layer)
        if state is not None:
            yield layer.name, layer._output_quantizers[0], state
