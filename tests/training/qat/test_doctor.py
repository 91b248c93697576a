"""The doctor names everything that is in the way at once, and what is done about it."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def keras() -> Any:
    from pipeline.models.backend import tf_keras

    return tf_keras


def examine(model: Any) -> Any:
    from pipeline.training.qat.doctor import examine

    return examine(model)


def test_what_is_rewritten_what_stays_float_and_what_is_not_known(keras: Any) -> None:
    from pipeline.models.backend import tf

    class Mine(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return x * 2.0

    x = keras.Input((8, 8, 3))
    y = keras.layers.BatchNormalization(name="lone")(x) + 1.0
    y = tf.sin(keras.layers.ELU(name="elu")(Mine(name="mine")(y)))
    found = examine(keras.Model(x, keras.layers.Conv2D(2, 1)(y)))
    assert not found.failed
    by_check: dict[str, list[Any]] = {}
    for finding in found.findings:
        by_check.setdefault(finding.check, []).append(finding)
    assert [finding.evidence["operator"] for finding in by_check["float operator"]] == ["SIN"]
    assert [finding.evidence["layers"] for finding in by_check["unknown layer"]] == [["mine"]]
    assert "qat.configs: {Mine: module:Class}" in by_check["unknown layer"][0].remedy
    rewritten = [(finding.evidence["kind"], finding.evidence["layers"]) for finding in by_check["rewrite"]]
    assert ("BatchNormalization", ["lone"]) in rewritten
    assert sum(kind == "TFOpLambda" for kind, _ in rewritten) == 2
    assert [finding.severity for finding in found.findings] == sorted(
        (finding.severity for finding in found.findings), key=["error", "warning", "note"].index
    )


def test_a_model_that_needs_nothing(keras: Any) -> None:
    x = keras.Input((8, 8, 3))
    y = keras.layers.ReLU()(keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3)(x)))
    assert examine(keras.Model(x, y)).findings == ()


def test_a_subclassed_model_cannot_be_mended(keras: Any) -> None:
    class Mine(keras.Model):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return x

    found = examine(Mine(name="mine"))
    assert found.failed
    [finding] = found.findings
    assert "model.function=module:function" in finding.remedy
    assert "--ptq" in finding.remedy


def test_channels_first_cannot_be_mended(keras: Any) -> None:
    x = keras.Input((3, 8, 8))
    found = examine(keras.Model(x, keras.layers.MaxPooling2D(data_format="channels_first", name="pool")(x)))
    assert any(finding.severity == "error" and finding.evidence.get("layers") == ["pool"] for finding in found.findings)


def test_recurrent_layers_are_told_how_to_be_built(keras: Any) -> None:
    steps = keras.Input((3, 4))
    loops = examine(keras.Model(steps, keras.layers.Dense(2)(keras.layers.GRU(5, name="loop")(steps))))
    assert loops.failed
    assert not examine(keras.Model(steps, keras.layers.Dense(2)(keras.layers.LSTM(5)(steps)))).failed
    [found] = [finding for finding in loops.findings if finding.check == "recurrent layer"]
    assert found.evidence["layers"] == ["loop"]
    assert "unroll=True" in found.remedy
    unrolled = examine(keras.Model(steps, keras.layers.LSTM(5, unroll=True)(steps)))
    assert {finding.severity for finding in unrolled.findings} == {"note"}


def test_tokens_and_several_inputs_are_no_obstacle(keras: Any) -> None:
    words, table = keras.Input((6,), dtype="int32"), keras.Input((4,))
    both = [keras.layers.Flatten()(keras.layers.Embedding(9, 2)(words)), table]
    found = examine(keras.Model([words, table], keras.layers.Dense(2)(keras.layers.Concatenate()(both))))
    assert found.findings == ()
