"""What is frozen stays as it is through QAT, and what is called in inference mode computes so in training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import recipe
from pipeline.errors import InputError
from tests.answers import answer
from tests.training.tasks import Arrays, Classes

CLASSES = 3


def data() -> Any:
    """Images whose class is where they are bright, 0..1."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, 96)
    images = rng.uniform(0, 0.5, (96, 12, 12, 3)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        image[:, 4 * label : 4 * label + 4] += 0.5
    return Arrays({"image": images}, {"y": labels})


def base(keras: Any) -> Any:
    """Convolutions with batch-norm, a shortcut and dropout."""
    layers = keras.layers
    x = inputs = keras.Input((16, 16, 3))
    x = layers.ReLU(6.0)(layers.BatchNormalization(name="norm")(layers.Conv2D(8, 3, 2, use_bias=False, name="stem")(x)))
    y = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    y = layers.Dropout(0.5)(layers.BatchNormalization(name="second_norm")(y))
    return keras.Model(inputs, layers.Add()([x, layers.Conv2D(8, 1, name="last")(y)]), name="base")


def transferred(keras: Any, freeze: str) -> Any:
    """The usual way: augmentation, resizing and rescaling before a base called with training=False, a new head."""
    keras.utils.set_random_seed(0)
    layers, inner = keras.layers, base(keras)
    x = inputs = keras.Input((12, 12, 3), name="image")
    x = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.05)], name="augmentation")(x)
    x = layers.Rescaling(2.0, -1.0)(layers.Resizing(16, 16)(x))
    x = layers.GlobalAveragePooling2D()(inner(x, training=False))
    model = keras.Model(inputs, layers.Dense(CLASSES, activation="softmax", name="head")(layers.Dropout(0.1)(x)))
    if freeze == "base":
        inner.trainable = False
    if freeze == "partly":
        for layer in inner.layers[:-4]:
            layer.trainable = False
    return model


def fine_tuned(model: Any) -> Any:
    from pipeline.training.qat.fine_tune import fine_tune

    task = Classes(model.output_names[0], "y", CLASSES)
    return fine_tune(model, data(), recipe.Qat(epochs=2, learning_rate=0.01, batch_size=16), task)[0]


def held(model: Any) -> dict[str, list[Any]]:
    """Weights by the names of the layers that have some, through models used as layers; of a QAT model the trained."""
    from pipeline.models.backend import tf_keras

    found = {}
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, tf_keras.layers.Wrapper):
            kernels = [variable for variable, _, _ in getattr(layer, "_weight_vars", [])]
            found[layer.layer.name] = [weight.numpy() for weight in [*kernels, *layer.layer.weights]]
        elif layer.weights and layer.name not in found and not hasattr(layer, "layers"):
            found[layer.name] = layer.get_weights()
    return found


def same(one: list[Any], other: list[Any]) -> bool:
    """Bit for bit, in whatever order."""
    return sorted(part.tobytes() for part in one) == sorted(part.tobytes() for part in other)


FROZEN = {
    "base": {"stem", "norm", "depthwise", "second_norm", "last"},
    "partly": {"stem", "norm", "depthwise"},
    "nothing": set[str](),
}


IN_EVERY_RUN = (("Keras 2", "partly"), ("Keras 3", "base"))


@pytest.mark.parametrize(
    ("version", "freeze"),
    [
        pytest.param(version, freeze, marks=() if (version, freeze) in IN_EVERY_RUN else pytest.mark.slow)
        for version in ("Keras 2", "Keras 3")
        for freeze in FROZEN
    ],
)
def test_transfer_learning_from_a_file_to_int8(version: str, freeze: str, tmp_path: Path) -> None:
    import keras

    from pipeline.conversion.import_float import import_float
    from pipeline.models.backend import tf_keras
    from pipeline.models.load import load_file
    from pipeline.quantization.formats import write
    from pipeline.tflite.inspect import inspect
    from pipeline.tflite.runner import Runner
    from pipeline.tflite.verdict import require

    transferred({"Keras 2": tf_keras, "Keras 3": keras}[version], freeze).save(tmp_path / "model.keras")
    model = load_file(tmp_path / "model.keras")
    before = held(model)
    aware = fine_tuned(model)
    after = held(aware)
    moved = {name for name, weights in before.items() if not same(weights, after[name])}
    assert moved & FROZEN[freeze] == set()
    assert "head" in moved
    if freeze == "nothing":  # gamma and beta are trained, the statistics are inference's
        assert {"stem", "norm"} <= moved
        assert same(
            before["norm"][2:], [part for part in after["norm"] if any(same([part], [b]) for b in before["norm"])]
        )
    trained = {weight.name.split("/")[0].removeprefix("quant_") for weight in aware.trainable_weights}
    assert trained.isdisjoint(FROZEN[freeze])
    aware.save(tmp_path / "qat.h5")
    images = data()._inputs["image"]
    np.testing.assert_array_equal(load_file(tmp_path / "qat.h5")(images).numpy(), aware(images).numpy())
    imported = import_float(aware)
    int8 = write(imported.content, "int8", imported.ranges)
    require(inspect(int8), "int8")
    assert np.abs(answer(Runner(int8, batch=4), images) - aware(images).numpy()).max() <= 4 / 256


def test_one_frozen_layer_among_trained_ones(tmp_path: Path) -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.models.load import load_file

    layers = tf_keras.layers
    kept = [layers.Conv2D(8, 3, 2, name="frozen", trainable=False), layers.BatchNormalization(name="norm")]
    ends = [layers.Flatten(), layers.Dense(8, name="body", trainable=False), layers.Dense(CLASSES, "softmax")]
    model = tf_keras.Sequential([layers.Input((12, 12, 3), name="image"), *kept, layers.ReLU(), *ends])
    before = held(model)
    aware = fine_tuned(model)
    aware.save(tmp_path / "qat.h5")
    again = load_file(tmp_path / "qat.h5")
    for loaded in (aware, again):
        assert same(held(loaded)["frozen"], before["frozen"])
        assert same(held(loaded)["body"], before["body"])
        assert not same(held(loaded)["norm"], before["norm"])
        assert len(loaded.trainable_weights) == 4  # gamma and beta, the head's kernel and bias
        assert {id(weight) for weight in loaded.weights} >= {
            id(variable) for layer in loaded.layers for variable, _, _ in getattr(layer, "_weight_vars", [])
        }
    images = data()._inputs["image"]
    np.testing.assert_array_equal(again(images).numpy(), aware(images).numpy())


def test_in_a_frozen_model_every_layer_is_frozen() -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.training.qat import graph as graphs

    inner = base(tf_keras)
    inner.trainable = False
    inner.get_layer("last").trainable = True  # Keras trains nothing of a model that is not trainable
    inputs = tf_keras.Input((16, 16, 3))
    model = tf_keras.Model(inputs, tf_keras.layers.Conv2D(2, 1)(inner(inputs)))
    [nested] = [layer.inner for layer in graphs.read(model).layers() if layer.inner is not None]
    assert not any(layer.config.get("trainable") for layer in nested.layers() if layer.weights)


def test_a_model_with_nothing_to_train_says_so() -> None:
    from pipeline.models.backend import tf_keras

    model = transferred(tf_keras, "base")
    model.trainable = False
    with pytest.raises(InputError, match=r"frozen.*nothing to train.*--ptq"):
        fine_tuned(model)
