"""What the tests share: a tiny model as a flatbuffer and a finished run, each made once a worker."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline import recipe
from pipeline.workflow import stages
from pipeline.workflow.run_folder import Run

TINY = {
    "name": "small",
    "model": {"function": "tests.tiny_keras:model"},
    "data": {"source": "digits", "preprocess": {"scale": "0..1"}, "calibration": 20, "limit": 60},
    "train": {"epochs": 1, "learning_rate": 0.01},
    "qat": {"epochs": 1},
    "benchmark": {"runs": 3, "warmup": 1},
}
"""A recipe whose run takes seconds."""


@pytest.fixture(scope="session")
def tiny_flatbuffer() -> bytes:
    """tests.tiny_keras.model, as it is converted."""
    from pipeline.conversion.convert import to_flatbuffer
    from tests.tiny_keras import model

    return to_flatbuffer(model())


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    """float32 [21, 8, 8, 1] between 0 and 1."""
    return np.random.default_rng(0).uniform(0, 1, (21, 8, 8, 1)).astype(np.float32)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made_once") / "small"
    stages.run_recipe(stages.RunContext(recipe.parse(TINY), Run(folder)))
    return folder


@pytest.fixture
def small_run(made_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A finished run of TINY, a test's own copy, the only one under PIPELINE_RUNS."""
    monkeypatch.setenv("PIPELINE_RUNS", str(tmp_path / "runs"))
    return Run(Path(shutil.copytree(made_once, tmp_path / "runs" / "small")))


@pytest.fixture(scope="session")
def plain_qat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model that plain tfmot trained, as `qat.keras`, `qat.h5` and the SavedModel `qat`.

    `data.npz` beside them holds `x` and the answers that the trained model gives to it, `y`.
    """
    import tensorflow_model_optimization as tfmot

    from pipeline.models.backend import tf_keras

    folder = tmp_path_factory.mktemp("plain_qat")
    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(0)
    inputs = tf_keras.Input((8, 8, 1))
    x = layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same")(inputs))
    y = layers.Conv2D(8, 3, padding="same")(layers.ReLU()(x))
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(layers.Add()([x, y])))
    model = tf_keras.Model(inputs, layers.Dense(4, activation="softmax")(x))
    aware = tfmot.quantization.keras.quantize_model(model)
    aware.compile("adam", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    examples = rng.uniform(0, 1, (64, 8, 8, 1)).astype(np.float32)
    aware.fit(examples, rng.integers(0, 4, 64), epochs=2, verbose=0)
    aware.save(folder / "qat.h5")
    aware.save(folder / "qat.keras")
    aware.save(folder / "qat", save_format="tf")
    np.savez(folder / "data.npz", x=examples, y=aware.predict(examples, verbose=0))
    return folder
