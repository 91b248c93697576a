"""Seven small models of kinds that are no image classifier, and seeded data that they can learn in seconds.

`benchmarks/every_task/run.py` names these functions in recipes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Splits = dict[str, tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]
SIZES = {"train": 800, "calibration": 120, "validation": 120, "test": 200}


def _split(inputs: dict[str, np.ndarray], targets: dict[str, np.ndarray]) -> Splits:
    """The four splits, one after the other."""
    splits, start = {}, 0
    for name, size in SIZES.items():
        part = slice(start, start + size)
        splits[name] = ({key: x[part] for key, x in inputs.items()}, {key: y[part] for key, y in targets.items()})
        start += size
    return splits


def _digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    return (digits.images[order, :, :, None] / 16).astype(np.float32), digits.target[order].astype(np.int64)


def two_inputs_data() -> Splits:
    """The left and the right half of a digit, float32 [8, 4, 1] each, and its class."""
    images, labels = _digits()
    return _split({"left": images[:, :, :4], "right": images[:, :, 4:]}, {"digit": labels})


def two_inputs() -> Any:
    from tf_keras import Model, layers

    halves = [layers.Input((8, 4, 1), name=name) for name in ("left", "right")]
    features = []
    for half in halves:
        x = layers.Conv2D(12, 3, padding="same", activation="relu")(half)
        features.append(layers.Flatten()(layers.Conv2D(12, 3, strides=2, padding="same", activation="relu")(x)))
    x = layers.Dense(32, activation="relu")(layers.Concatenate()(features))
    return Model(halves, layers.Dense(10, activation="softmax", name="digit")(x), name="two_inputs")


def two_outputs_data() -> Splits:
    """A digit, float32 [8, 8, 1]; its class and how much ink it has."""
    images, labels = _digits()
    ink = images.mean(axis=(1, 2, 3), keepdims=False)[:, None]
    return _split({"image": images}, {"digit": labels, "ink": ((ink - ink.mean()) / ink.std()).astype(np.float32)})


def two_outputs() -> Any:
    from tf_keras import Model, layers

    image = layers.Input((8, 8, 1), name="image")
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(image)
    x = layers.Flatten()(layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(x))
    digit = layers.Dense(10, activation="softmax", name="digit")(layers.Dense(32, activation="relu")(x))
    ink = layers.Dense(1, name="ink")(layers.Dense(16, activation="relu")(x))
    return Model(image, [digit, ink], name="two_outputs")


def autoencoder_data() -> Splits:
    """640 numbers that follow from 8, as five frames of a spectrum do from a machine's state."""
    rng = np.random.default_rng(1)
    state, mixing = rng.normal(size=(sum(SIZES.values()), 8)), rng.normal(size=(8, 640)) / 3
    x = (np.tanh(state @ mixing) + rng.normal(0, 0.05, (len(state), 640))).astype(np.float32)
    return _split({"frames": x}, {})


def autoencoder() -> Any:
    from tf_keras import Model, layers

    frames = layers.Input((640,), name="frames")
    x = frames
    for units in (128, 128, 16, 128, 128):
        x = layers.Dense(units, activation="relu")(x)
    return Model(frames, layers.Dense(640, name="rebuilt")(x), name="autoencoder")


def keyword_data() -> Splits:
    """50 frames of 20 bands; a keyword is a band that rises, falls, stays, or comes twice."""
    rng = np.random.default_rng(2)
    count = sum(SIZES.values())
    labels = rng.integers(0, 4, count)
    x = rng.normal(0, 0.5, (count, 50, 20)).astype(np.float32)
    for example, label in zip(x, labels, strict=True):
        start, band = rng.integers(0, 20), rng.integers(2, 12)
        for frame in range(30):
            moved = band + {0: frame // 5, 1: 5 - frame // 5, 2: 0, 3: 6 * (frame % 2)}[int(label)]
            example[start + frame, moved] += 2
    return _split({"frames": x}, {"keyword": labels})


def keyword() -> Any:
    from tf_keras import Model, layers

    frames = layers.Input((50, 20), name="frames")
    x = layers.Conv1D(24, 5, padding="same", activation="relu")(frames)
    x = layers.Conv1D(24, 5, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv1D(32, 3, padding="same", activation="relu")(x)
    x = layers.GlobalAveragePooling1D()(x)
    return Model(frames, layers.Dense(4, activation="softmax", name="keyword")(x), name="keyword")


def lstm_data() -> Splits:
    """12 steps of 6 values; the class is which value was largest first."""
    rng = np.random.default_rng(3)
    count = sum(SIZES.values())
    labels = rng.integers(0, 6, count)
    x = rng.normal(0, 0.3, (count, 12, 6)).astype(np.float32)
    x[np.arange(count), 1, labels] += 2
    return _split({"steps": x}, {"first": labels})


def lstm() -> Any:
    from tf_keras import Model, layers

    steps = layers.Input((12, 6), name="steps")
    x = layers.LSTM(16, unroll=True)(steps)
    return Model(steps, layers.Dense(6, activation="softmax", name="first")(x), name="lstm")


def tokens_data() -> Splits:
    """Sentences of 20 words out of 50, int32; three topics have words of their own."""
    rng = np.random.default_rng(4)
    count = sum(SIZES.values())
    labels = rng.integers(0, 3, count)
    words = rng.integers(0, 50, (count, 20))
    own = rng.random((count, 20)) < 0.3
    words = np.where(own, 1 + 5 * labels[:, None] + rng.integers(0, 5, (count, 20)), words)
    return _split({"words": words.astype(np.int32)}, {"topic": labels})


def tokens() -> Any:
    from tf_keras import Model, layers

    words = layers.Input((20,), dtype="int32", name="words")
    x = layers.Embedding(50, 16)(words)
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dense(16, activation="relu")(x)
    return Model(words, layers.Dense(3, activation="softmax", name="topic")(x), name="tokens")


def denoising_data() -> Splits:
    """24x24 patches of scikit-learn's two photos, with noise; and without it."""
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(5)
    photos = [photo.astype(np.float32).mean(axis=2) / 255 for photo in load_sample_images().images]
    clean = []
    for _ in range(sum(SIZES.values())):
        photo = photos[rng.integers(len(photos))]
        row, column = (rng.integers(0, side - 24) for side in photo.shape)
        clean.append(photo[row : row + 24, column : column + 24, None])
    y = np.stack(clean)
    return _split({"noisy": (y + rng.normal(0, 0.1, y.shape)).astype(np.float32)}, {"clean": y})


def denoising() -> Any:
    from tf_keras import Model, layers

    noisy = layers.Input((None, None, 1), name="noisy")
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(noisy)
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(x)
    return Model(noisy, layers.Conv2D(1, 3, padding="same", name="clean")(x), name="denoising")
