"""What every rewrite must hold to: the same answer, the same names, nothing left for a second round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def rewritten(model: Any, *rewrites: Callable[[Any], list[Any]], changes: bool = True) -> Any:
    """The model's graph after the rewrites, which is held to all of it.

    Args:
        model: A tf_keras model; its weights are made random, so that no bias or statistic is trivial.
        rewrites: Applied in their order; all of :data:`REWRITES` by default.
        changes: Whether they must change something.
    """
    from pipeline.training.qat import graph as graphs
    from pipeline.training.qat.rewrites import REWRITES

    randomize(model)
    inputs = random_inputs(model)
    expected = model(inputs, training=False)
    graph = graphs.read(model)
    chosen = rewrites or REWRITES
    found = [change for rewrite in chosen for change in rewrite(graph)]
    assert bool(found) == changes, found
    assert all(change.layer and change.reason and change.remedy for change in found)
    built = graph.build()
    assert built.output_names == model.output_names
    assert built.input_names == model.input_names
    _equal(built(inputs, training=False), expected)
    again = [change for rewrite in chosen for change in rewrite(graph)]
    assert again == []
    _equal(graph.build()(inputs, training=False), expected)
    _equal(model(inputs, training=False), expected)  # the model itself is left alone
    return graph


def kinds(graph: Any) -> list[str]:
    """Classes of the layers in the order of the calls, the inputs left out; an Operation by its function."""
    names = [
        call.layer.config["function"] if call.layer.kind.__name__ == "Operation" else call.layer.kind.__name__
        for call in graph.calls
    ]
    return [name for name in names if name != "InputLayer"]


def randomize(model: Any) -> None:
    """Random weights; variances stay positive. What a Normalization learned stays: it has computed with it already."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.name in ("mean:0", "variance:0", "count:0"):
            continue
        values = rng.normal(0, 0.5, weight.shape)
        weight.assign(np.abs(values) + 0.5 if "variance" in weight.name else values)


def random_inputs(model: Any, batch: int = 2) -> Any:
    rng = np.random.default_rng(1)
    inputs = [rng.normal(0, 2, (batch, *tensor.shape[1:])).astype(np.float32) for tensor in model.inputs]
    return inputs[0] if len(inputs) == 1 else inputs


def _equal(found: Any, expected: Any) -> None:
    from pipeline.models.backend import tf

    for one, other in zip(tf.nest.flatten(found), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
