"""One tiny Keras CNN in every .tflite format, built once per test session and shared by all workers."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CLASSES = 5
INPUT_SHAPE = (8, 8, 1)


@pytest.fixture(scope="session")
def variants(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder with one `.tflite` per format: float32, int8, int8_per_tensor, int8_float_io, int8_uint8_io,
    mixed (SOFTMAX in float), int16x8, dynamic, weight_only and float16.

    Convolution, batch norm, ReLU6, depthwise, pointwise, dense, softmax; input 8x8x1, 5 classes."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "tflite_variants"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            _build(folder)
            (folder / "done").touch()
    return folder


@pytest.fixture
def variant(variants: Path) -> Callable[[str], Path]:
    """The path of one format of the model."""
    return lambda name: variants / f"{name}.tflite"


def _build(folder: Path) -> None:
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # before TensorFlow's import
    import tensorflow as tf
    import tf_keras as keras
    from ai_edge_litert._pywrap_modify_model_interface import modify_model_interface
    from ai_edge_litert.schema_py_generated import TensorType
    from ai_edge_quantizer import recipe

    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input(INPUT_SHAPE, name="image"),
            layers.Conv2D(8, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(6.0),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.Conv2D(160, 1, activation="relu"),  # over 1024 weights: dynamic range skips smaller ones
            layers.GlobalAveragePooling2D(),
            layers.Dense(CLASSES),
            layers.Softmax(),
        ]
    )
    examples = [np.random.default_rng(i).uniform(-1, 1, (1, *INPUT_SHAPE)).astype("float32") for i in range(8)]

    saved = str(folder / "saved_model")
    tf.saved_model.save(model, saved)  # once: it takes most of a conversion's time

    def convert(**settings: Any) -> bytes:
        converter = tf.lite.TFLiteConverter.from_saved_model(saved)
        for key, value in settings.items():
            setattr(converter, key, value)
        return bytes(converter.convert())

    optimize = [tf.lite.Optimize.DEFAULT]
    exact = convert()
    float_softmax = {"regex": ".*", "operation": "SOFTMAX", "algorithm_key": "no_quantize"}
    built = {
        "float32": exact,
        "int8_float_io": convert(
            optimizations=optimize, representative_dataset=lambda: ([example] for example in examples)
        ),
        "int8": _quantize(exact, recipe.static_wi8_ai8(), examples),
        "mixed": _quantize(exact, [*recipe.static_wi8_ai8(), float_softmax], examples),
        "int8_per_tensor": _quantize(exact, _per_tensor(recipe.static_wi8_ai8()), examples),
        "int16x8": _quantize(exact, recipe.static_wi8_ai16(), examples),
        "dynamic": _quantize(exact, recipe.dynamic_wi8_afp32(), []),
        "weight_only": _quantize(exact, recipe.weight_only_wi8_afp32(), []),
        "float16": convert(optimizations=optimize, target_spec=_float16(tf)),
    }
    for name, data in built.items():
        (folder / f"{name}.tflite").write_bytes(data)
    modify_model_interface(
        str(folder / "int8_float_io.tflite"),
        str(folder / "int8_uint8_io.tflite"),
        TensorType.UINT8,
        TensorType.UINT8,
    )


def _quantize(exact: bytes, recipe: list[dict[str, Any]], examples: list[Any]) -> bytes:
    from ai_edge_quantizer import quantizer

    maker = quantizer.Quantizer(bytearray(exact))
    maker.load_quantization_recipe(recipe)
    ranges = maker.calibrate({"serving_default": [{"image": e} for e in examples]}) if examples else None
    return bytes(maker.quantize(ranges).quantized_model)


def _per_tensor(recipe: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for entry in recipe:
        entry["op_config"]["weight_tensor_config"]["granularity"] = "TENSORWISE"
    return recipe


def _float16(tf: Any) -> Any:
    target = tf.lite.TargetSpec()
    target.supported_types = [tf.float16]
    return target
