"""A rung that runs a Keras model. TensorFlow is imported when one is made, not before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.tensors import OPEN, Outputs, Signature, Tensors, TensorSpec, bind, check_fits
from pipeline.tflite.activations import INPUT, Activation


class KerasRung:
    """
    Args:
        name: See :class:`pipeline.verification.rung.Rung`.
        title: See there.
        path: A file of Keras 2 or 3, or a SavedModel; one that QAT wrote computes its fake quantization.
        signature: Which of a SavedModel's.

    Raises:
        InputError: it cannot be loaded.
    """

    limit: int | None = None
    against: str | None = None

    def __init__(self, name: str, title: str, path: Path, signature: str | None = None) -> None:
        from pipeline.models.backend import tf_keras
        from pipeline.models.load import load_for_conversion
        from pipeline.models.predictor import KerasPredictor

        self.name, self.title, self.source = name, title, str(path)
        self._model = load_for_conversion(path, signature)
        self._predictor = KerasPredictor(self._model)
        self.signature = self._predictor.signature
        self.has_layers = isinstance(self._model, tf_keras.Model) and bool(getattr(self._model, "inputs", None))
        """Whether `activations` can be asked for: of a Keras 2 model with a graph."""

    def __call__(self, inputs: Tensors) -> Outputs:
        return self._predictor(inputs)

    def activations(self, beside: Sequence[Activation]) -> KerasActivations:
        """The layers' outputs, under the names that a .tflite of this model gives them."""
        return KerasActivations(self._model, beside)


class KerasActivations:
    """Runs one example at a time and gives the output of every layer, as `Activations` does for a .tflite.

    Args:
        model: A tf_keras model.
        beside: The activations of a .tflite that was converted from it. Before the first semicolon, their names tell
            the last of the layers that were fused: `net/conv_relu/Relu6;net/conv/Conv2D`.
    """

    def __init__(self, model: Any, beside: Sequence[Activation]) -> None:
        from pipeline.models.layer_outputs import tap

        layers, self._tapped = tap(model)
        self._inputs = _signature(model).inputs
        places = {name: place for place, (name, _) in enumerate(layers)}
        names = [name for name, _ in layers]
        # As a .tflite has it, 1 where a dimension is open.
        shapes = [tuple(max(1, side) for side in _shape(output)[1:]) for output in self._tapped.outputs]
        for activation in beside:
            if activation.operator == INPUT:
                continue
            steps = activation.name.split(";")[0].split("/")
            layer = next((step for step in reversed(steps) if step in places), None)
            if layer is not None and shapes[places[layer]] == activation.shape:
                names[places[layer]] = activation.name
        self.listed: tuple[Activation, ...] = (
            *(Activation(spec.name, INPUT, -1, spec.shape[1:], ()) for spec in self._inputs),
            *(
                Activation(name, kind, place, shape, ())
                for place, (name, (_, kind), shape) in enumerate(zip(names, layers, shapes, strict=True))
            ),
        )
        self.specs: tuple[TensorSpec, ...] = (
            *self._inputs,
            *(
                TensorSpec(name, (1, *shape), np.dtype(output.dtype.as_numpy_dtype))
                for name, shape, output in zip(names, shapes, self._tapped.outputs, strict=True)
            ),
        )

    def __call__(self, example: Tensors) -> list[NDArray[Any]]:
        """
        Args:
            example: One, by input name, [...] each.
        """
        arrays = _fed({name: np.asarray(array)[None] for name, array in example.items()}, self._inputs, "The model")
        return [*arrays, *_flat(self._tapped.predict_on_batch(arrays if len(arrays) > 1 else arrays[0]))]


def _signature(model: Any) -> Signature:
    outputs = list(model.output) if isinstance(model.output, dict) else list(model.output_names)
    return Signature(_specs(model.input_names, model.inputs), _specs(outputs, model.outputs))


def _specs(names: Sequence[str], tensors: Sequence[Any]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(name, _shape(tensor), np.dtype(tensor.dtype.as_numpy_dtype))
        for name, tensor in zip(names, tensors, strict=True)
    )


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(OPEN if side is None else int(side) for side in tensor.shape)


def _fed(inputs: Tensors, specs: Sequence[TensorSpec], where: str) -> list[NDArray[Any]]:
    """A batch in the model's order and types."""
    given = bind(inputs, specs)
    for spec in specs:
        check_fits(given[spec.name], spec, where)
    return [spec.quantize(given[spec.name]) for spec in specs]


def _flat(answered: Any) -> list[NDArray[Any]]:
    """What a Keras model answers, in the order of its outputs: one array, a list or a mapping."""
    if isinstance(answered, dict):
        answered = list(answered.values())
    return [np.asarray(array) for array in (answered if isinstance(answered, list | tuple) else [answered])]
