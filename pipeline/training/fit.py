"""Train a classifier on the streaming data set; the same loop serves float training and QAT."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline import recipe
from pipeline.data.loader import Dataset
from pipeline.errors import PipelineError
from pipeline.models.backend import tf, tf_keras
from pipeline.models.head import number_of_classes
from pipeline.progress import Track, quiet
from pipeline.training import distribute
from pipeline.training.distillation import Teacher, accuracy

LAST_LAYERS_WITH_PROBABILITIES = ("softmax", "sigmoid")


@dataclass(frozen=True)
class History:
    """What the training said, an entry an epoch; `val_accuracy` is empty where there is no validation split."""

    loss: list[float]
    accuracy: list[float]
    val_accuracy: list[float]
    best_epoch: int
    scores: list[float] = field(default_factory=list)
    """What `fit`'s own score said after each epoch; empty without one."""


def fit(
    model: Any,
    data: Dataset,
    how: recipe.Train | recipe.Qat,
    augment: recipe.Augment | None = None,
    *,
    what: str = "training",
    track: Track = quiet,
    score: Callable[[Any], float] | None = None,
    teacher: Teacher | None = None,
    callbacks: Sequence[Any] = (),
) -> History:
    """Train in place and leave the weights of the best validation epoch in the model.

    Inside `distribute.scope` the replicas share every batch.

    Args:
        model: A `tf_keras` classifier, [batch, classes] or one sigmoid unit, built in the scope.
        data: Its "train" split is learned, its "validation" split (where there is one) chooses the epoch.
        how: Epochs, batch size, optimizer, schedule, patience, seed.
        augment: Random changes to the training images.
        what: Name of the progress bar.
        score: Chooses the epoch instead of the validation accuracy; the higher, the better.
        teacher: Whose scores are learned beside the labels.
        callbacks: More Keras callbacks.

    Raises:
        InputError: the replicas cannot share the batch evenly, there is less than one batch of data, or the teacher
            answers other classes.
        PipelineError: the loss became NaN or infinite.
    """
    tf_keras.utils.set_random_seed(how.seed)
    steps = distribute.steps(data.size("train"), how.batch_size)
    distribute.check(how.batch_size, steps, what)
    distribute.begin_alike(model)
    classes = number_of_classes(model)
    model.compile(
        optimizer=optimizer(how, steps),
        loss=_loss(model, classes, how.label_smoothing, teacher),
        metrics=["accuracy" if teacher is None else accuracy(classes)],
        # The learning-rate schedule and QAT's ranges live in variables: every step is the same graph.
        jit_compile=False,
    )
    validation_steps = distribute.steps(data.size("validation"), how.batch_size) if "validation" in data.splits else 0
    best = _BestWeights("val_accuracy" if validation_steps else "loss", how.patience, score)
    watchers = [_Progress(track, what, how.epochs * steps), tf_keras.callbacks.TerminateOnNaN(), *callbacks, best]
    result = model.fit(
        _stream(data, "train", how, classes, augment, teacher),
        steps_per_epoch=steps,
        epochs=how.epochs,
        validation_data=_stream(data, "validation", how, classes, None, teacher) if validation_steps else None,
        validation_steps=validation_steps or None,
        callbacks=watchers,
        verbose=0,
    )
    if not all(math.isfinite(value) for value in result.history["loss"]):
        raise PipelineError(
            f"The loss became {result.history['loss'][-1]} in epoch {len(result.history['loss'])} of {what}: lower the "
            "learning rate (--set train.learning_rate=… or qat.learning_rate=…) and check the preprocessing's scale."
        )
    best.restore()
    model.compile()  # lets go of the optimizer's slots, which would triple the saved file
    return History(
        loss=[float(value) for value in result.history["loss"]],
        accuracy=[float(value) for value in result.history["accuracy"]],
        val_accuracy=[float(value) for value in result.history.get("val_accuracy", [])],
        best_epoch=best.epoch,
        scores=best.scores,
    )


