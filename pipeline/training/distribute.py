"""Training on several devices or in several processes, through `tf.distribute`.

Data parallelism: every replica holds the whole model, computes the gradients of its share of each batch, and all
apply their sum. `batch_size` is the global one and the loss is the mean over it, so that the learning rate means the
same whatever the number of replicas. https://www.tensorflow.org/guide/distributed_training
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.cluster import this_worker
from pipeline.errors import InputError, PipelineError, one_line
from pipeline.models.backend import tf, tf_keras
from pipeline.recipe import Strategy
from pipeline.tensors import Batch

TIMEOUT = 600
"""Seconds without a word from a worker after which the others give up."""

LOST = (tf.errors.UnavailableError, tf.errors.DeadlineExceededError, tf.errors.AbortedError, tf.errors.CancelledError)
"""What TensorFlow raises in the workers that remain."""


@functools.cache
def strategy(name: Strategy) -> Any:
    """The strategy by its name in the recipe; one a process, as TensorFlow wants it.

    `multi_worker` waits until every worker in TF_CONFIG is there, and must be asked for before TensorFlow computes
    anything.
    """
    if name == "mirrored":
        return tf.distribute.MirroredStrategy()
    if name == "multi_worker":
        options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=TIMEOUT)
        try:
            return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
        except (*LOST, tf.errors.UnknownError) as error:
            raise PipelineError(
                f"The workers in TF_CONFIG did not come together: {_short(error)} Start all of them within some "
                "minutes of each other, with the same addresses in the same order, and see that the ports are open."
            ) from error
    return tf.distribute.get_strategy()


@contextlib.contextmanager
def scope(name: Strategy) -> Iterator[None]:
    """What is built inside is held by every replica.

    Raises:
        PipelineError: a worker was lost on the way.
    """
    chosen = strategy(name)
    try:
        with chosen.scope(), tf.variable_creator_scope(_with_mean if name != "none" else _as_it_is):
            yield
    except LOST as error:
        raise PipelineError(
            f"A worker was lost in training: {_short(error)} Start all workers again with the same command; stages "
            "that all of them had finished are not done again."
        ) from error


def copied(model: Any) -> Any:
    """The model with its weights and compiled loss, held by the scope's replicas; itself where there is only one."""
    if not tf.distribute.has_strategy():
        return model
    copy = tf_keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    if getattr(model, "loss", None):
        copy.compile(loss=model.loss)
    return copy


def share_weights(model: Any) -> None:
    """Give every worker the chief's weights: each has loaded or drawn its own, and all must begin with the same."""
    if workers() == 1:
        return
    weights = model.get_weights()
    mine = weights if this_worker(os.environ).is_chief else [np.zeros_like(weight) for weight in weights]
    model.set_weights([total / _local_replicas() for total in _totals(mine)])


def everywhere(done: bool) -> bool:
    """Whether it holds in every worker of the scope. All of them must ask."""
    [total] = _totals([np.array(done, np.float32)])
    return int(total) == replicas()


def workers() -> int:
    """The number of processes that train together in this scope."""
    replicas: int = tf.distribute.get_strategy().num_replicas_in_sync
    return replicas // _local_replicas()


def replicas() -> int:
    """The number of copies of the model that share a batch in this scope."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def check(batch_size: int, steps: int, what: str) -> None:
    """Every replica takes an equal share of every batch, and there must be one.

    Raises:
        InputError: the batch does not divide, or the data is less than an example for each replica.
    """
    if batch_size % replicas():
        raise InputError(
            f"batch_size {batch_size} of {what} is the batch of all replicas together, and {replicas()} of them "
            f"cannot share it evenly: set it to a multiple of {replicas()}."
        )
    if not steps:
        raise InputError(
            f"There are fewer training examples than the {replicas()} replicas that {what} is spread over."
        )


def steps(examples: int, batch_size: int) -> int:
    """Batches an epoch; the last, smaller one counts where every replica gets something of it."""
    whole, rest = divmod(examples, batch_size)
    return whole + (rest >= replicas())


@dataclass(frozen=True)
class Share:
    """Whose part of each batch a process reads."""

    worker: int
    workers: int
    replicas: int
    """Of this worker's."""


def stream(make: Callable[[Share], Any]) -> Any:
    """A data set for `fit`, each worker reading its own share.

    Args:
        make: From a worker's share to a `tf.data.Dataset` of its batches, in a part for each of its replicas in turn.
    """
    if not tf.distribute.has_strategy():
        return make(Share(0, 1, 1))
    here = _local_replicas()
    return tf.distribute.get_strategy().distribute_datasets_from_function(
        lambda context: make(Share(context.input_pipeline_id, context.num_input_pipelines, here))
    )


def parts(batch: Batch, count: int) -> Iterator[Batch]:
    """A worker's batch in equal parts, one for each of its replicas; what does not divide is left out."""
    size = len(batch) // count
    for start in range(0, size * count, max(1, size)):
        yield batch[start : start + size]


def _local_replicas() -> int:
    return len(tf.distribute.get_strategy().extended.worker_devices) if tf.distribute.has_strategy() else 1


def _totals(values: list[np.ndarray]) -> list[np.ndarray]:
    """The sums over all replicas of arrays that each worker has its own of, in the arrays' dtypes."""
    chosen = tf.distribute.get_strategy()

    def all_reduce(mine: Any) -> Any:
        placed = [tf.identity(value) for value in mine]  # on the replica's device; a constant is on none
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, placed)

    summed = tf.function(lambda mine: chosen.run(all_reduce, args=(mine,)))
    # One dtype for all, as the reduction wants it; float64 holds float32 and the counters' integers exactly.
    results = summed([tf.constant(value, tf.float64) for value in values])
    found = [chosen.experimental_local_results(result)[0].numpy() for result in results]
    return [total.astype(value.dtype) for total, value in zip(found, values, strict=True)]


def _with_mean(create: Callable[..., Any], **how: Any) -> Any:
    """Let layers update their own variables in training: a range or statistic becomes the mean of the replicas'.

    Quantization ranges are made without saying how replicas agree on them, which TensorFlow refuses to guess.
    """
    silent = how.get("aggregation") in (None, tf.VariableAggregation.NONE)
    is_float = how.get("dtype") is not None and tf.as_dtype(how["dtype"]).is_floating
    if silent and is_float and how.get("trainable") is False:
        how["aggregation"] = tf.VariableAggregation.MEAN
    return create(**how)


def _as_it_is(create: Callable[..., Any], **how: Any) -> Any:
    return create(**how)


def _short(error: Exception) -> str:
    text = one_line(getattr(error, "message", None) or error)
    return text[:240] + ("…" if len(text) > 240 else "." if not text.endswith(".") else "")
