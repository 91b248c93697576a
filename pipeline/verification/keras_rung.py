"""A rung that is a Keras model; and the outputs of its layers, to compare with a .tflite's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.tensors import Array, Outputs, Tensors, TensorSpec
from pipeline.tflite.activations import INPUT, Activation


class KerasRung:
    """
    Args:
        name: See :class:`pipeline.verification.rung.Rung`.
        title: See there.
        path: A file of Keras 2 or 3, or a SavedModel; one that QAT wrote computes its fake quantization.
        signature: Which of a SavedModel's.
        trusted: Whether code that came with the file may run; see :mod:`pipeline.models.trust`.

    Raises:
        InputError: it cannot be loaded.
    """

    limit: int | None = None
    against: str | None = None

    def __init__(
        self, name: str, title: str, path: Path, signature: str | None = None, *, trusted: bool = False
    ) -> None:
        from pipeline.models.load import load_for_conversion
        from pipeline.models.named_function import has_graph
        from pipeline.models.predictor import KerasPredictor

        self.name, self.title, self.source = name, title, str(path)
        self._model = load_for_conversion(path, signature, trusted=trusted)
        self._predict = KerasPredictor(self._model)
        self.signature = self._predict.signature
        self.has_layers: bool = has_graph(self._model)
        """Whether the outputs of its layers can be read: not of a subclassed model's."""

    def __call__(self, inputs: Tensors) -> Outputs:
        return self._predict(inputs)

    def activations(self, beside: Sequence[Activation]) -> KerasActivations:
        """The layers' outputs, under the names that a .tflite of this model gives them.

        Raises:
            InputError: it is a subclassed model.
        """
        return KerasActivations(self._model, beside)


class KerasActivations:
    """Runs one example at a time and gives the output of every layer, as `Activations` does for a .tflite.

    Args:
        model: A Functional or Sequential model.
        beside: The activations of a .tflite that was converted from it. Before the first semicolon, their names tell
            the last of the layers that were fused: `net/conv_relu/Relu6;net/conv/Conv2D`.

    Raises:
        InputError: a subclassed model.
    """

    def __init__(self, model: Any, beside: Sequence[Activation]) -> None:
        from pipeline.models.layer_outputs import LayerOutputs

        self._layers = LayerOutputs(model)
        layers = self._layers.layers
        places = {name: place for place, (name, _) in enumerate(layers)}
        names = [name for name, _ in layers]
        # As a .tflite has it, 1 where a dimension is open.
        shapes = [tuple(max(1, side) for side in spec.shape[1:]) for spec in self._layers.outputs]
        for activation in beside:
            if activation.operator == INPUT:
                continue
            steps = activation.name.split(";")[0].split("/")
            layer = next((step for step in reversed(steps) if step in places), None)
            if layer is not None and shapes[places[layer]] == activation.shape:
                names[places[layer]] = activation.name
        inputs = self._layers.inputs
        self.listed: tuple[Activation, ...] = (
            *(Activation(spec.name, INPUT, -1, spec.shape[1:], ()) for spec in inputs),
            *(
                Activation(name, kind, place, shape, ())
                for place, (name, (_, kind), shape) in enumerate(zip(names, layers, shapes, strict=True))
            ),
        )
        self.specs: tuple[TensorSpec, ...] = (
            *inputs,
            *(
                TensorSpec(name, (1, *shape), spec.dtype)
                for name, shape, spec in zip(names, shapes, self._layers.outputs, strict=True)
            ),
        )

    def __call__(self, example: Tensors) -> list[Array]:
        """
        Args:
            example: One, by input name, [...] each.
        """
        inputs, outputs = self._layers(example)
        return [*inputs, *outputs]
