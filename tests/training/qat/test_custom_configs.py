"""The user's own layers and QuantizeConfigs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError

MINE = """
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras

def model():
    x = tf_keras.Input((8, 8, 1))
    y = Half(name="half")(tf_keras.layers.Conv2D(4, 3, activation=bent)(x))
    return tf_keras.Model(x, tf_keras.layers.Dense(10, activation="softmax")(tf_keras.layers.Flatten()(y)))

def bent(x):
    return tf.maximum(x, 0.1 * x)

class Half(tf_keras.layers.Layer):
    def build(self, shape):
        self.factor = self.add_weight("factor", shape=(), initializer="ones")
    def call(self, x):
        return x * self.factor * 0.5

class HalfConfig(tfmot.quantization.keras.QuantizeConfig):
    def get_weights_and_quantizers(self, layer): return []
    def get_activations_and_quantizers(self, layer): return []
    def set_quantize_weights(self, layer, weights): pass
    def set_quantize_activations(self, layer, activations): pass
    def get_output_quantizers(self, layer):
        return [tfmot.quantization.keras.quantizers.MovingAverageQuantizer(8, False, False, False)]
    def get_config(self): return {}
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    import importlib

    (tmp_path / "my_layers.py").write_text(MINE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return importlib.import_module("my_layers")


def model(mine: Any) -> Any:
    from pipeline.models.backend import tf_keras

    x = tf_keras.Input((4,))
    return tf_keras.Model(x, tf_keras.layers.Dense(3)(mine.Half(name="half")(tf_keras.layers.Dense(4)(x))))


@pytest.mark.parametrize("key", ["half", "Half"])
def test_a_config_of_the_users_by_name_or_class(mine: Any, key: str, tmp_path: Path) -> None:
    from pipeline.models.load import load_file
    from pipeline.training.qat import custom_configs
    from pipeline.training.qat.apply import quantize_aware

    aware = quantize_aware(model(mine), custom_configs.load({key: "my_layers:HalfConfig"}))
    wrapper = aware.get_layer("quant_half")
    assert type(wrapper.quantize_config).__name__ == "HalfConfig"
    x = np.ones((2, 4), np.float32)
    aware(x, training=True)
    from pipeline.models.backend import tf_keras

    with tf_keras.utils.custom_object_scope({"Half": mine.Half}):
        aware.save(tmp_path / "qat.h5")
        np.testing.assert_array_equal(load_file(tmp_path / "qat.h5", trusted=True)(x), aware(x))


def test_without_a_config_its_output_is_rounded(mine: Any) -> None:
    from pipeline.training.qat.apply import quantize_aware
    from pipeline.training.qat.range_variables import ranges

    assert "quant_half" in ranges(quantize_aware(model(mine)))


@pytest.mark.parametrize(
    ("configs", "says"),
    [
        ({"Half": "my_layers"}, "module:Class"),
        ({"Half": "my_layers:Nothing"}, "AttributeError"),
        ({"Half": "my_layers:Half"}, "not a tfmot.quantization.keras.QuantizeConfig"),
    ],
)
def test_what_is_no_config_is_refused(mine: Any, configs: dict[str, str], says: str) -> None:
    from pipeline.training.qat import custom_configs

    with pytest.raises(InputError, match=says):
        custom_configs.load(configs)


def test_a_key_that_fits_no_layer_is_refused(mine: Any) -> None:
    from pipeline.training.qat import custom_configs
    from pipeline.training.qat.apply import quantize_aware

    with pytest.raises(InputError, match="'Hlaf'"):
        quantize_aware(model(mine), custom_configs.load({"Hlaf": "my_layers:HalfConfig"}))


def test_a_recipe_with_a_layer_and_a_config_of_the_users_goes_all_the_way(mine: Any, tmp_path: Path) -> None:
    from pipeline import recipe
    from pipeline.models.custom_objects import references
    from pipeline.tflite.inspect import inspect
    from pipeline.workflow import stages
    from pipeline.workflow.run_folder import Run
    from tests.conftest import TINY

    wanted = {
        **TINY,
        "model": {"function": "my_layers:model"},
        "qat": {"epochs": 1, "configs": {"Half": "my_layers:HalfConfig"}},
    }
    run = Run(tmp_path / "small")
    stages.run_recipe(stages.RunContext(recipe.parse(wanted), run))
    assert inspect(run.path("int8.tflite")).verdict.text == "full int8, per-channel"
    assert references(run.path("float.keras")) == ["my_layers:Half", "my_layers:bent"]
    assert references(run.path("qat.h5")) == ["my_layers:Half"]  # what the function computes is layers there
