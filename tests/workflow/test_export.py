"""`pipeline export` takes a Keras model or a float .tflite, with or without data, and says what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.tflite.inspect import inspect
from pipeline.workflow.export import Request, export

SCALE = "data.preprocess.scale=0..1"


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIPELINE_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """model.keras, model.tflite and data.npz in one folder."""
    from pipeline.conversion.convert import to_flatbuffer
    from tests.tiny_keras import model

    folder = tmp_path_factory.mktemp("files")
    built = model()
    built.save(folder / "model.keras")
    (folder / "model.tflite").write_bytes(to_flatbuffer(built))
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (60, 8, 8, 1), np.uint8)
    np.savez(folder / "data.npz", x_train=x, y_train=np.arange(60) % 10)
    return folder


def request(target: Path | None, *formats: Any, **other: Any) -> Request:
    given = {"io": None, "recipe": None, "data": None, "overrides": (), "run": None, **other}
    return Request(target, formats or ("int8",), **given)


@pytest.mark.parametrize(
    ("name", "run"), [("my model (1).tflite", "my-model-1"), ("Größe.tflite", "Gr-e"), ("caf\udce9.tflite", "caf")]
)
def test_a_run_is_named_after_any_file(files: Path, name: str, run: str, runs: Path, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes((files / "model.tflite").read_bytes())
    written = export(request(tmp_path / name, data=str(files / "data.npz"), overrides=[SCALE]))
    assert written == {"int8": runs / run / "int8.tflite"}


@pytest.mark.parametrize("name", ["model.keras", "model.tflite"])
def test_int8_from_a_file_and_representative_data(files: Path, name: str, runs: Path) -> None:
    written = export(request(files / name, data=str(files / "data.npz"), overrides=[SCALE]))
    assert written == {"int8": runs / "model" / "int8.tflite"}
    assert inspect(written["int8"]).verdict.kind == "int8"


def test_both_ways_give_the_same_weights_and_scales(files: Path) -> None:
    one, other = (
        inspect(export(request(files / name, data=str(files / "data.npz"), overrides=[SCALE], run=name))["int8"])
        for name in ("model.keras", "model.tflite")
    )
    assert [port.scale for port in one.inputs + one.outputs] == [port.scale for port in other.inputs + other.outputs]
    assert one.operator_counts == other.operator_counts


@pytest.mark.parametrize("name", ["model.keras", "model.tflite"])
def test_formats_with_float_activations_need_no_data(files: Path, name: str) -> None:
    written = export(request(files / name, "float16", "dynamic", "float32"))
    assert [inspect(path).verdict.kind for path in written.values()] == ["float16", "dynamic", "float32"]


def test_int8_without_data_says_how_to_give_some(files: Path) -> None:
    with pytest.raises(InputError, match="--data"):
        export(request(files / "model.keras"))


def test_data_without_a_scale_is_refused(files: Path) -> None:
    with pytest.raises(InputError, match=r"data\.preprocess\.scale"):
        export(request(files / "model.keras", data=str(files / "data.npz")))


def test_a_quantized_model_is_refused(files: Path) -> None:
    quantized = export(request(files / "model.tflite", data=str(files / "data.npz"), overrides=[SCALE]))["int8"]
    with pytest.raises(InputError, match="quantized already"):
        export(request(quantized, data=str(files / "data.npz"), overrides=[SCALE], run="again"))


def test_contradictions_and_misspellings_are_refused(files: Path) -> None:
    with pytest.raises(InputError, match="give one of them"):
        export(request(files / "model.keras", recipe="mobilenet", data=str(files / "data.npz")))
    with pytest.raises(InputError, match="Did you mean 'uint8'"):
        export(request(files / "model.keras", io="uint"))
    with pytest.raises(InputError, match="There is no"):
        export(request(files / "missing.keras"))


def test_a_run_keeps_its_own_recipe(files: Path, runs: Path) -> None:
    export(request(files / "model.tflite", data=str(files / "data.npz"), overrides=[SCALE]))
    again = export(request(runs / "model", "int16x8"))
    assert inspect(again["int16x8"]).verdict.kind == "int16x8"
    assert export(request(None)) == {"int8": runs / "model" / "int8.tflite"}
    with pytest.raises(InputError, match="its own recipe"):
        export(request(runs / "model", recipe="mobilenet"))


def test_the_io_type_that_was_asked_for_is_written(files: Path) -> None:
    written = export(request(files / "model.tflite", data=str(files / "data.npz"), overrides=[SCALE], io="uint8"))
    assert inspect(written["int8"]).inputs[0].dtype == "uint8"
