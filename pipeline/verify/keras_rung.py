"""A rung that runs a Keras model. TensorFlow is imported when one is made, not before."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.verify.rung import Float, Outputs


class KerasRung:
    """
    Args:
        name: See :class:`pipeline.verify.rung.Rung`.
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
