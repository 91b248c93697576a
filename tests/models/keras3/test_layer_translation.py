"""Layer by layer: the counterpart computes the same, takes the weights, and survives being saved by `tf_keras`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError

Make = Callable[[Any], Any]
IMAGE, SERIES, VECTOR = (6, 6, 4), (5, 4), (6,)


def carried(source: Any) -> Any:
    """The carried model, after random weights and a comparison on random input."""
    from pipeline.models.keras3.equivalence import TOLERANCE, compare
    from pipeline.models.keras3.replay import carry

    generator = np.random.default_rng(0)
    for weight in source.weights:
        if "float" in str(weight.dtype):
            weight.assign(generator.uniform(0.1, 0.5, weight.shape))
    found = carry(source)
    assert compare(source, found) <= TOLERANCE
    return found.model


def one(shape: tuple[int, ...], make: Make) -> Make:
    def build(k: Any) -> Any:
        inputs = k.Input(shape)
        return k.Model(inputs, make(k)(inputs))

    return build


LAYERS: dict[str, Make] = {
    # convolutions
    "Conv1D, causal": one(SERIES, lambda k: k.layers.Conv1D(3, 2, padding="causal", dilation_rate=2)),
    "Conv2D, groups": one(IMAGE, lambda k: k.layers.Conv2D(8, 3, groups=2, strides=2, padding="same")),
    "Conv2D, dilated": one(IMAGE, lambda k: k.layers.Conv2D(3, 2, dilation_rate=(2, 1))),
    "Conv3D": one((4, 4, 4, 2), lambda k: k.layers.Conv3D(3, 2)),
    "Conv1DTranspose": one(SERIES, lambda k: k.layers.Conv1DTranspose(3, 3, strides=2, padding="same")),
    "Conv2DTranspose": one(IMAGE, lambda k: k.layers.Conv2DTranspose(3, 3, strides=2, output_padding=1)),
    "DepthwiseConv1D": one(SERIES, lambda k: k.layers.DepthwiseConv1D(3, depth_multiplier=2)),
    "DepthwiseConv2D": one(IMAGE, lambda k: k.layers.DepthwiseConv2D(3, strides=2, use_bias=False)),
    "SeparableConv1D": one(SERIES, lambda k: k.layers.SeparableConv1D(3, 3)),
    "SeparableConv2D": one(IMAGE, lambda k: k.layers.SeparableConv2D(3, 3, depth_multiplier=2, activation="silu")),
    "Dense over a series": one(SERIES, lambda k: k.layers.Dense(3, use_bias=False)),
    "EinsumDense": one(SERIES, lambda k: k.layers.EinsumDense("abc,cd->abd", (None, 7), bias_axes="d")),
    # normalization
    "BatchNormalization": one(IMAGE, lambda k: k.layers.BatchNormalization(epsilon=0.01, center=False)),
    "BatchNormalization over another axis": one(IMAGE, lambda k: k.layers.BatchNormalization(axis=1)),
    "LayerNormalization": one(IMAGE, lambda k: k.layers.LayerNormalization(axis=[-1, -2], epsilon=1e-5)),
    "GroupNormalization": one(IMAGE, lambda k: k.layers.GroupNormalization(2, epsilon=1e-5)),
    "UnitNormalization": one(VECTOR, lambda k: k.layers.UnitNormalization()),
    "SpectralNormalization": one(IMAGE, lambda k: k.layers.SpectralNormalization(k.layers.Conv2D(3, 1))),
    # preprocessing
    "Rescaling by channel": one(IMAGE, lambda k: k.layers.Rescaling([0.1, 0.2, 0.3, 0.4], offset=-1)),
    "Normalization, given": one(IMAGE, lambda k: k.layers.Normalization(mean=[1, 2, 3, 4], variance=[1, 2, 4, 8])),
    "Normalization, one number": one(IMAGE, lambda k: k.layers.Normalization(axis=None, mean=3.0, variance=4.0)),
    "Normalization, over two axes": one(
        IMAGE, lambda k: k.layers.Normalization(axis=(1, 3), mean=np.ones((6, 4)), variance=np.full((6, 4), 2.0))
    ),
    "Resizing": one(IMAGE, lambda k: k.layers.Resizing(9, 5)),
    "CenterCrop": one(IMAGE, lambda k: k.layers.CenterCrop(4, 3)),
    "augmentation": lambda k: k.Sequential(
        [
            k.Input((*IMAGE[:2], 3)),
            k.layers.RandomFlip("horizontal"),
            k.layers.RandomRotation(0.1),
            k.layers.RandAugment(),
            k.layers.RandomErasing(),
            k.layers.Conv2D(2, 3),
        ]
    ),
    # shapes and pooling
    "UpSampling2D": one(IMAGE, lambda k: k.layers.UpSampling2D(2, interpolation="bilinear")),
    "Cropping2D": one(IMAGE, lambda k: k.layers.Cropping2D(((1, 0), (0, 2)))),
    "Permute": one(IMAGE, lambda k: k.layers.Permute((3, 1, 2))),
    "AveragePooling2D": one(IMAGE, lambda k: k.layers.AveragePooling2D(3, 1, padding="same")),
    "GlobalMaxPooling2D": one(IMAGE, lambda k: k.layers.GlobalMaxPooling2D(keepdims=True)),
    "RepeatVector": one(VECTOR, lambda k: k.layers.RepeatVector(3)),
    # series
    "LSTM": one(SERIES, lambda k: k.layers.LSTM(3, return_sequences=True, dropout=0.1)),
    "GRU": one(SERIES, lambda k: k.layers.GRU(3, go_backwards=True)),
    "GRU, reset before": one(SERIES, lambda k: k.layers.GRU(3, reset_after=False)),
    "SimpleRNN": one(SERIES, lambda k: k.layers.SimpleRNN(3, activation="relu")),
    "Bidirectional": one(SERIES, lambda k: k.layers.Bidirectional(k.layers.LSTM(3), merge_mode="sum")),
    "RNN of cells": one(SERIES, lambda k: k.layers.RNN([k.layers.LSTMCell(3), k.layers.GRUCell(2)])),
    "ConvLSTM2D": one((3, 5, 5, 2), lambda k: k.layers.ConvLSTM2D(2, 3)),
    "TimeDistributed": one((3, *IMAGE), lambda k: k.layers.TimeDistributed(k.layers.Conv2D(2, 3, activation="relu6"))),
    "TimeDistributed model": one(
        (3, *VECTOR),
        lambda k: k.layers.TimeDistributed(k.Sequential([k.Input(VECTOR), k.layers.Dense(2), k.layers.ReLU()])),
    ),
    "Embedding, masked": lambda k: k.Sequential(
        [k.Input((7,), dtype="int32"), k.layers.Embedding(9, 4, mask_zero=True), k.layers.LSTM(3)]
    ),
    # training only
    "Dropout and noise": lambda k: k.Sequential(
        [k.Input(IMAGE), k.layers.SpatialDropout2D(0.2), k.layers.GaussianNoise(0.3), k.layers.Dropout(0.1)]
    ),
    "regularized": one(
        IMAGE, lambda k: k.layers.Conv2D(4, 3, kernel_regularizer="l2", kernel_constraint=k.constraints.MaxNorm(2))
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_twin_computes_the_same_and_survives_saving(name: str, tmp_path: Path) -> None:
    import keras

    from pipeline.models.backend import tf
    from pipeline.models.keras3.equivalence import random_inputs
    from pipeline.models.load import load_file

    source = LAYERS[name](keras)
    model = carried(source)
    feed = random_inputs(source)[0]
    model.save(tmp_path / "two.keras")
    again = load_file(tmp_path / "two.keras")
    for ours, theirs in zip(tf.nest.flatten(again(feed)), tf.nest.flatten(model(feed)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def attention(k: Any, **how: Any) -> Any:
    query, value = k.Input((4, 8)), k.Input((5, 8))
    return k.Model([query, value], k.layers.MultiHeadAttention(2, 3)(query, value, **how))


@pytest.mark.parametrize("how", [{}, {"return_attention_scores": True}, {"use_causal_mask": True}], ids=str)
def test_attention_with_its_call_arguments(how: dict[str, Any]) -> None:
    import keras

    carried(attention(keras, **how))


def test_an_adapted_normalization_becomes_constants(tmp_path: Path) -> None:
    import keras

    from pipeline.models.load import load_file

    layer = keras.layers.Normalization()
    layer.adapt(np.random.default_rng(0).normal([1, 5, 9], [1, 2, 3], (100, 3)))
    keras.Sequential([keras.Input((3,)), layer]).save(tmp_path / "three.keras")
    model = load_file(tmp_path / "three.keras")
    np.testing.assert_allclose(np.ravel(model.layers[-1].mean), np.ravel(layer.mean), rtol=1e-6)
    assert not model.weights


def test_regularizers_are_carried() -> None:
    import keras

    inputs = keras.Input(VECTOR)
    x = keras.layers.Dense(2, kernel_regularizer=keras.regularizers.L1L2(0.1, 0.2), name="dense")(inputs)
    model = carried(keras.Model(inputs, x))
    assert model.get_layer("dense").kernel_regularizer.l2 == pytest.approx(0.2)


def test_what_was_frozen_stays_frozen() -> None:
    import keras

    inputs = keras.Input(VECTOR)
    layer = keras.layers.Dense(2, name="dense")
    layer.trainable = False
    model = carried(keras.Model(inputs, keras.layers.Dense(2)(layer(inputs))))
    assert not model.get_layer("dense").trainable
    assert len(model.trainable_weights) == 2


@pytest.mark.parametrize(
    ("make", "shape", "reason"),
    [
        (lambda k: k.layers.RMSNormalization(name="odd"), VECTOR, "no such layer"),
        (lambda k: k.layers.LayerNormalization(rms_scaling=True, name="odd"), VECTOR, "its weights have the shapes"),
        (lambda k: k.layers.Resizing(4, 4, pad_to_aspect_ratio=True, name="odd"), IMAGE, "pad_to_aspect_ratio"),
        (lambda k: k.layers.MaxPooling2D(2, data_format="channels_first", name="odd"), IMAGE, "channels_first"),
        (lambda k: k.layers.LSTM(3, recurrent_activation="hard_sigmoid", name="odd"), SERIES, "hard_sigmoid"),
        (lambda k: k.layers.Dense(3, activation=lambda x: x * 2, name="odd"), VECTOR, "activation '<lambda>'"),
        (lambda k: k.layers.AdaptiveAveragePooling2D(2, name="odd"), IMAGE, "no such layer"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_keras_2_cannot_hold_is_named_with_the_reason(make: Make, shape: tuple[int, ...], reason: str) -> None:
    import keras

    from pipeline.models.keras3.replay import carry

    with pytest.raises(InputError, match=r"odd \(") as caught:
        carry(one(shape, make)(keras))
    assert reason in str(caught.value)
    assert "module:function" in str(caught.value)
