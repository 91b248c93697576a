"""A Keras 3 model carried over answers as before, or is refused with every reason; never anything between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError


def shared(k: Any) -> Any:
    """One convolution called twice, and its two results added and concatenated."""
    inputs = k.Input((6, 6, 3))
    twice = k.layers.Conv2D(3, 3, padding="same", activation="relu")
    first = twice(inputs)
    second = twice(first)
    x = k.layers.Concatenate()([k.layers.Add()([first, second]), second])
    return k.Model(inputs, k.layers.Dense(4, activation="softmax")(k.layers.GlobalAveragePooling2D()(x)))


def ends(k: Any) -> Any:
    """Two inputs and two outputs, of different sizes."""
    one, two = k.Input((3,), name="one"), k.Input((5,), name="two")
    x = k.layers.Concatenate()([one, two])
    return k.Model([one, two], [k.layers.Dense(2)(x), k.layers.Dense(7, activation="softmax")(x)])


def sequence(k: Any, *layers: Any, shape: tuple[int, ...] = (6, 6, 3)) -> Any:
    return k.Sequential([k.Input(shape), *layers])


MODELS: dict[str, Callable[[Any], Any]] = {
    "shared layer, Add, Concatenate": shared,
    "several inputs and outputs": ends,
    "Sequential": lambda k: sequence(k, k.layers.Dense(8, activation="gelu"), k.layers.Dense(3), shape=(6,)),
    "convolutions": lambda k: sequence(
        k,
        k.layers.ZeroPadding2D(((0, 1), (0, 1))),
        k.layers.Conv2D(8, 3, strides=2, use_bias=False),
        k.layers.BatchNormalization(scale=False),
        k.layers.ReLU(6.0),
        k.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
        k.layers.SeparableConv2D(4, 3, padding="same"),
        k.layers.Conv2DTranspose(4, 3),
        k.layers.MaxPooling2D(2),
        k.layers.Flatten(),
        k.layers.Dropout(0.5),
    ),
    "normalized": lambda k: sequence(k, k.layers.Rescaling(1 / 127.5, -1), k.layers.LayerNormalization()),
    "regularized": lambda k: sequence(
        k, k.layers.Conv2D(4, 3, kernel_regularizer="l2", kernel_initializer="he_normal", kernel_constraint="max_norm")
    ),
    "LeakyReLU": lambda k: sequence(k, k.layers.LeakyReLU(0.1)),
    "PReLU": lambda k: sequence(k, k.layers.PReLU(shared_axes=[1, 2])),
    "activations": lambda k: sequence(
        k, *[k.layers.Activation(name) for name in ("silu", "relu6", "elu", "tanh", "sigmoid", "softmax")]
    ),
    "squeeze and excite": lambda k: squeeze(k),
}


def squeeze(k: Any) -> Any:
    inputs = k.Input((6, 6, 4))
    x = k.layers.GlobalAveragePooling2D(keepdims=True)(inputs)
    x = k.layers.Conv2D(4, 1, activation="sigmoid")(x)
    return k.Model(inputs, k.layers.Multiply()([inputs, x]))


@pytest.mark.parametrize("name", MODELS)
def test_it_answers_the_same(name: str, tmp_path: Path) -> None:
    import keras

    from pipeline.models.load import load_file

    source = MODELS[name](keras)
    generator = np.random.default_rng(0)
    for weight in source.weights:
        if "seed" not in weight.path:
            weight.assign(generator.uniform(0.1, 0.5, weight.shape))
    source.save(tmp_path / "three.keras")
    carried = load_file(tmp_path / "three.keras")
    feeds = [generator.normal(size=(2, *tensor.shape[1:])).astype(np.float32) for tensor in source.inputs]
    feed = feeds if len(feeds) > 1 else feeds[0]
    theirs, ours = source(feed, training=False), carried(feed, training=False)
    pairs = zip(theirs, ours, strict=True) if isinstance(theirs, list) else [(theirs, ours)]
    for expected, answered in pairs:
        np.testing.assert_allclose(np.asarray(answered), np.asarray(expected), rtol=1e-5, atol=1e-5)


def arithmetic(k: Any) -> Any:
    inputs = k.Input((6,))
    return k.Model(inputs, k.layers.Dense(3)(inputs) * 2.0)


def nested(k: Any) -> Any:
    inputs = k.Input((6,))
    return k.Model(inputs, k.Sequential([k.Input((6,)), k.layers.Dense(3)], name="inner")(inputs))


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda k: sequence(k, k.layers.RMSNormalization(name="odd"), shape=(6,)), r"odd \(RMSNormalization\)"),
        (nested, "inner"),
        (arithmetic, "multiply|Multiply"),
        (lambda k: sequence(k, k.layers.Activation("hard_silu", name="odd")), "odd|hard_si"),
    ],
    ids=["unknown layer", "nested model", "arithmetic", "unknown activation"],
)
def test_what_cannot_be_carried_is_named_with_the_remedy(
    make: Callable[[Any], Any], named: str, tmp_path: Path
) -> None:
    import keras

    from pipeline.models.load import load_file

    make(keras).save(tmp_path / "three.keras")
    with pytest.raises(InputError, match=named) as caught:
        load_file(tmp_path / "three.keras")
    assert "model.function=module:function" in str(caught.value)


def test_all_unknown_layers_are_named() -> None:
    import keras

    from pipeline.models.from_keras3 import carry

    odd = [keras.layers.RMSNormalization(name=f"odd_{number}") for number in range(3)]
    with pytest.raises(InputError, match=r"odd_0 .*odd_1 .*odd_2 "):
        carry(sequence(keras, *odd, shape=(6,)))


def test_a_subclassed_model_is_told_what_to_do() -> None:
    import keras

    from pipeline.models.from_keras3 import carry

    class Mine(keras.Model):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(InputError, match=r"subclassed.*model\.function"):
        carry(Mine())
