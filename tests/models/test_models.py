"""Models by name, from files of Keras 2 and 3, and from the user's function; a new head where training follows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline import recipe
from pipeline.errors import InputError
from pipeline.tensors import OPEN, TensorSpec


def build(classes: int = 10, shape: tuple[int, ...] = (8, 8, 1), *, trainable: bool = True, **how: object) -> object:
    from pipeline.models.build import build

    inputs = {"x": TensorSpec("x", (OPEN, *shape), np.dtype(np.float32))}
    targets = {"y": TensorSpec("y", (OPEN,), np.dtype(np.int64))}
    names = [str(number) for number in range(classes)]
    return build(recipe.Model.model_validate(how), inputs, targets, names, trainable=trainable)


def test_a_model_of_the_zoo_by_name() -> None:
    model = build(4, (32, 32, 3), name="MobileNetV2", alpha=0.35)
    assert model.input_shape == (None, 32, 32, 3)  # type: ignore[attr-defined]
    assert model.output_shape == (None, 4)  # type: ignore[attr-defined]


def test_a_misspelt_name_is_met_with_the_nearest() -> None:
    with pytest.raises(InputError, match="Did you mean 'MobileNetV2'"):
        build(name="MobilNetV2")


def test_a_width_multiplier_where_there_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="no width multiplier"):
        build(4, (32, 32, 3), name="ResNet50", alpha=0.5)


def test_the_users_function() -> None:
    assert build(function="tests.tiny_keras:model").name == "tiny"  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="not a tf_keras model"):
        build(function="tests.tiny_keras:no_model")
    with pytest.raises(InputError, match="cannot be imported"):
        build(function="tests.tiny_keras:nothing")
    with pytest.raises(InputError, match="module:function"):
        build(function="tests.tiny_keras")


def test_training_gives_a_new_head_and_keeps_the_features() -> None:
    first, second = build(function="tests.tiny_keras:model"), build(3, function="tests.tiny_keras:model")
    assert second.output_shape == (None, 3)  # type: ignore[attr-defined]
    assert len(second.weights) == len(first.weights)  # type: ignore[attr-defined]


def test_without_training_a_head_may_be_wider_than_the_data_but_not_narrower() -> None:
    assert build(4, function="tests.tiny_keras:model", trainable=False).output_shape == (None, 10)  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="trains no new head"):
        build(11, function="tests.tiny_keras:model", trainable=False)


def test_an_input_that_does_not_fit_says_what_to_set() -> None:
    with pytest.raises(InputError, match=r"data\.preprocess\.size"):
        build(shape=(9, 9, 1), function="tests.tiny_keras:model")


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "saved_model"])
def test_a_keras_2_file_answers_the_same(tmp_path: Path, name: str) -> None:
    from tests.tiny_keras import model

    saved = model()
    saved.save(tmp_path / name)
    x = np.random.default_rng(0).uniform(0, 1, (2, 8, 8, 1)).astype(np.float32)
    np.testing.assert_allclose(build(path=tmp_path / name)(x), saved(x), atol=1e-6)  # type: ignore[operator]


def test_files_that_are_no_models_are_refused(tmp_path: Path) -> None:
    from tests.tiny_keras import model

    saved = tmp_path / "model.keras"
    model().save(saved)
    (tmp_path / "cut.keras").write_bytes(saved.read_bytes()[:3000])
    (tmp_path / "folder").mkdir()
    model().save_weights(tmp_path / "weights.h5")
    for name, reason in {
        "cut.keras": "truncated",
        "folder": "not a SavedModel",
        "missing.keras": "no model at",
        "weights.h5": "without a model",
    }.items():
        with pytest.raises(InputError, match=reason):
            build(path=tmp_path / name)


def test_weights_from_a_file_go_into_the_named_architecture(tmp_path: Path) -> None:
    model = build(4, (32, 32, 3), name="MobileNetV2", alpha=0.35)
    model.save_weights(tmp_path / "weights.h5")  # type: ignore[attr-defined]
    again = build(4, (32, 32, 3), name="MobileNetV2", alpha=0.35, weights=str(tmp_path / "weights.h5"))
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="do not fit"):
        build(4, (32, 32, 3), name="MobileNetV2", alpha=0.5, weights=str(tmp_path / "weights.h5"))


def test_a_keras_3_functional_model_is_carried_over(tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((8, 8, 3))
    shared = keras.layers.Conv2D(4, 3, padding="same", activation="relu")
    x = shared(inputs)
    y = keras.layers.BatchNormalization()(keras.layers.DepthwiseConv2D(3, padding="same")(x))
    x = keras.layers.Concatenate()([x, keras.layers.Add()([x, y])])
    x = keras.layers.Dropout(0.5)(keras.layers.GlobalAveragePooling2D()(x))
    source = keras.Model(inputs, keras.layers.Dense(5, activation="softmax")(x))
    source.save(tmp_path / "three.keras")
    feed = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    carried = build(5, (8, 8, 3), path=tmp_path / "three.keras")
    np.testing.assert_allclose(carried(feed), source(feed), atol=1e-5)  # type: ignore[operator]


def test_a_keras_3_sequential_model_is_carried_over(tmp_path: Path) -> None:
    import keras

    layers = [keras.Input((6,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(3)]
    source = keras.Sequential(layers)
    source.save(tmp_path / "three.keras")
    feed = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    np.testing.assert_allclose(build(3, (6,), path=tmp_path / "three.keras")(feed), source(feed), atol=1e-5)  # type: ignore[operator]


def test_every_keras_3_layer_without_a_counterpart_is_named(tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((6,))
    x = keras.layers.RMSNormalization(name="first")(inputs)
    x = keras.layers.RMSNormalization(name="second")(x)
    keras.Model(inputs, keras.layers.Dense(3)(x)).save(tmp_path / "three.keras")
    with pytest.raises(InputError, match=r"first, second .*module:function"):
        build(3, (6,), path=tmp_path / "three.keras")
