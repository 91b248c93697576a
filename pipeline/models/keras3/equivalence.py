"""The carried model must answer as its source does, on random input; where not, the first layer that parts is named."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.errors import InputError, PipelineError
from pipeline.models.backend import tf, tf_keras
from pipeline.models.keras3.replay import Carried, structure

TOLERANCE = 1e-5
"""Largest difference allowed between both models' outputs, relative to the largest value of that output."""

OPEN_SIDES = (32, 64, 96, 128, 224)
"""Lengths tried for a side that the model leaves open: some need a certain size."""


def compare(source: Any, carried: Carried) -> float:
    """Run both models on random input.

    Returns:
        The largest difference, relative to the size of the output.

    Raises:
        PipelineError: it is above TOLERANCE; the first layer at which the models part is named.
        InputError: the source itself cannot run, or gives nothing but NaN and infinity.
    """
    feed = tf.nest.pack_sequence_as(structure(source)[0], random_inputs(source))
    theirs = _run(source, feed)
    if not any(np.isfinite(output).any() for output in theirs):
        raise InputError(
            f"The Keras 3 model '{source.name}' answers random input with NaN or infinity only, so nothing can be said "
            "of a copy of it: look at its weights, some are not finite or far too large."
        )
    ours = _run(carried.model, feed)
    differences = [difference(one, two) for one, two in zip(theirs, ours, strict=True)]
    worst = max(differences)
    if worst <= TOLERANCE:
        return worst
    name, first = _first_to_part(source, carried, feed)
    raise PipelineError(
        f"The Keras 3 model '{source.name}' carried over to Keras 2 answers differently by {worst:.2g} of its output "
        f"on random input (allowed: {TOLERANCE:g}); they part at '{name}', by {first:.2g}. Please report the model; "
        "until then build it with tf_keras and give it with --set model.function=module:function."
    )


def difference(reference: np.ndarray, output: np.ndarray) -> float:
    """The largest difference of two arrays, relative to the largest finite value of the reference.

    Infinite and undefined values must stand at the same places; a shape that differs is an infinite difference.
    """
    if reference.shape != output.shape:
        return float("inf")
    reference, output = reference.astype(np.float64), output.astype(np.float64)
    finite = np.isfinite(reference)
    if not np.array_equal(finite, np.isfinite(output)):
        return float("inf")
    if not finite.any():
        return 0.0
    size = float(np.abs(reference[finite]).max()) or 1.0
    return float(np.abs(reference[finite] - output[finite]).max()) / size


def random_inputs(source: Any, examples: int = 2) -> list[np.ndarray]:
    """An array an input: between −1 and 1 for the first example, 0 and 255 for the next, small integers for indices.

    Raises:
        InputError: the source runs on none of the sizes tried for its open sides.
    """
    import keras

    generator = np.random.default_rng(0)
    indices = [layer.input_dim for layer in source._flatten_layers() if isinstance(layer, keras.layers.Embedding)]
    reason: Exception | None = None
    for open_side in OPEN_SIDES:
        feed = []
        for tensor in source.inputs:
            shape = (tensor.shape[0] or examples, *(side or open_side for side in tensor.shape[1:]))
            if indices or not str(tensor.dtype).startswith("float"):
                values = generator.integers(0, min([*indices, 256]), shape).astype(np.float64)
            else:
                values = generator.uniform(-1, 1, shape)
                values[1::2] = (values[1::2] + 1) * 127.5
            feed.append(values.astype(tensor.dtype))
        if all(None not in tensor.shape[1:] for tensor in source.inputs):
            return feed
        try:
            _run(source, tf.nest.pack_sequence_as(structure(source)[0], feed))
        except (ValueError, tf.errors.OpError) as error:
            reason = error
            continue
        return feed
    raise InputError(f"The Keras 3 model '{source.name}' does not run: {' '.join(str(reason).split())[:300]}")


def _run(model: Any, inputs: Any) -> list[np.ndarray]:
    return [np.asarray(output) for output in tf.nest.flatten(model(inputs, training=False))]


def _first_to_part(source: Any, carried: Carried, feed: Any) -> tuple[str, float]:
    """The first layer whose outputs differ by more than the tolerance, and by how much."""
    import keras

    pairs = [(name, one, two) for name, one, two in carried.pairs if len(one.shape)]
    theirs = _run(keras.Model(structure(source)[0], [one for _, one, _ in pairs]), feed)
    ours = _run(tf_keras.Model(carried.model.input, [two for _, _, two in pairs]), feed)
    for (name, _, _), one, two in zip(pairs, theirs, ours, strict=True):
        found = difference(one, two)
        if found > TOLERANCE:
            return name, found
    return pairs[-1][0], difference(theirs[-1], ours[-1])
