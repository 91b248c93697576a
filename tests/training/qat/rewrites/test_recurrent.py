"""Recurrent layers written as operators compute what Keras computes; what cannot be written so stays."""

from __future__ import annotations

from typing import Any

import pytest

from tests.training.qat.same import kinds, rewritten


def unrolled(keras: Any, kind: str, **how: Any) -> Any:
    steps = keras.Input((3, 4))
    layer = getattr(keras.layers, kind)(5, **{"unroll": True, **how}, name="cell")
    return keras.Model(steps, layer(steps))


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("LSTM", {"return_sequences": True}),
        ("LSTM", {"go_backwards": True, "use_bias": False, "recurrent_activation": "hard_sigmoid"}),
        ("GRU", {}),
        ("GRU", {"reset_after": False, "return_sequences": True}),
        ("SimpleRNN", {"activation": "relu", "dropout": 0.5, "recurrent_dropout": 0.5}),
    ],
)
def test_each_step_becomes_operators(kind: str, how: dict[str, Any]) -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.training.qat.rewrites.recurrent import unrolled_to_operators

    graph = rewritten(unrolled(tf_keras, kind, **how), unrolled_to_operators)
    assert kind not in kinds(graph)
    assert ("stack" in kinds(graph)) == how.get("return_sequences", False)


def test_both_ways() -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.training.qat.rewrites.recurrent import unrolled_to_operators

    steps = tf_keras.Input((3, 4))
    layer = tf_keras.layers.Bidirectional(tf_keras.layers.LSTM(2, unroll=True, return_sequences=True))
    graph = rewritten(tf_keras.Model(steps, layer(steps)), unrolled_to_operators)
    assert kinds(graph)[-1] == "Concatenate"


@pytest.mark.parametrize("how", [{"unroll": False}, {"return_state": True}])
def test_loops_and_states_stay(how: dict[str, Any]) -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.training.qat import graph as graphs
    from pipeline.training.qat.rewrites.recurrent import unrolled_to_operators

    assert unrolled_to_operators(graphs.read(unrolled(tf_keras, "LSTM", **how))) == []