def optimizer(how: recipe.Train | recipe.Qat, steps_per_epoch: int) -> Any:
    """The recipe's optimizer with its schedule: warm-up, then constant or cosine to zero."""
    warmup = round(how.warmup_epochs * steps_per_epoch)
    rate: Any = how.learning_rate
    if how.schedule == "cosine":
        rate = tf_keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else how.learning_rate,
            max(1, how.epochs * steps_per_epoch - warmup),
            warmup_target=how.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
    elif warmup:
        rate = tf_keras.optimizers.schedules.PolynomialDecay(
            how.learning_rate / warmup, warmup, end_learning_rate=how.learning_rate
        )
    if how.optimizer == "sgd":
        return tf_keras.optimizers.SGD(rate, momentum=0.9, nesterov=True)
    return {"adam": tf_keras.optimizers.Adam, "adamw": tf_keras.optimizers.AdamW}[how.optimizer](rate)


def answers_probabilities(model: Any) -> bool:
    """Whether the model ends in softmax or sigmoid, through reshapes and QAT wrappers."""
    for layer in reversed(model.layers):
        inner = getattr(layer, "layer", layer)
        if isinstance(inner, tf_keras.layers.Softmax):
            return True
        activation = getattr(inner, "activation", None)
        activation = getattr(activation, "activation", activation)  # tfmot's QuantizeAwareActivation
        if activation is not None:
            return getattr(activation, "__name__", "") in LAST_LAYERS_WITH_PROBABILITIES
        if inner.weights:
            return False
    return False


def _loss(model: Any, classes: int, smoothing: float, teacher: Teacher | None) -> Any:
    logits = not answers_probabilities(model)
    kind = tf_keras.losses.BinaryCrossentropy if classes == 1 else tf_keras.losses.CategoricalCrossentropy
    if teacher is None:
        return kind(from_logits=logits, label_smoothing=smoothing)
    teacher.check(classes)
    # Each example's own loss: Keras takes the mean, over all replicas.
    each = kind(from_logits=logits, label_smoothing=smoothing, reduction="none")
    return teacher.loss(each, classes, not logits)


def _stream(
    data: Dataset, split: str, how: Any, classes: int, augment: recipe.Augment | None, teacher: Teacher | None
) -> Any:
    """An endless tf.data stream over a split, reshuffled by seed each epoch where it is the training split."""
    signature = (
        tf.TensorSpec((None, *data.input_shape), tf.float32),
        tf.TensorSpec((None, max(1, classes) * (1 if teacher is None else 2)), tf.float32),
    )

    def read(share: distribute.Share) -> Any:
        def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            epoch = 0
            while True:
                seed = how.seed * 100_003 + epoch if split == "train" else None
                place = (share.worker, share.workers)
                for batch in data.batches(split, how.batch_size, shuffle_seed=seed, augment=augment, share=place):
                    x, y = batch.x, batch.y
                    targets = _targets(y, classes)
                    if teacher is not None:
                        targets = teacher.targets(x, targets)
                    yield from distribute.parts(x, targets, share.replicas)
                epoch += 1

        return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(2)

    return distribute.stream(read)


def _targets(labels: np.ndarray, classes: int) -> np.ndarray:
    if classes == 1:
        return labels[:, None].astype(np.float32)
    one_hot: np.ndarray = np.eye(classes, dtype=np.float32)[labels]
    return one_hot


class _Progress(tf_keras.callbacks.Callback):  # type: ignore[misc]
    """Moves a progress bar by one a training step."""

    def __init__(self, track: Track, what: str, total: int) -> None:
        super().__init__()
        self._ticks = iter(track(range(total), what, total))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        next(self._ticks, None)

    def on_train_end(self, logs: Any = None) -> None:
        for _ in self._ticks:
            pass


class _BestWeights(tf_keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the weights of the best epoch and stops after `patience` epochs without a better one."""

    def __init__(self, monitor: str, patience: int | None, score: Callable[[Any], float] | None) -> None:
        super().__init__()
        self._monitor, self._patience, self._score = monitor, patience, score
        self.scores: list[float] = []
        self._best = -math.inf
        self._weights: list[np.ndarray] | None = None
        self.epoch = 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        score = logs[self._monitor] * (-1 if self._monitor == "loss" else 1)
        if self._score is not None:
            score = self._score(self.model)
            self.scores.append(score)
        if score >= self._best:  # among equals the later epoch: it has seen more
            self._best, self._weights, self.epoch = score, self.model.get_weights(), epoch + 1
        elif self._patience and epoch + 1 - self.epoch >= self._patience:
            self.model.stop_training = True

    def restore(self) -> None:
        if self._weights is not None:
            self.model.set_weights(self._weights)
