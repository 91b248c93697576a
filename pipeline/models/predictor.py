"""A Keras model as a `Predictor`."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.errors import InputError, PipelineError, one_line
from pipeline.models.backend import quiet_tensorflow, tf
from pipeline.models.named_function import NamedFunction, named_function
from pipeline.tensors import OPEN, Array, Outputs, Signature, Tensors, batch_size, in_order

_AT_ONCE = 128
"""Examples in one call: more only take memory."""


class KerasPredictor:
    """Answers batches of any size with a model of `tf_keras` or Keras 3, or with a SavedModel's signature.

    What is trained afterwards answers with its new weights.

    Args:
        model: The model; what it computes at inference is what counts.

    Raises:
        InputError: as :func:`~pipeline.models.named_function.named_function`.

    Example:
        >>> predictor = KerasPredictor(model)  # doctest: +SKIP
        >>> predictor({"image": images}).real["scores"]  # doctest: +SKIP
    """

    def __init__(self, model: Any) -> None:
        self._function = model if isinstance(model, NamedFunction) else named_function(model)
        self.signature: Signature = self._function.signature
        sizes = {spec.shape[0] for spec in self.signature.inputs if spec.shape} - {OPEN}
        self._fixed = next(iter(sizes)) if sizes else None
        with quiet_tensorflow():
            self._traced, _ = self._function.trace(self._fixed)
        self._outputs = self.signature.outputs

    def __call__(self, inputs: Tensors) -> Outputs:
        """Answer any number of examples.

        Args:
            inputs: [B, …] by input name; one array stands for the one input whatever it is called.

        Returns:
            Each output, [B, …], by name.

        Raises:
            InputError: names, shapes or values that the model does not take, or an output that does not hold one entry
                for each example.
            PipelineError: the model fails on them.
        """
        arrays = in_order(inputs, self.signature.inputs, f"The model '{self._function.name}'")
        count, step = batch_size(inputs), self._fixed or _AT_ONCE
        parts = [self._answer([array[start : start + step] for array in arrays]) for start in range(0, count, step)]
        empty = [np.empty([max(side, 0) for side in (0, *spec.shape[1:])], spec.dtype) for spec in self._outputs]
        stored = [np.concatenate(found) for found in zip(*parts, strict=True)] if parts else empty
        return Outputs(
            {spec.name: array for spec, array in zip(self._outputs, stored, strict=True)},
            {spec.name: spec for spec in self._outputs},
        )

    def _answer(self, pieces: list[Array]) -> list[Array]:
        kept = len(pieces[0])
        count = self._fixed or kept
        if count > kept:  # filled up with copies of the last example, whose answers are dropped
            pieces = [np.concatenate([piece, np.repeat(piece[-1:], count - kept, axis=0)]) for piece in pieces]
        try:
            answered = self._traced(*(tf.constant(piece) for piece in pieces))
        except (tf.errors.OpError, ValueError) as error:
            raise PipelineError(
                f"The model '{self._function.name}' failed while it ran: {one_line(error, 300)}"
            ) from error
        found = []
        for spec, output in zip(self._outputs, answered, strict=True):
            array = np.asarray(output).astype(spec.dtype, copy=False)
            if array.shape[:1] != (count,):
                raise InputError(
                    f"The model '{self._function.name}' gives {list(array.shape)} as '{spec.name}' for {count} "
                    "examples, not one entry for each."
                )
            found.append(array[:kept])
        return found
