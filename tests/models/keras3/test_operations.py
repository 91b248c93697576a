"""Operations in a functional graph: arithmetic, keras.ops and slicing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from tests.models.keras3.test_layer_translation import carried

IMAGES: dict[str, Callable[[Any, Any], Any]] = {
    "a constant on either side": lambda o, x: 1.0 - x * np.float32(2) + np.arange(4, dtype=np.float32),
    "two tensors": lambda o, x: (x + o.exp(-x)) * o.sigmoid(x) - o.maximum(x, o.minimum(x, 0.5)),
    "broadcast": lambda o, x: x * o.mean(x, axis=(1, 2), keepdims=True),
    "a tensor with itself": lambda o, x: x * x + x,
    "divide": lambda o, x: x / (o.abs(x) + 1.0),
    "mean over the sides": lambda o, x: o.mean(x, axis=(1, 2)),
    "mean over negative axes": lambda o, x: o.mean(x, axis=[-2, -3], keepdims=True),
    "mean over the channels": lambda o, x: o.mean(x, axis=-1),
    "max over the sides": lambda o, x: o.max(x, axis=(1, 2)),
    "statistics": lambda o, x: (x - o.mean(x, -1, keepdims=True)) * o.rsqrt(o.var(x, -1, keepdims=True) + 1e-3),
    "sum, standard deviation": lambda o, x: o.sum(x, 1) + o.std(x, 1),
    "relu6, clip": lambda o, x: o.relu6(x) + o.clip(x, 0, 6) + o.clip(x, -1, 2.5),
    "hard activations": lambda o, x: o.hard_silu(x) + o.hard_sigmoid(x) + o.silu(x),
    "gelu of both kinds": lambda o, x: o.gelu(x, approximate=True) + o.gelu(x, approximate=False),
    "more activations": lambda o, x: o.leaky_relu(x, 0.1) + o.elu(x, 0.5) + o.celu(x, 2.0) + o.softplus(x),
    "softmax over an axis": lambda o, x: o.softmax(x, axis=1) + o.log_softmax(x, axis=2),
    "reshape": lambda o, x: o.reshape(x, (-1, 36, 4)),
    "reshape that moves the batch": lambda o, x: o.reshape(o.reshape(x, (-1, 4)), (-1, 6, 6, 4)),
    "flatten": lambda o, x: o.reshape(x, (-1, 6 * 6 * 4)),
    "transpose": lambda o, x: o.transpose(o.swapaxes(o.moveaxis(x, -1, 1), 2, 3), (0, 2, 3, 1)),
    "slices": lambda o, x: x[:, 1:-1, ::2, :3],
    "an index": lambda o, x: x[:, 0] + x[..., 1, :],
    "split and concatenate": lambda o, x: o.concatenate(o.split(x, 2, axis=-1)[::-1], axis=-1),
    "split at places": lambda o, x: o.split(x, [1, 4], axis=1)[1],
    "stack and unstack": lambda o, x: o.stack(o.unstack(x, axis=3)[:2], axis=1),
    "squeeze and expand": lambda o, x: o.squeeze(o.expand_dims(x, (1, -1)), -1),
    "pad": lambda o, x: o.pad(x, ((0, 0), (1, 2), (0, 1), (0, 0))),
    "pad by reflection": lambda o, x: o.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect"),
    "resize": lambda o, x: o.image.resize(x, (9, 4), interpolation="nearest"),
    "pooling": lambda o, x: o.max_pool(x, 2) + o.average_pool(x, 2, strides=2),
    "tile, repeat, flip": lambda o, x: o.flip(o.repeat(o.tile(x, (1, 2, 1, 1)), 2, axis=2), axis=1),
    "take": lambda o, x: o.take(x, np.array([2, 0]), axis=3),
    "where": lambda o, x: o.where(x > 0, x, 0.1 * x),
    "cast of a comparison": lambda o, x: o.cast(x >= 0.2, "float32") * x,
    "matmul": lambda o, x: o.matmul(x, o.transpose(x, (0, 1, 3, 2))),
    "argmax, one_hot": lambda o, x: o.one_hot(o.argmax(x, axis=-1), 4),
    "normalize": lambda o, x: o.normalize(x, axis=-1),
    "depth to space": lambda o, x: o.space_to_depth(o.depth_to_space(x, 2), 2),
}


@pytest.mark.parametrize("name", IMAGES)
def test_it_computes_the_same_and_survives_saving(name: str, tmp_path: Path) -> None:
    import keras

    from pipeline.models.keras3.equivalence import random_inputs
    from pipeline.models.load import load_file

    inputs = keras.Input((6, 6, 4))
    source = keras.Model(inputs, IMAGES[name](keras.ops, keras.layers.Conv2D(4, 1)(inputs)))
    model = carried(source)
    model.save(tmp_path / "two.keras")
    feed = random_inputs(source)[0]
    np.testing.assert_allclose(load_file(tmp_path / "two.keras")(feed), model(feed), rtol=1e-6)


def kinds(make: Callable[[Any, Any], Any]) -> list[str]:
    import keras

    inputs = keras.Input((6, 6, 4))
    model = carried(keras.Model(inputs, make(keras.ops, keras.layers.Conv2D(4, 1)(inputs))))
    return [type(layer).__name__ for layer in model.layers[2:]]


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (lambda o, x: o.relu(x), ["Activation"]),
        (lambda o, x: o.relu6(x), ["ReLU"]),
        (lambda o, x: o.mean(x, axis=(1, 2)), ["GlobalAveragePooling2D"]),
        (lambda o, x: o.reshape(x, (-1, 36, 4)), ["Reshape"]),
        (lambda o, x: o.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), ["ZeroPadding2D"]),
        (lambda o, x: o.transpose(x, (0, 3, 1, 2)), ["Permute"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_a_layer_computes_becomes_that_layer(make: Callable[[Any, Any], Any], wanted: list[str]) -> None:
    assert kinds(make) == wanted


def test_every_operation_without_a_counterpart_is_named() -> None:
    import keras

    from pipeline.models.keras3.replay import carry

    inputs = keras.Input((6,))
    x = keras.ops.einsum("bc,bd->bcd", inputs, keras.ops.sinc(inputs))
    x = keras.layers.Dense(3)(keras.ops.sort(x))
    x = keras.layers.RMSNormalization(name="odd")(x)
    with pytest.raises(InputError, match=r"sinc.*einsum.*sort.*odd \(RMSNormalization\)"):
        carry(keras.Model(inputs, x))
