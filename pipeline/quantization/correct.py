"""Make up for what rounding does to a network, layer by layer, without training.

Rounded weights and activations shift the mean of a layer's outputs: in depthwise networks by as much as the outputs
vary. Empirical bias correction (M. Nagel et al., Data-Free Quantization Through Weight Equalization and Bias
Correction, ICCV 2019, §4.2) measures that shift on calibration data and takes it back through the bias. It goes from
the first layer to the last: each sees the activations of the network whose earlier layers are rounded and corrected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from ai_edge_litert.schema_py_generated import ModelT
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.progress import Track, quiet
from pipeline.quantization import rounding
from pipeline.quantization.float_reference import Reference
from pipeline.quantization.im2col import Im2col
from pipeline.quantization.layerwise import LayerwiseRunner
from pipeline.quantization.quantized_weights import QuantizedWeights, WeightScales, nearest, scales
from pipeline.quantization.weighted_operators import KINDS, Layer, constant, layers
from pipeline.tflite import flatbuffer
from pipeline.tflite.edit import Editor
from pipeline.tflite.prune import prune

Rounding = Literal["nearest", "learned"]


@dataclass(frozen=True)
class LayerChange:
    """What correction did to one layer."""

    layer: str
    kind: str
    shift: float
    """Root mean square over the channels of the mean error that rounding brought, before it was taken back, as a share
    of the root mean square of the channels' means in float."""
    moved: float
    """Share of weights that learned rounding put elsewhere than on the nearest step."""

    def to_json(self) -> dict[str, Any]:
        return {"layer": self.layer, "kind": self.kind, "shift": self.shift, "moved": self.moved}


@dataclass(frozen=True, eq=False)
class Corrected:
    """Int8 weights and float biases of a model's layers."""

    weights: dict[str, QuantizedWeights]
    """By the weights' tensor name."""
    biases: dict[str, NDArray[np.float32]]
    """float32 [channels] by layer name; empty without bias correction."""
    changes: tuple[LayerChange, ...]

    def apply(self, content: bytes) -> bytes:
        """The float model with the rounded weights' real values and the corrected biases."""
        model = flatbuffer.read(content)
        editor = Editor(model)
        for layer in layers(model):
            name = flatbuffer.tensor_name(editor.graph.tensors[layer.weights])
            if name in self.weights:
                editor.fill(layer.weights, self.weights[name].real())
            if layer.name in self.biases:
                _set_bias(editor, layer, self.biases[layer.name])
        prune(model)
        return flatbuffer.serialize(model)


def correct(
    reference: Reference,
    activations: Mapping[str, tuple[float, int]],
    *,
    per_channel: bool = True,
    weight_scales: WeightScales = "max",
    how: Rounding = "nearest",
    bias: bool = True,
    exclude: AbstractSet[str] = frozenset(),
    track: Track = quiet,
) -> Corrected:
    """Round a model's weights and correct its biases.

    Args:
        reference: The float model and the examples that it is corrected on.
        activations: Scale and zero point of those that will be int8 (`layerwise.activation_scales`); empty where they
            stay float or become int16, which rounds next to nothing.
        per_channel: One weight scale an output channel, or one a tensor.
        how: To the nearest step, or as :mod:`pipeline.quantization.rounding` learns it.
        bias: Whether to correct the biases.
        exclude: Names of layers that will stay float.

    Raises:
        InputError: no examples, or such as are not finite; weights that are not finite; an operator that cannot be
            run alone.
    """
    model = flatbuffer.read(reference.content)
    todo = {layer.place: layer for layer in layers(model) if layer.name not in exclude}
    _check_weights(model, todo.values())
    pieces = reference.pieces(kept_bytes=1 if activations else 4)
    wanted = reference.means(len(pieces)) if bias else {}
    layerwise = LayerwiseRunner(model, activations, pieces, reference.threads)
    weights: dict[str, QuantizedWeights] = {}
    biases: dict[str, NDArray[np.float32]] = {}
    changes = []
    editor = Editor(model)
    for place, operator in enumerate(track(editor.graph.operators, "correcting", len(editor.graph.operators))):
        layer = todo.get(place)
        if layer is not None:
            name = flatbuffer.tensor_name(editor.graph.tensors[layer.weights])
            real = constant(model, layer.weights)
            moved = 0.0
            if name not in weights:  # else two layers share them, and the first has decided
                found = scales(real, layer.channel_axis, per_channel=per_channel, method=weight_scales)
                weights[name] = simple = nearest(real, found, layer.channel_axis)
                if how == "learned" and layer.kind != "TRANSPOSE_CONV":
                    seen = _im2col(layerwise, layer, operator, real.shape, len(pieces))
                    weights[name] = rounding.learned(real, found, layer.channel_axis, seen)
                    moved = float(np.mean(weights[name].stored != simple.stored))
                editor.fill(layer.weights, weights[name].real())
            shift = np.zeros(1)
            if bias and _takes_bias(layer):
                shift = wanted[layer.name] - layerwise.means(operator)
                before = 0 if layer.bias is None else constant(model, layer.bias)
                biases[layer.name] = (before + shift).astype(np.float32)
                _set_bias(editor, layer, biases[layer.name])
            size = float(np.sqrt(np.mean(wanted[layer.name] ** 2))) if bias else 0.0
            share = float(np.sqrt(np.mean(shift**2))) / size if size else 0.0
            changes.append(LayerChange(layer.name, layer.kind, share, moved))
        layerwise.step(place)
    return Corrected(weights, biases, tuple(changes))


def _check_weights(model: ModelT, found: Iterable[Layer]) -> None:
    for layer in found:
        for index in (layer.weights, layer.bias):
            if index is not None and not np.isfinite(constant(model, index)).all():
                name = flatbuffer.tensor_name(model.subgraphs[0].tensors[index])
                raise InputError(f"The weights '{name}' hold NaN or infinite values: train or copy the model again.")


def _im2col(layerwise: LayerwiseRunner, layer: Layer, operator: Any, shape: Sequence[int], pieces: int) -> Im2col:
    found = Im2col(layer.kind, operator, shape, pieces)
    for number in range(pieces):
        found.add(layerwise[layer.activations].real(number))
    return found


def _takes_bias(layer: Layer) -> bool:
    return layer.bias is not None or layer.kind != "TRANSPOSE_CONV"


def _set_bias(editor: Editor, layer: Layer, values: NDArray[np.float32]) -> None:
    """A bias of its own for a layer, which may have had none or shared one."""
    operator = editor.graph.operators[layer.place]
    inputs = list(operator.inputs)
    position = KINDS[layer.kind].bias
    inputs += [-1] * (position + 1 - len(inputs))
    inputs[position] = editor.constant(f"{layer.name}/corrected_bias", values)
    operator.inputs = inputs
