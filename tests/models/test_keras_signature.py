"""Names, shapes and dtypes of Keras models of both versions, and what their outputs end in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.tensors import OPEN


@pytest.fixture(params=[2, 3], ids=["keras2", "keras3"])
def k(request: pytest.FixtureRequest) -> Any:
    from pipeline.models.backend import tf_keras

    if request.param == 2:
        return tf_keras
    import keras

    return keras


def test_it_holds_names_shapes_and_dtypes(k: Any) -> None:
    from pipeline.models.keras_signature import signature_of

    image, tokens = k.Input((None, 4, 3), name="image"), k.Input((7,), dtype="int32", name="tokens")
    x = k.layers.GlobalAveragePooling2D()(image)
    y = k.layers.Flatten(name="flat")(k.layers.Embedding(5, 2)(tokens))
    found = signature_of(k.Model([image, tokens], [k.layers.Dense(4, name="scores")(x), y]))
    assert [(spec.name, spec.shape, spec.dtype.name) for spec in found.inputs] == [
        ("image", (OPEN, OPEN, 4, 3), "float32"),
        ("tokens", (OPEN, 7), "int32"),
    ]
    assert [(spec.name, spec.shape) for spec in found.outputs] == [("scores", (OPEN, 4)), ("flat", (OPEN, 14))]


def test_a_dict_gives_its_keys(k: Any) -> None:
    from pipeline.models.keras_signature import signature_of

    inputs = {"b": k.Input((3,), name="b"), "a": k.Input((3,), name="a")}
    found = signature_of(k.Model(inputs, {"sum": k.layers.Add()(list(inputs.values()))}))
    assert {spec.name for spec in found.inputs} == {"a", "b"}
    assert [spec.name for spec in found.outputs] == ["sum"]


def test_an_ending_is_seen_through_reshapes_layers_functions_and_nested_models(k: Any) -> None:
    from pipeline.models.keras_signature import endings_of

    layers, inputs = k.layers, k.Input((8,), name="x")
    inner_input = k.Input((8,))
    inner = k.Model(inner_input, layers.Dense(4, activation="sigmoid")(inner_input), name="nested")
    outputs = {
        "dense": layers.Dense(4, activation="softmax")(inputs),
        "layer": layers.Softmax()(layers.Dense(4)(inputs)),
        "activation": layers.Activation("linear")(layers.Activation("sigmoid")(inputs)),
        "reshaped": layers.Reshape((2, 2))(layers.Dense(4, activation="sigmoid")(inputs)),
        "nested": inner(inputs),
        "logits": layers.Dense(4)(inputs),
        "before": layers.Dense(4)(layers.Softmax()(inputs)),
        "tanh": layers.Dense(4, activation="tanh")(inputs),
    }
    assert dict(endings_of(k.Model(inputs, outputs))) == {
        "dense": "softmax",
        "layer": "softmax",
        "activation": "sigmoid",
        "reshaped": "sigmoid",
        "nested": "sigmoid",
        "logits": "none",
        "before": "none",
        "tanh": "none",
    }


def test_the_flatbuffer_of_a_model_ends_as_it_does(k: Any) -> None:
    from pipeline.conversion.import_float import import_float
    from pipeline.models.keras_signature import endings_of
    from pipeline.tflite.endings import endings
    from tests.conversion import kinds_of_models

    for kind in ("two_inputs", "two_outputs", "tokens", "detection_head"):
        model = kinds_of_models.KINDS[kind](k)
        assert endings(import_float(model).content) == dict(endings_of(model))


def test_code_of_a_subclassed_model_is_read_by_what_it_computes(k: Any) -> None:
    from pipeline.models.backend import tf
    from pipeline.models.keras_signature import endings_of, signature_of

    class Mine(k.Model):  # type: ignore[misc,name-defined]
        def call(self, x: Any) -> Any:
            return tf.function(tf.nn.softmax)(x), tf.reshape(tf.sigmoid(x), (-1, 2)), x

    model = Mine()
    model(np.ones((2, 4), np.float32))
    assert [spec.name for spec in signature_of(model).outputs] == ["output_0", "output_1", "output_2"]
    assert list(endings_of(model).values()) == ["softmax", "sigmoid", "none"]


def test_qat_changes_neither_names_nor_endings() -> None:
    from pipeline.models.keras_signature import endings_of
    from pipeline.training.qat.apply import quantize_aware
    from tests.tiny_keras import model

    plain = model()
    aware = quantize_aware(plain)
    assert list(endings_of(plain).values()) == list(endings_of(aware).values()) == ["softmax"]


def test_what_is_no_keras_model_is_refused() -> None:
    from pipeline.errors import InputError
    from pipeline.models.keras_signature import signature_of

    with pytest.raises(InputError, match=r"Keras model is needed here, not builtins\.str"):
        signature_of("model.keras")
