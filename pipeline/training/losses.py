"""Keras losses of a task's or a recipe's names, each fitted to how the model's output ends.

A loss is a function of targets and outputs that keeps what stands before the last axis, as Keras's own functions do:
[B, …, C] to [B, …]; the training step takes the mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pipeline import recipe
from pipeline.errors import InputError, did_you_mean
from pipeline.models.backend import tf, tf_keras
from pipeline.models.keras_signature import endings_of
from pipeline.tasks.detection import Detection
from pipeline.tasks.detection.fcos_decoder import FcosDecoder
from pipeline.tasks.detection.ssd_decoder import SsdDecoder
from pipeline.tasks.several_outputs import SeveralOutputs
from pipeline.tasks.task import Task
from pipeline.tflite.endings import Ending
from pipeline.training import dense_losses

Loss = Callable[[Any, Any], Any]

SMALLEST = dense_losses.SMALLEST
"""Probabilities are kept this far from 0, whose logarithm is none."""
_SSD = dense_losses.about_anchors()
TRIPLET_MARGIN = 0.2
"""Of FaceNet (Schroff et al. 2015, https://arxiv.org/abs/1503.03832), on embeddings of length 1."""


@dataclass(frozen=True, eq=False)
class OutputLoss:
    """What one output is trained by."""

    name: recipe.LossName
    function: Loss
    weight: float
    """In the sum over the outputs."""


def losses_of(model: Any, task: Task, how: recipe.Train | recipe.Qat) -> dict[str, OutputLoss]:
    """The losses of a model's outputs, by Keras's output name.

    Args:
        model: A built `tf_keras` model; `as_compiled` takes the loss that it was compiled with.
        task: Whose losses hold where the recipe says nothing.
        how: The recipe's section.

    Returns:
        Outputs that have a loss, and a weight above 0; empty where neither the task nor the recipe says any.

    Raises:
        InputError: an output that the model does not have, or `as_compiled` of a model that was not.
    """
    names = list(model.output_names)
    wanted: dict[str, recipe.LossName] = dict(task.losses)
    if isinstance(how.loss, str):
        wanted = dict.fromkeys(names, how.loss)
    elif how.loss is not None:
        wanted |= how.loss
    own = compiled_losses(model) if "as_compiled" in wanted.values() else {}
    weights = {**dict.fromkeys(names, 1.0), **task.loss_weights, **how.loss_weights}
    for key, given in (("loss", wanted), ("loss_weights", weights)):
        unknown = next((name for name in given if name not in names), None)
        if unknown is not None:
            listed = ", ".join(f"'{name}'" for name in names)
            raise InputError(
                f"{key} names the output '{unknown}', which the model does not have; it has {listed}."
                f"{did_you_mean(unknown, names)}"
            )
    endings = endings_of(model)
    found: dict[str, OutputLoss] = {}
    for name in names:
        if name not in wanted or not weights[name]:
            continue
        kind = wanted[name]
        if kind == "as_compiled":
            if name not in own:
                raise InputError(
                    f"The loss of '{name}' is to be as_compiled, and '{model.name}' has none: its file or function "
                    "gives a model that was not compiled with a loss. Compile it there, or name a loss in the recipe."
                )
            found[name] = OutputLoss(kind, own[name], weights[name])
        else:
            corners = corners_of(task, name) if kind == "giou" else _SSD
            found[name] = OutputLoss(kind, of_name(kind, endings[name], how.label_smoothing, corners), weights[name])
    return found


def corners_of(task: Task, output: str) -> dense_losses.Corners:
    """What the four values of a box are in an output of a task.

    Raises:
        InputError: it gives no boxes, or others than SSD's or FCOS's.
    """
    if isinstance(task, SeveralOutputs) and output in task.tasks:
        return corners_of(task.tasks[output], output)
    decoder = task.decoder if isinstance(task, Detection) else None
    if decoder is not None and any(spec.name == output for spec in decoder.outputs.get("boxes", ())):
        if isinstance(decoder, SsdDecoder) and decoder.sizes == "exp":
            return dense_losses.about_anchors(decoder.variances)
        if isinstance(decoder, FcosDecoder):
            return dense_losses.about_points
    raise InputError(
        f"The loss giou compares the boxes of a detector as the decoders ssd (sizes: exp) and fcos read them, and "
        f"'{output}' is none of those. Name another loss for it, for example smooth_l1."
    )


def reads_compiled(how: recipe.Train | recipe.Qat) -> bool:
    """Whether a recipe's section asks for a loss that the model was compiled with."""
    return "as_compiled" in ([how.loss] if isinstance(how.loss, str) else (how.loss or {}).values())


def of_name(
    name: recipe.LossName,
    ending: Ending,
    smoothing: float = 0.0,
    corners: dense_losses.Corners = _SSD,
) -> Loss:
    """A loss by name.

    Args:
        name: Any but `as_compiled`.
        ending: What the model's last operator is; after none of them, cross entropies take the outputs as logits.
        smoothing: Of the labels, for cross entropies.
        corners: What the values of a box say, for `giou`.
    """
    if name in ("categorical_crossentropy", "binary_crossentropy"):
        function = getattr(tf_keras.losses, name)
        logits = ending == "none"
        return lambda targets, found: function(targets, found, from_logits=logits, label_smoothing=smoothing)
    if name == "cosine":
        return lambda targets, found: 1 + tf_keras.losses.cosine_similarity(targets, found)
    if name == "ctc":
        return lambda targets, found: ctc(targets, found, ending)
    if name == "triplet":
        return batch_hard_triplets
    if name == "dice_crossentropy":
        return lambda targets, found: dense_losses.dice_crossentropy(targets, found, ending, smoothing)
    if name in ("focal", "heatmap_focal", "dice"):
        of_shares = getattr(dense_losses, name)
        return lambda targets, found: of_shares(targets, found, ending)
    if name in ("smooth_l1", "masked_l1"):
        return cast(Loss, getattr(dense_losses, name))
    if name == "giou":
        return lambda targets, found: dense_losses.giou(targets, found, corners)
    function = getattr(tf_keras.losses, {"mse": "mean_squared_error", "mae": "mean_absolute_error"}.get(name, name))
    return lambda targets, found: function(targets, found)


def ctc(targets: Any, found: Any, ending: Ending) -> Any:
    """Connectionist temporal classification (Graves et al. 2006), [B].

    Args:
        targets: Class indices [B, L]; negative ones behind the end of shorter labels.
        found: Probabilities or logits [B, T, classes]; the last class is the blank, as Keras has it.
        ending: Of the model.
    """
    labels = tf.cast(targets, tf.int32)
    lengths = tf.reduce_sum(tf.cast(labels >= 0, tf.int32), axis=1)
    logits = found if ending == "none" else tf.math.log(tf.maximum(found, SMALLEST))
    steps = tf.fill([tf.shape(found)[0]], tf.shape(found)[1])
    return tf.nn.ctc_loss(tf.maximum(labels, 0), logits, lengths, steps, logits_time_major=False, blank_index=-1)


def batch_hard_triplets(targets: Any, found: Any) -> Any:
    """max(0, margin + d(farthest of the same class) − d(nearest of another)) of each example, [B].

    A. Hermans, L. Beyer, B. Leibe, In Defense of the Triplet Loss, 2017, https://arxiv.org/abs/1703.07737. Examples
    with no other of their class, or of no other class in the batch, count 0.

    Args:
        targets: Class indices [B] or [B, 1], or one-hot classes [B, classes].
        found: Embeddings [B, D], of any length.
    """
    units = tf.math.l2_normalize(found, axis=-1)
    apart = tf.sqrt(tf.maximum(2 - 2 * tf.matmul(units, units, transpose_b=True), 1e-12))
    classes = tf.cast(tf.reshape(targets, [tf.shape(found)[0], -1]), tf.float32)
    same = tf.reduce_all(tf.equal(classes[:, None], classes[None]), axis=-1)
    others = same & ~tf.eye(tf.shape(found)[0], dtype=tf.bool)
    farthest = tf.reduce_max(tf.where(others, apart, 0.0), axis=1)
    nearest = tf.reduce_min(tf.where(same, 3.0, apart), axis=1)  # no two are farther apart than 2
    both = tf.reduce_any(others, axis=1) & tf.reduce_any(~same, axis=1)
    return tf.where(both, tf.maximum(0.0, TRIPLET_MARGIN + farthest - nearest), 0.0)


def compiled_losses(model: Any) -> dict[str, Loss]:
    """The losses that a model was compiled with, by output name; empty for one that was not."""
    given = getattr(model, "loss", None)
    if not given:
        return {}
    names = list(model.output_names)
    if isinstance(given, Mapping):
        by_name = dict(given)
    elif isinstance(given, Sequence) and not isinstance(given, str):
        by_name = dict(zip(names, given, strict=False))
    else:
        by_name = dict.fromkeys(names, given)
    return {name: _own(tf_keras.losses.get(item)) for name, item in by_name.items() if item is not None}


def _own(loss: Any) -> Loss:
    """A compiled loss, without its own mean; sparse ones get class indices of one-hot targets."""
    if isinstance(loss, tf_keras.losses.Loss):
        sparse, function = "Sparse" in type(loss).__name__, loss.call
    else:
        sparse, function = "sparse" in getattr(loss, "__name__", ""), loss
    if not sparse:
        return lambda targets, found: function(targets, found)
    return lambda targets, found: function(tf.argmax(targets, axis=-1), found)
