"""The carried model must answer as its source does, on random input; where not, the first layer that parts is named."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.errors import InputError, PipelineError
from pipeline.models.backend import tf, tf_keras
from pipeline.models.keras3.replay import Carried
from pipeline.models.named_function import named_function, structure
from pipeline.models.trial_inputs import difference, trial_inputs

TOLERANCE = 1e-5
"""Largest difference allowed between both models' outputs, relative to the largest value of that output."""


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
    name, first = _first_to_diverge(source, carried, feed)
    raise PipelineError(
        f"The Keras 3 model '{source.name}' carried over to Keras 2 answers differently by {worst:.2g} of its output "
        f"on random input (allowed: {TOLERANCE:g}); they diverge at '{name}', by {first:.2g}. Please report the model; "
        "until then build it with tf_keras and give it with --set model.function=module:function."
    )


def random_inputs(source: Any) -> list[np.ndarray]:
    """An array an input of a Functional or Sequential model; see :func:`trial_inputs`."""
    function = named_function(source)
    return trial_inputs(
        function.inputs,
        lambda feed: _run(source, tf.nest.pack_sequence_as(structure(source)[0], feed)),
        below=function.embeddings,
        failures=(ValueError, tf.errors.OpError),
        name=source.name,
    )


def _run(model: Any, inputs: Any) -> list[np.ndarray]:
    return [np.asarray(output) for output in tf.nest.flatten(model(inputs, training=False))]


def _first_to_diverge(source: Any, carried: Carried, feed: Any) -> tuple[str, float]:
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
