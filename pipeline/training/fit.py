"""Train a model on the streaming data set; the same loop serves float training and QAT, and every task."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from pipeline import recipe
from pipeline.data.loader import Dataset
from pipeline.errors import InputError, PipelineError
from pipeline.evaluation.comparison import Record
from pipeline.models.backend import tf, tf_keras
from pipeline.models.predictor import KerasPredictor
from pipeline.progress import Track, quiet
from pipeline.tasks.task import Task
from pipeline.tensors import Predictor
from pipeline.training import distribute
from pipeline.training.distillation import Teacher
from pipeline.training.history import ChosenBy, History
from pipeline.training.objective import Objective, objective

Score = Callable[[Any], float]
"""How good a model is, in the task's first metric; for a task without metrics, the higher the better."""


def fit(
    model: Any,
    data: Dataset,
    how: recipe.Train | recipe.Qat,
    task: Task,
    augment: recipe.Augment | None = None,
    *,
    what: str = "training",
    track: Track = quiet,
    score: Score | None = None,
    teacher: Teacher | None = None,
    callbacks: Sequence[Any] = (),
) -> History:
    """Train in place and leave the weights of the best validation epoch in the model.

    The best is that of the task's first metric: Keras's own where Keras has it, else computed from the model's answers
    to the validation split; of several replicas the validation loss. Among equals it is the later epoch.

    Inside `distribute.scope` the replicas share every batch. A loss that the model was compiled with stays in it.

    Args:
        model: A `tf_keras` model of any inputs and outputs, built in the scope.
        data: Its "train" split is learned, its "validation" split (where there is one) chooses the epoch.
        how: Losses, epochs, batch size, optimizer, schedule, patience, seed.
        task: What the outputs are compared with, by which losses, and how they are judged.
        augment: Random changes to the training images.
        what: Name of the progress bar.
        score: Chooses the epoch instead.
        teacher: Whose outputs are learned beside the targets, or alone.
        callbacks: More Keras callbacks.

    Raises:
        InputError: inputs or targets that the model or its losses do not take, nothing to train or to train towards,
            replicas that cannot share the batch evenly, or less than one batch of data.
        PipelineError: the loss became NaN or infinite.
    """
    seed_everything(how.seed)
    steps = distribute.steps(data.size("train"), how.batch_size)
    distribute.check(how.batch_size, steps, what)
    if not model.trainable_weights:
        raise InputError(
            f"Every layer of '{model.name}' is frozen (trainable=False), so {what} has nothing to train: set "
            "trainable=True where the model is built and save it again, or quantize it after training (--ptq)."
        )
    distribute.share_weights(model)
    example = next(iter(data.batches("train", 1)))
    goal = objective(model, task, how, example, teacher)
    compiled_with = getattr(model, "loss", None)
    goal.model.compile(
        optimizer=optimizer(how, steps),
        loss=dict(goal.losses),
        loss_weights=dict(goal.weights),
        metrics=dict(goal.metrics),
        # The learning-rate schedule and QAT's ranges live in variables: every step is the same graph.
        jit_compile=False,
    )
    has_validation = "validation" in data.splits
    validation_steps = distribute.steps(data.size("validation"), how.batch_size) if has_validation else 0
    specs = goal.specs(goal.batch(example))
    best = _BestWeights(model, _choice(model, goal, data, how, score, bool(validation_steps)), how.patience)
    watchers = [_Progress(track, what, how.epochs * steps), tf_keras.callbacks.TerminateOnNaN(), *callbacks, best]
    result = goal.model.fit(
        _stream(data, "train", how, goal, specs, augment),
        steps_per_epoch=steps,
        epochs=how.epochs,
        validation_data=_stream(data, "validation", how, goal, specs) if validation_steps else None,
        validation_steps=validation_steps or None,
        callbacks=watchers,
        verbose=0,
    )
    said = {key: [float(value) for value in values] for key, values in result.history.items()}
    if not all(math.isfinite(value) for value in said["loss"]):
        raise PipelineError(
            f"The loss became {said['loss'][-1]} in epoch {len(said['loss'])} of {what}: lower the learning rate "
            "(--set train.learning_rate=… or qat.learning_rate=…) and check the preprocessing's scale."
        )
    best.restore()
    # Lets go of the optimizer's slots, which would triple the saved file.
    model.compile(**({"loss": compiled_with} if compiled_with else {}))
    own = best.choice
    return History(
        loss=said["loss"],
        val_loss=said.get("val_loss", []),
        accuracy=_accuracy(said, ""),
        val_accuracy=_accuracy(said, "val_"),
        best_epoch=best.epoch,
        chosen_by=own.by,
        scores=own.scores,
        metrics=own.metrics,
    )


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow, and on a CPU have TensorFlow take no kernel that sums in an order of its own.

    To be called before a model is built or copied, since layers draw weights and the seeds of their dropout then. On a
    GPU TensorFlow has no such kernel for the gradient of fake-quant, and refuses the training.
    """
    tf_keras.utils.set_random_seed(seed)
    if not tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()


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


def _accuracy(said: dict[str, list[float]], prefix: str) -> list[float]:
    """Keras puts the output's name before it where there are several."""
    names = [key for key in said if key.endswith("accuracy") and key.startswith("val_") == bool(prefix)]
    return said[names[0]] if names else []


