"""A Keras model as a predictor: named arrays in, named outputs out."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from pipeline.models.backend import tf
from pipeline.models.signature import signature_of
from pipeline.tensors import Outputs, Signature, Tensors, bind


class KerasPredictor:
    """Answers as Keras does in inference.

    Args:
        model: A built `tf_keras` model.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._call = tf.function(lambda inputs: tf.nest.flatten(model(inputs, training=False)), reduce_retracing=True)

    @cached_property
    def signature(self) -> Signature:
        """The model's, by Keras's names."""
        return signature_of(self._model)

    def __call__(self, inputs: Tensors) -> Outputs:
        """Answer a batch of any size in one call.

        Args:
            inputs: By input name, [B, …].

        Raises:
            InputError: names or values that the model does not take.
        """
        given = bind(inputs, self.signature.inputs)
        arrays = [tf.constant(spec.quantize(given[spec.name])) for spec in self.signature.inputs]
        results = self._call(arrays[0] if len(arrays) == 1 else arrays)
        names = (spec.name for spec in self.signature.outputs)
        return Outputs.of_real({name: result.numpy() for name, result in zip(names, results, strict=True)})
