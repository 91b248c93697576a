"""A rung that runs a Keras model. TensorFlow is imported when one is made, not before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.tensors import TensorSpec
from pipeline.tflite.activations import Activation
from pipeline.verification.rung import Float, Outputs


class KerasRung:
    """
    Args:
        name: See :class:`pipeline.verification.rung.Rung`.
        title: See there.
        path: A .keras or .h5 file; one that QAT wrote computes its fake quantization.

    Raises:
        InputError: it cannot be loaded.
    """

    limit: int | None = None
    against: str | None = None

    def __init__(self, name: str, title: str, path: Path) -> None:
        from pipeline.models.load import load_file

        self.name, self.title, self.source = name, title, str(path)
        self._model = load_file(path)

    def run(self, batch: Float) -> Outputs:
        return Outputs(np.asarray(self._model.predict_on_batch(batch), np.float32), None)

    def activations(self, beside: Sequence[Activation]) -> KerasActivations:
        """The layers' outputs, under the names that a .tflite of this model gives them."""
        return KerasActivations(self._model, beside)


class KerasActivations:
    """Runs one example at a time and gives the output of every layer, as `Activations` does for a .tflite.

    Args:
        model: A tf_keras model.
        beside: The activations of a .tflite that was converted from it. The first part of their names tells the last
            of the layers that were fused: `net/conv_relu/Relu6;net/conv/Conv2D`.
    """

    def __init__(self, model: Any, beside: Sequence[Activation]) -> None:
        from pipeline.models.layer_outputs import tap

        layers, self._tapped = tap(model)
        places = {name: place for place, (name, _) in enumerate(layers)}
        names = [name for name, _ in layers]
        shapes: list[tuple[int, ...]] = [tuple(output.shape[1:]) for output in self._tapped.outputs]
        for activation in beside[1:]:
            steps = activation.name.split(";")[0].split("/")
            layer = next((step for step in reversed(steps) if step in places), None)
            if layer is not None and shapes[places[layer]] == activation.shape:
                names[places[layer]] = activation.name
        self.listed: tuple[Activation, ...] = (
            Activation("input", "INPUT", -1, tuple(model.inputs[0].shape[1:]), ()),
            *(
                Activation(name, kind, place, shape, ())
                for place, (name, (_, kind), shape) in enumerate(zip(names, layers, shapes, strict=True))
            ),
        )
        self.specs: tuple[TensorSpec, ...] = tuple(
            TensorSpec(own.name, (1, *own.shape), np.dtype(np.float32), None, 0) for own in self.listed
        )

    def __call__(self, example: Float) -> list[NDArray[Any]]:
        outputs = self._tapped.predict_on_batch(example[None])
        if not isinstance(outputs, list):  # a model of one layer
            outputs = [outputs]
        return [example[None], *(np.asarray(output, np.float32) for output in outputs)]
