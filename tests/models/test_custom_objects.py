"""A saved model with layers of the user's loads again, or says which module is missing."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError

MODULE = """
import tf_keras

def bend(x):
    return x * 0.5

class Twice(tf_keras.layers.Layer):
    def call(self, x):
        return x * 2.0
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "mine_to_load.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mine_to_load", raising=False)
    return importlib.import_module("mine_to_load")


@pytest.fixture
def saved(mine: Any, tmp_path: Path) -> Path:
    from pipeline.models import custom_objects
    from pipeline.models.backend import tf_keras

    inputs = tf_keras.Input((4,))
    model = tf_keras.Model(inputs, tf_keras.layers.Dense(2, activation=mine.bend)(mine.Twice()(inputs)))
    model.save(tmp_path / "model.keras")
    custom_objects.remember(model, tmp_path / "model.keras")
    return tmp_path / "model.keras"


def test_it_names_layers_and_functions_that_are_not_kerass(saved: Path) -> None:
    from pipeline.models.custom_objects import references

    assert references(saved) == ["mine_to_load:Twice", "mine_to_load:bend"]


def test_it_loads_and_answers(saved: Path) -> None:
    from pipeline.models.load import load_file

    assert load_file(saved, trusted=True)(np.ones((1, 4), np.float32)).shape == (1, 2)


def test_an_h5_file_carries_the_names(mine: Any, tmp_path: Path) -> None:
    from pipeline.models import custom_objects
    from pipeline.models.backend import tf_keras
    from pipeline.models.load import load_file

    inputs, target = tf_keras.Input((4,)), tmp_path / "model.h5"
    model = tf_keras.Model(inputs, mine.Twice()(inputs))
    model.save(target)
    with pytest.raises(InputError, match=r"model\.function=module:function"):
        load_file(target, trusted=True)
    custom_objects.remember(model, target)
    assert load_file(target, trusted=True)(np.ones((1, 4), np.float32)).shape == (1, 4)


def test_a_layer_in_a_file_that_keras_wrote_is_found_too(mine: Any, tmp_path: Path) -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.models.load import load_file

    inputs = tf_keras.Input((4,))
    tf_keras.Model(inputs, mine.Twice()(inputs)).save(tmp_path / "plain.keras")
    np.testing.assert_array_equal(
        load_file(tmp_path / "plain.keras", trusted=True)(np.ones((1, 4), np.float32)), np.full((1, 4), 2)
    )


def test_a_model_of_keras_alone_names_nothing(tmp_path: Path) -> None:
    from pipeline.models import custom_objects
    from tests.tiny_keras import model

    made = model()
    made.save(tmp_path / "model.keras")
    custom_objects.remember(made, tmp_path / "model.keras")
    assert custom_objects.references(tmp_path / "model.keras") == []


def test_a_module_that_is_not_there_is_named(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.models.load import load_file

    (saved.parent / "mine_to_load.py").unlink()
    monkeypatch.delitem(sys.modules, "mine_to_load")
    importlib.invalidate_caches()
    with pytest.raises(InputError, match=r"'Twice' from the module 'mine_to_load'.*PYTHONPATH"):
        load_file(saved, trusted=True)
