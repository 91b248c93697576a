"""Small networks for tasks that `tf_keras.applications` has none for; recipes name them as `model.function`.

Imports TensorFlow.
"""

from __future__ import annotations

from typing import Any

from pipeline.models.backend import tf_keras

layers = tf_keras.layers


def ds_cnn(frames: int = 49, bands: int = 40, keywords: int = 10, filters: int = 64) -> Any:
    """A keyword spotter of depthwise separable convolutions.

    Y. Zhang et al., Hello Edge: Keyword Spotting on Microcontrollers, 2017, https://arxiv.org/abs/1711.07128 (DS-CNN
    S), as MLPerf Tiny takes it.

    Args:
        frames: Steps in time.
        bands: Mel bands, or MFCCs, of each.
        keywords: Classes.
        filters: Channels of every convolution.

    Returns:
        float32 [batch, frames, bands, 1] → probabilities [batch, keywords].
    """
    spectrogram = layers.Input((frames, bands, 1), name="spectrogram")
    x = _normalized(layers.Conv2D(filters, (10, 4), strides=2, padding="same", use_bias=False)(spectrogram))
    x = layers.Dropout(0.2)(x)
    for _ in range(4):
        x = _normalized(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x))
        x = _normalized(layers.Conv2D(filters, 1, use_bias=False)(x))
    x = layers.Dropout(0.4)(layers.GlobalAveragePooling2D()(x))
    outputs = layers.Dense(keywords, activation="softmax", name="keyword")(x)
    return tf_keras.Model(spectrogram, outputs, name="ds_cnn")


def dense_autoencoder(frames: int = 16, bands: int = 40, units: int = 128, bottleneck: int = 8) -> Any:
    """MLPerf Tiny's anomaly detector of Dense layers: what it cannot rebuild is not what it was trained on.

    C. Banbury et al., MLPerf Tiny Benchmark, 2021, https://arxiv.org/abs/2106.07597.

    Returns:
        float32 [batch, frames, bands] → [batch, frames, bands].
    """
    spectrogram = layers.Input((frames, bands), name="spectrogram")
    x = layers.Flatten()(spectrogram)
    for width in (units, units, bottleneck, units, units):
        x = _normalized(layers.Dense(width, use_bias=False)(x))
    rebuilt = layers.Reshape((frames, bands), name="rebuilt")(layers.Dense(frames * bands)(x))
    return tf_keras.Model(spectrogram, rebuilt, name="dense_autoencoder")


def mlp(columns: int = 10, hidden: tuple[int, ...] = (32, 16), outputs: int = 1) -> Any:
    """A multi-layer perceptron for a table: float32 [batch, columns] → [batch, outputs], linear."""
    table = layers.Input((columns,), name="columns")
    x = table
    for units in hidden:
        x = layers.Dense(units, activation="relu")(x)
    return tf_keras.Model(table, layers.Dense(outputs, name="value")(x), name="mlp")


def two_branches(left: tuple[int, int] = (8, 4), right: tuple[int, int] = (8, 4), classes: int = 10) -> Any:
    """Two images, one answer: float32 `left`, `right` [batch, height, width, 1] → probabilities [batch, classes]."""
    inputs, features = [], []
    for name, (height, width) in (("left", left), ("right", right)):
        image = layers.Input((height, width, 1), name=name)
        x = layers.Conv2D(16, 3, padding="same", activation="relu")(image)
        x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(x)
        inputs.append(image)
        features.append(layers.Flatten()(x))
    x = layers.Dense(32, activation="relu")(layers.Concatenate()(features))
    return tf_keras.Model(inputs, layers.Dense(classes, activation="softmax", name="answer")(x), name="two_branches")


def _normalized(x: Any) -> Any:
    return layers.ReLU()(layers.BatchNormalization()(x))
