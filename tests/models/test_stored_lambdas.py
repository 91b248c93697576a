"""Python code in a model file that another Python version wrote is named before anything runs it."""

from __future__ import annotations

import base64
import json
import marshal
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any

import h5py
import pytest

from pipeline.errors import InputError

HERE: CodeType = (lambda x: x * 0.5).__code__


def cut_short() -> bytes:
    return b"\xe3\x01\x00\x00\x00"


def of_python_3_8() -> bytes:
    """A code object with the field that 3.11 left out: the number of local variables."""
    whole = marshal.dumps(HERE)
    return whole[:13] + b"\x01\x00\x00\x00" + whole[13:]


def with_an_unknown_instruction() -> bytes:
    code = bytearray(HERE.co_code)
    code[-2] = 255
    return marshal.dumps(HERE.replace(co_code=bytes(code)))


def with_other_places_between() -> bytes:
    """As where an instruction leaves fewer unused bytes behind it."""
    code = HERE.co_code
    return marshal.dumps(HERE.replace(co_code=code[:-6] + b"\x53\x00" + code[-4:]))


def no_code() -> bytes:
    return marshal.dumps([1, 2])


FOREIGN: list[Callable[[], bytes]] = [
    *(cut_short, of_python_3_8, with_an_unknown_instruction, with_other_places_between, no_code)
]


def save(path: Path, code: bytes | None, *, old: bool = False) -> None:
    """A model with a Lambda 'half', its code replaced by another."""
    from pipeline.models.backend import tf_keras

    layers = tf_keras.layers
    model = tf_keras.Sequential([tf_keras.Input((3,)), layers.Dense(2), layers.Lambda(lambda x: x * 0.5, name="half")])
    model.save(path)
    if code is None:
        return
    stored = base64.b64encode(code).decode()
    function: Any = {"class_name": "__lambda__", "config": {"code": stored, "defaults": None, "closure": None}}
    with h5py.File(path, "a") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][-1]["config"]["function"] = [stored, None, None] if old else function
        file.attrs["model_config"] = json.dumps(config)


@pytest.mark.parametrize("old", [False, True], ids=["__lambda__", "list"])
@pytest.mark.parametrize("make", FOREIGN)
def test_another_versions_code_is_refused_with_its_layer(make: Callable[[], bytes], old: bool, tmp_path: Path) -> None:
    from pipeline.models.load import load_file, load_for_conversion

    save(tmp_path / "lambda.h5", make(), old=old)
    for load in (load_file, load_for_conversion):
        with pytest.raises(InputError, match=r"another Python version in 'half'.*module:function"):
            load(tmp_path / "lambda.h5", trusted=True)


def test_this_versions_code_loads_as_before(tmp_path: Path) -> None:
    from pipeline.models.load import load_file

    save(tmp_path / "lambda.h5", None)
    assert load_file(tmp_path / "lambda.h5", trusted=True).layers[-1].name == "half"


def test_a_keras_file_whose_code_nobody_trusts_names_the_layer(tmp_path: Path) -> None:
    from pipeline.models.load import load_file

    save(tmp_path / "lambda.keras", None)
    with pytest.raises(InputError, match=r"Python code in the layer 'half'.*module:function"):
        load_file(tmp_path / "lambda.keras")
    assert load_file(tmp_path / "lambda.keras", trusted=True).layers[-1].name == "half"
