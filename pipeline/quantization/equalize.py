"""Scale channels so that each fills the range that its tensor has anyway: more int8 steps for the small ones.

One tensor has one activation scale, set by its largest channel. Where a layer's output goes to one other layer only,
its channels can be scaled up and the next layer's weights scaled down: the float network stays the same, the small
channels are rounded finer. The idea is cross-layer equalization's (M. Nagel et al., Data-Free Quantization Through
Weight Equalization and Bias Correction, ICCV 2019, §4.1); as weights have a scale each channel here, it is
the activations that are equalized, and half the way for dense layers as in G. Xiao et al., SmoothQuant (ICML 2023),
because what is taken from the activations burdens the next layer's weights. Depthwise layers bear all of it.

A ReLU6 stays one: a channel that never reaches 6 is scaled up to it at most; what it then clips, a range would clip.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert.schema_py_generated import ActivationFunctionType, ModelT
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.progress import Track, quiet
from pipeline.quantization.tap import TappedModel, check_finite, first_pieces, with_outputs
from pipeline.quantization.weighted_operators import Layer, constant, layers
from pipeline.tensors import Tensors
from pipeline.tflite import flatbuffer
from pipeline.tflite.edit import Editor
from pipeline.tflite.prune import prune

EXAMPLES = 64
LARGEST_GAIN = 16.0
"""Channels that hardly ever answer are not scaled up without bound: their largest value is not well known."""
_SHARE = {"DEPTHWISE_CONV_2D": 1.0}
_DENSE_SHARE = 0.5

_POSITIVELY_HOMOGENEOUS = (
    ActivationFunctionType.NONE,
    ActivationFunctionType.RELU,
    ActivationFunctionType.RELU6,
)
_CHANNELWISE = ("PAD", "AVERAGE_POOL_2D", "MAX_POOL_2D", "MEAN")
"""Operators that scale with their input, each channel for itself."""


@dataclass(frozen=True)
class Equalized:
    """What was scaled."""

    first: str
    second: str
    """Names of the two layers."""
    largest_gain: float

    def to_json(self) -> dict[str, Any]:
        return {"first": self.first, "second": self.second, "largest_gain": self.largest_gain}


@dataclass(frozen=True)
class _Pair:
    first: Layer
    second: Layer


def equalize(
    content: bytes, batches: Iterable[Tensors], *, threads: int = 2, track: Track = quiet
) -> tuple[bytes, tuple[Equalized, ...]]:
    """Equalize the channels of every tensor between two layers.

    Args:
        content: A float .tflite file's content.
        batches: Calibration examples, [B, ...] arrays by the model's input names; the first `EXAMPLES` are used.

    Returns:
        The float model, which answers the same on what the examples are like, and what was scaled. The content itself
        where no tensor can be.

    Raises:
        InputError: no examples, such as are not finite, or inputs that the model does not take.
    """
    model = flatbuffer.read(content)
    pairs = _pairs(model)
    if not pairs:
        return content, ()
    peaks = _channel_peaks(content, [pair.first for pair in pairs], batches, threads, track)
    editor = Editor(model)
    report = []
    for pair in pairs:
        gain = _gain(peaks[pair.first.output], _SHARE.get(pair.second.kind, _DENSE_SHARE))
        _scale_outputs(editor, pair.first, gain)
        _scale_inputs(editor, pair.second, gain)
        report.append(Equalized(pair.first.name, pair.second.name, float(gain.max())))
    prune(model)
    return flatbuffer.serialize(model), tuple(report)


def _gain(peaks: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """The factor of each channel, 1 or more: a power of the way to the largest channel."""
    gain = np.ones_like(peaks)
    alive = peaks > 0
    gain[alive] = (peaks.max() / peaks[alive]) ** np.float32(share)
    return np.minimum(gain, np.float32(LARGEST_GAIN))


def _pairs(model: ModelT) -> list[_Pair]:
    """Layers whose output only one other layer reads, at most through operators that leave the channels alone."""
    graph = model.subgraphs[0]
    found = {layer.place: layer for layer in layers(model)}
    consumers = flatbuffer.consumers(graph)
    shared = _constants_with_several_consumers(model, consumers)
    pairs = []
    for layer in found.values():
        fused = getattr(graph.operators[layer.place].builtinOptions, "fusedActivationFunction", 0)
        place, tensor = layer.place, layer.output
        while tensor not in graph.outputs and len(consumers.get(tensor, [])) == 1:
            [place] = consumers[tensor]
            if flatbuffer.operator_name(model, graph.operators[place]) not in _CHANNELWISE:
                break
            if not _leaves_channels(model, place):
                break
            [tensor] = graph.operators[place].outputs
        second = found.get(place)
        if second is None or second is layer or second.activations != tensor or fused not in _POSITIVELY_HOMOGENEOUS:
            continue
        ends = (layer.weights, layer.bias, second.weights)
        if any(index in shared for index in ends) or second.kind == "TRANSPOSE_CONV" or layer.kind == "TRANSPOSE_CONV":
            continue
        channels = constant(model, layer.weights).shape[layer.channel_axis]
        if _input_channels(model, second) == channels:
            pairs.append(_Pair(layer, second))
    return pairs


def _leaves_channels(model: ModelT, place: int) -> bool:
    """MEAN only over positions, padding only with zeros around positions."""
    graph = model.subgraphs[0]
    operator = graph.operators[place]
    name = flatbuffer.operator_name(model, operator)
    if name in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        return bool(operator.builtinOptions.fusedActivationFunction == ActivationFunctionType.NONE)
    sides = len(flatbuffer.tensor_shape(graph.tensors[operator.inputs[0]]))
    values = flatbuffer.tensor_data(model, graph.tensors[operator.inputs[1]])
    if values is None:
        return False
    if name == "MEAN":
        return all(int(axis) % sides != sides - 1 for axis in np.atleast_1d(values))
    return not np.any(values[-1])


def _constants_with_several_consumers(model: ModelT, consumers: dict[int, list[int]]) -> set[int]:
    """Constants that cannot be changed for one layer without changing another."""
    graph = model.subgraphs[0]
    return {
        index
        for index, places in consumers.items()
        if len(places) > 1 and flatbuffer.is_constant(model, graph.tensors[index])
    }


def _input_channels(model: ModelT, layer: Layer) -> int | None:
    weights = constant(model, layer.weights)
    if layer.kind != "DEPTHWISE_CONV_2D":
        return int(weights.shape[-1])  # of a grouped convolution fewer than its input has: no pair
    options = model.subgraphs[0].operators[layer.place].builtinOptions
    return int(weights.shape[-1]) if options.depthMultiplier in (0, 1) else None


def _channel_peaks(
    content: bytes, firsts: list[Layer], batches: Iterable[Tensors], threads: int, track: Track
) -> dict[int, NDArray[np.float32]]:
    """The largest magnitude of every channel, float32 [channels] by output tensor."""
    model = flatbuffer.read(content)
    with_outputs(model, [layer.output for layer in firsts])
    tapped = TappedModel(flatbuffer.serialize(model), threads)
    peaks: dict[int, NDArray[np.float32]] = {}
    seen = 0
    pieces = first_pieces(tapped.pieces(batches), EXAMPLES)
    for piece in track(pieces, "equalizing", EXAMPLES // tapped.batch):
        check_finite(piece, seen)
        for layer, values in zip(firsts, tapped.views(piece), strict=True):
            peak = np.abs(values.reshape(-1, values.shape[-1])).max(axis=0)
            peaks[layer.output] = np.maximum(peaks.get(layer.output, peak), peak)
            del values
        seen += piece.examples
    if not seen:
        raise InputError("The representative dataset is empty: give at least one example, better some hundred.")
    return peaks


def _scale_outputs(editor: Editor, layer: Layer, gain: NDArray[np.float32]) -> None:
    weights = constant(editor.model, layer.weights)
    shape = [1] * weights.ndim
    shape[layer.channel_axis] = -1
    editor.fill(layer.weights, weights * gain.reshape(shape))
    if layer.bias is not None:
        editor.fill(layer.bias, constant(editor.model, layer.bias) * gain)


def _scale_inputs(editor: Editor, layer: Layer, gain: NDArray[np.float32]) -> None:
    editor.fill(layer.weights, constant(editor.model, layer.weights) / gain)  # input channels are the last axis