def _stream(
    data: Dataset,
    split: str,
    how: recipe.Train | recipe.Qat,
    goal: Objective,
    specs: tuple[Any, Any],
    augment: recipe.Augment | None = None,
) -> Any:
    """An endless tf.data stream over a split, reshuffled by seed each epoch where it is the training split."""

    def read(share: distribute.Share) -> Any:
        def elements() -> Iterator[Any]:
            epoch = 0
            while True:
                seed = how.seed * 100_003 + epoch if split == "train" else None
                place = (share.worker, share.workers)
                for batch in data.batches(split, how.batch_size, shuffle_seed=seed, augment=augment, share=place):
                    yield from map(goal.element, distribute.parts(goal.batch(batch), share.replicas))
                epoch += 1

        return tf.data.Dataset.from_generator(elements, output_signature=specs).prefetch(2)

    return distribute.stream(read)


def _choice(
    model: Any,
    goal: Objective,
    data: Dataset,
    how: recipe.Train | recipe.Qat,
    score: Score | None,
    has_validation: bool,
) -> _Choice:
    """What the best epoch is chosen by."""
    first = goal.task.metrics[0] if goal.task.metrics else None
    higher = first is None or first.higher_is_better
    if score is not None:
        return _Choice("int8", higher, score)
    if not has_validation:
        return _Choice("loss", False)
    if goal.metrics:
        return _Choice("validation", True)
    example = next(iter(data.batches("validation", 1)))
    if first is None or not goal.task.targets_of(example) or distribute.replicas() > 1:
        return _Choice("val_loss", False)
    predictor = KerasPredictor(model)  # which answers with the weights that there are
    return _Choice(
        "validation", higher, judge=lambda: _judged(predictor, data, how.batch_size, goal.task), first=first.name
    )


def _judged(predictor: Predictor, data: Dataset, batch_size: int, task: Task) -> dict[str, float]:
    """The task's metrics of a model on the validation split."""
    record = Record("The model in training", task)
    for batch in data.batches("validation", batch_size):
        record.add(predictor(batch.inputs), task.targets_of(batch))
    return record.values


class _Choice:
    """What one epoch is preferred to another by, and its values so far.

    Args:
        by: Its kind.
        higher_is_better: Which of two values wins.
        score: Gives the value of a model; where there is none, Keras's logs hold it.
        judge: Gives several values of a model instead, the one called `first` among them.
    """

    def __init__(
        self,
        by: ChosenBy,
        higher_is_better: bool,
        score: Score | None = None,
        judge: Callable[[], dict[str, float]] | None = None,
        first: str = "",
    ) -> None:
        self.by, self._sign = by, 1 if higher_is_better else -1
        self._score, self._judge, self._first = score, judge, first
        self.scores: list[float] = []
        self.metrics: dict[str, list[float]] = {}

    def value(self, model: Any, logs: dict[str, float]) -> float:
        """Of the epoch that ended: the higher, the better; −infinity where it is NaN."""
        if self.by in ("loss", "val_loss"):
            return -logs[self.by]
        if self._judge is not None:
            values = self._judge()
            for name, item in values.items():
                self.metrics.setdefault(name, []).append(item)
            self.scores.append(values[self._first])
        elif self._score is not None:
            self.scores.append(self._score(model))
        else:
            self.scores.append(next(float(item) for key, item in logs.items() if _is_validation_accuracy(key)))
        value = self._sign * self.scores[-1]
        return -math.inf if math.isnan(value) else value


def _is_validation_accuracy(key: str) -> bool:
    return key.startswith("val_") and key.endswith("accuracy")


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

    def __init__(self, trained: Any, choice: _Choice, patience: int | None) -> None:
        super().__init__()
        self._trained, self._patience = trained, patience
        self.choice = choice
        self._best = -math.inf
        self._weights: list[np.ndarray] | None = None
        self.epoch = 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        value = self.choice.value(self._trained, logs)
        if value >= self._best:  # among equals the later epoch: it has seen more
            self._best, self._weights, self.epoch = value, self._trained.get_weights(), epoch + 1
        elif self._patience and epoch + 1 - self.epoch >= self._patience:
            self.model.stop_training = True

    def restore(self) -> None:
        if self._weights is not None:
            self._trained.set_weights(self._weights)
