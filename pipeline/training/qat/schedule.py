"""What is held while QAT goes on: batch-norm statistics and activation ranges, and ranges that are their inputs'."""

from __future__ import annotations

from typing import Any

from pipeline import recipe
from pipeline.models.backend import tf_keras
from pipeline.training import batch_norm
from pipeline.training.qat.range_variables import freeze_ranges
from pipeline.training.qat.snap import TiedRange, TiedTableRange, tied_ranges


class Freezing(tf_keras.callbacks.Callback):  # type: ignore[misc]
    """Freezes each after the epochs that the recipe gives it.

    The last epochs then train the weights against exactly the arithmetic that will be exported (R. Krishnamoorthi,
    Quantizing deep convolutional networks for efficient inference, 2018, https://arxiv.org/abs/1806.08342, §3.2.2).
    """

    def __init__(self, how: recipe.Qat) -> None:
        super().__init__()
        self._how = how

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        how = self._how
        normalization = how.freeze_batch_norm and 0 < how.batch_norm_epochs == epoch
        ranges = how.range_epochs == epoch
        if normalization:
            batch_norm.freeze(self.model)
        if ranges:
            freeze_ranges(self.model)
        if normalization or ranges:
            self.model.train_function = self.model.make_train_function(force=True)


class Following(tf_keras.callbacks.Callback):  # type: ignore[misc]
    """Gives pools and resized images their inputs' ranges, and Embeddings their tables', after every step.

    TFLite's kernels have one for both.
    """

    def __init__(self) -> None:
        super().__init__()
        self._tied_ranges: list[TiedRange | TiedTableRange] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self._tied_ranges = tied_ranges(self.model)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        for tied in self._tied_ranges:
            tied.snap()
