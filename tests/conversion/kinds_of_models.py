"""Small models of many kinds, of Keras 2 or 3 (`k`); import it inside a test or fixture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def two_inputs(k: Any) -> Any:
    left, right = k.Input((8, 4, 1), name="left"), k.Input((5,), name="right")
    x = k.layers.Conv2D(4, 3, padding="same", activation="relu")(left)
    x = k.layers.Concatenate()([k.layers.Flatten()(x), k.layers.Dense(3)(right)])
    return k.Model([left, right], k.layers.Dense(4, activation="softmax", name="answer")(x))


def two_outputs(k: Any) -> Any:
    inputs = k.Input((8, 8, 3), name="image")
    x = k.layers.Conv2D(4, 3, activation="relu")(inputs)
    x = k.layers.GlobalAveragePooling2D()(x)
    ends = [k.layers.Dense(3, activation="softmax", name="kind")(x), k.layers.Dense(1, name="age")(x)]
    return k.Model(inputs, ends)


def autoencoder(k: Any) -> Any:
    inputs = x = k.Input((640,), name="frames")
    for units in (32, 8, 32):
        x = k.layers.ReLU()(k.layers.BatchNormalization()(k.layers.Dense(units, use_bias=False)(x)))
    return k.Model(inputs, k.layers.Dense(640, name="rebuilt")(x))


def conv1d(k: Any) -> Any:
    inputs = k.Input((49, 10), name="mfcc")
    x = k.layers.Conv1D(8, 5, strides=2, padding="same", activation="relu")(inputs)
    x = k.layers.GlobalAveragePooling1D()(k.layers.Conv1D(8, 3, dilation_rate=2, activation="relu")(x))
    return k.Model(inputs, k.layers.Dense(6, activation="softmax", name="keyword")(x))


def unrolled_lstm(k: Any) -> Any:
    inputs = k.Input((6, 3), name="steps")
    return k.Model(inputs, k.layers.Dense(2, name="next")(k.layers.LSTM(4, unroll=True)(inputs)))


def tokens(k: Any) -> Any:
    inputs = k.Input((7,), dtype="int32", name="tokens")
    x = k.layers.GlobalAveragePooling1D()(k.layers.Embedding(11, 4)(inputs))
    return k.Model(inputs, k.layers.Dense(1, activation="sigmoid", name="positive")(x))


def fully_convolutional(k: Any) -> Any:
    inputs = k.Input((None, None, 1), name="image")
    x = k.layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    return k.Model(inputs, k.layers.Conv2D(1, 3, padding="same", name="denoised")(x))


def any_length(k: Any) -> Any:
    inputs = k.Input((None, 9), name="steps")
    x = k.layers.Conv1D(8, 3, padding="same", activation="relu")(inputs)
    return k.Model(inputs, k.layers.Dense(6, activation="softmax", name="kind")(k.layers.GlobalAveragePooling1D()(x)))


def detection_head(k: Any) -> Any:
    """Shapes that are computed where the batch is open."""
    inputs = k.Input((16, 16, 3), name="image")
    a = k.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(inputs)
    b = k.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(a)
    boxes, scores = (
        k.layers.Concatenate(1, name=name)([k.layers.Reshape((-1, size))(k.layers.Conv2D(size, 1)(x)) for x in (a, b)])
        for name, size in (("boxes", 4), ("scores", 3))
    )
    return k.Model(inputs, [boxes, scores])


def flags(k: Any) -> Any:
    """A boolean, a byte, a half and a float."""
    specs = {"mask": "bool", "image": "uint8", "half": "float16", "full": "float32"}
    inputs = {name: k.Input((3,), dtype=dtype, name=name) for name, dtype in specs.items()}
    cast = [k.layers.Rescaling(2.0)(value) for value in inputs.values()]
    return k.Model(inputs, {"sum": k.layers.Add()(cast), "largest": k.layers.Maximum()(cast)})


def upsampling(k: Any) -> Any:
    """A transposed convolution computes its output's shape."""
    inputs = k.Input((None, None, 2), name="image")
    return k.Model(inputs, k.layers.Conv2DTranspose(3, 3, strides=2, padding="same", name="large")(inputs))


KINDS: dict[str, Callable[[Any], Any]] = {
    make.__name__: make
    for make in (
        two_inputs, two_outputs, autoencoder, conv1d, unrolled_lstm, tokens, fully_convolutional, any_length,
        detection_head, upsampling, flags,
    )
}  # fmt: skip
