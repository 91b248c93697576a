"""Which model a recipe means, and the head that training puts on it (see test_models.py for the ordinary course)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import recipe
from pipeline.errors import InputError
from pipeline.tensors import OPEN, TensorSpec


def spec(name: str, *shape: int, dtype: str = "float32") -> TensorSpec:
    return TensorSpec(name, (OPEN, *shape), np.dtype(dtype))


def build(
    classes: int = 10,
    shape: tuple[int, ...] = (8, 8, 1),
    *,
    task: str = "classification",
    trainable: bool = True,
    **how: object,
) -> Any:
    """For a classifier of images."""
    from pipeline.models.build import build

    names = [str(number) for number in range(classes)]
    inputs, targets = {"x": spec("x", *shape)}, {"y": spec("y", dtype="int64")}
    return build(recipe.Model.model_validate(how), inputs, targets, names, task, trainable=trainable)


def built(inputs: list[TensorSpec], targets: list[TensorSpec], task: str = "auto", **how: object) -> Any:
    """For anything else."""
    from pipeline.models.build import build

    named = ({one.name: one for one in specs} for specs in (inputs, targets))
    return build(recipe.Model.model_validate(how), *named, (), task)


@pytest.fixture
def head() -> Any:
    from pipeline.models.head import replace_head

    return replace_head


def ending_in(*layers: Any) -> Any:
    from pipeline.models.backend import tf_keras

    return tf_keras.Sequential(
        [tf_keras.Input((8, 8, 1)), tf_keras.layers.Conv2D(4, 3, name="features"), *layers], name="mine"
    )


def test_the_zoo_holds_the_architectures_and_nothing_else() -> None:
    from pipeline.models.build import zoo

    assert {"MobileNet", "MobileNetV2", "MobileNetV3Small", "ResNet50", "EfficientNetV2B0"} <= set(zoo())
    assert not {"mobilenet", "imagenet_utils"} & set(zoo())


def test_preprocessing_inside_a_zoo_model_is_left_to_the_recipe() -> None:
    from pipeline.models.backend import tf_keras

    model = build(4, (32, 32, 3), name="MobileNetV3Small")
    inner = [layer for layer in model.layers if isinstance(layer, tf_keras.layers.Rescaling)]
    assert not inner


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"name": "mobilenetv2"}, "Did you mean 'MobileNetV2'"),
        ({"name": "NoSuchThing"}, "no tf_keras.applications model"),
        ({"name": "ResNet50", "alpha": 0.5}, "remove model.alpha"),
        ({"name": "MobileNetV2", "weights": "imagnet.h5"}, "no weights file 'imagnet.h5'"),
        ({"name": "MobileNetV2"}, "cannot be built for inputs"),
        ({}, "model.name"),
        ({"function": "no_such_module:model"}, "cannot be imported"),
        ({"function": ":model"}, "module:function"),
        ({"function": "tests.tiny_keras:no_model"}, "not a tf_keras model"),
    ],
    ids=str,
)
def test_what_cannot_be_built_is_said(how: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        build(shape=(8, 8, 1) if how != {"name": "MobileNetV2"} else (20, 20), **how)


@pytest.mark.parametrize(
    "source", ["def model(): raise RuntimeError('no such layer')", "x = undefined\ndef model(): ...", "def model(:"]
)
def test_a_mistake_in_the_users_file_is_the_users_to_mend(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"users_{len(source)}"
    (tmp_path / f"{name}.py").write_text(source + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match=name):
        build(function=f"{name}:model")


def test_a_keras_3_model_of_a_function_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "users_three.py").write_text(
        "import keras\ndef model(): return keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match="Import Keras as tf_keras"):
        build(function="users_three:model")


def test_a_dense_head_is_replaced_and_all_before_it_kept(head: Any) -> None:
    from pipeline.models.backend import tf_keras

    layers = tf_keras.layers
    old = ending_in(layers.GlobalAveragePooling2D(), layers.Dense(9), layers.Softmax())
    new = head(old, 3)
    assert new.output_shape == (None, 3)
    assert new.name == "mine"
    for mine, theirs in zip(new.get_layer("features").get_weights(), old.layers[0].get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_allclose(new(np.ones((2, 8, 8, 1), np.float32)).numpy().sum(1), 1, rtol=1e-5)


def test_a_1x1_convolution_as_the_head_is_replaced(head: Any) -> None:
    from pipeline.models.backend import tf_keras

    layers = tf_keras.layers
    ends = [layers.GlobalAveragePooling2D(keepdims=True), layers.Conv2D(9, 1), layers.Reshape((9,)), layers.Softmax()]
    assert head(ending_in(*ends), 3).output_shape == (None, 3)


def test_a_convolutional_head_before_the_pooling_is_replaced(head: Any) -> None:
    from pipeline.models.backend import tf_keras

    layers = tf_keras.layers
    assert head(ending_in(layers.Conv2D(9, 1), layers.GlobalAveragePooling2D()), 3).output_shape == (None, 3)


def test_the_zoos_convolutional_head_is_replaced(head: Any) -> None:
    assert head(build(7, (32, 32, 3), name="MobileNet", alpha=0.25), 3).output_shape == (None, 3)


def test_a_head_of_another_kind_is_not_replaced(head: Any) -> None:
    from pipeline.models.backend import tf_keras

    layers = tf_keras.layers
    with pytest.raises(InputError, match="its head cannot be replaced"):
        head(ending_in(layers.Flatten(), layers.Dense(9), layers.BatchNormalization()), 3)


def test_one_sigmoid_unit_is_enough_for_two_classes(tmp_path: Path) -> None:
    from pipeline.models.backend import tf_keras

    layers = tf_keras.layers
    ending_in(layers.Flatten(), layers.Dense(1, activation="sigmoid")).save(tmp_path / "m.keras")
    assert build(2, path=tmp_path / "m.keras").output_shape == (None, 1)
    assert build(3, path=tmp_path / "m.keras").output_shape == (None, 3)


def test_a_model_that_is_no_classifier_is_refused_as_one_only(tmp_path: Path) -> None:
    ending_in().save(tmp_path / "m.keras")
    with pytest.raises(InputError, match="not a classifier"):
        build(path=tmp_path / "m.keras")
    for task in ("auto", "embedding"):
        assert build(path=tmp_path / "m.keras", task=task).output_shape == (None, 6, 6, 4)


def test_a_classifiers_head_is_replaced_by_itself_and_no_other_models(tmp_path: Path) -> None:
    from pipeline.models.backend import tf_keras

    ending_in(tf_keras.layers.Flatten(), tf_keras.layers.Dense(5)).save(tmp_path / "m.keras")
    assert build(3, path=tmp_path / "m.keras", task="auto").output_shape == (None, 3)
    assert build(3, path=tmp_path / "m.keras", task="embedding").output_shape == (None, 5)
    assert built([spec("x", 8, 8, 1)], [spec("y", 5)], path=tmp_path / "m.keras").output_shape == (None, 5)


def test_several_inputs_go_by_name_and_shape(tmp_path: Path) -> None:
    from pipeline.models.backend import tf_keras

    image, words = tf_keras.Input((8, 8, 3), name="image"), tf_keras.Input((4,), dtype="int32", name="words")
    both = [tf_keras.layers.Flatten()(image), tf_keras.layers.Flatten()(tf_keras.layers.Embedding(9, 2)(words))]
    answer = tf_keras.layers.Dense(2, name="answer")(tf_keras.layers.Concatenate()(both))
    tf_keras.Model([image, words], answer).save(tmp_path / "m.keras")

    def of(*inputs: TensorSpec) -> Any:
        return built(list(inputs), [spec("y", 2)], path=tmp_path / "m.keras")

    assert of(spec("words", 4, dtype="int64"), spec("image", 8, 8, 3)).output_shape == (None, 2)
    with pytest.raises(InputError, match=r"no input 'imgae'.*Did you mean 'image'"):
        of(spec("words", 4, dtype="int64"), spec("imgae", 8, 8, 3))
    with pytest.raises(InputError, match="'words' is not given"):
        of(spec("image", 8, 8, 3))
    with pytest.raises(InputError, match=r"as 'image'.*data\.inputs\.image\.preprocess\.size to \[8, 8\]"):
        of(spec("words", 4, dtype="int64"), spec("image", 16, 16, 3))
    with pytest.raises(InputError, match=r"whole numbers \(int32\) as 'words'.*float32"):
        of(spec("words", 4), spec("image", 8, 8, 3))


def test_the_zoo_answers_values_where_the_target_holds_values() -> None:
    model = built([spec("x", 32, 32, 3)], [spec("points", 6)], name="MobileNetV2", alpha=0.35)
    assert model.output_shape == (None, 6)
    assert model(np.zeros((1, 32, 32, 3), np.float32)).numpy().min() <= 0  # no softmax
    with pytest.raises(InputError, match=r"model\.classes"):
        built([spec("x", 32, 32, 3)], [spec("a", 6), spec("b", 6)], name="MobileNetV2", alpha=0.35)


def test_the_loss_that_a_file_was_compiled_with_is_loaded_where_it_is_needed(tmp_path: Path) -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.models.build import build

    model = ending_in(tf_keras.layers.Flatten(), tf_keras.layers.Dense(2))
    model.compile(loss="mean_absolute_error")
    model.save(tmp_path / "m.keras")
    section, x, y = recipe.Model(path=tmp_path / "m.keras"), {"x": spec("x", 8, 8, 1)}, {"y": spec("y", 2)}
    assert build(section, x, y, compiled=True).loss == "mean_absolute_error"
    assert not getattr(build(section, x, y), "loss", None)


def test_open_sides_take_any_size(tmp_path: Path) -> None:
    from pipeline.models.backend import tf_keras

    layers = tf_keras.layers
    ends = [layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(), layers.Dense(10)]
    tf_keras.Sequential([tf_keras.Input((None, None, 1)), *ends]).save(tmp_path / "m.keras")
    assert build(path=tmp_path / "m.keras").output_shape == (None, 10)
    with pytest.raises(InputError, match=r"\(8, 8, 3\)"):
        build(shape=(8, 8, 3), path=tmp_path / "m.keras")
