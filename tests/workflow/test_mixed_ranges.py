"""A head with boxes and scores in one tensor goes through the commands: written whole, and said so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import pipeline
from pipeline import recipe as recipes
from pipeline.diagnosis.calibration_data import diagnose
from pipeline.errors import InputError
from pipeline.tflite import metadata
from pipeline.tflite.inspect import inspect
from pipeline.verification.metadata_check import check
from pipeline.workflow import stages
from pipeline.workflow.export import Request, export, judge
from pipeline.workflow.run_folder import Run
from tests.mixed_heads import INPUT, X, yolo


@pytest.fixture(autouse=True)
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIPELINE_RUNS", str(tmp_path / "runs"))
    np.savez(tmp_path / "data.npz", **{INPUT: X})
    (tmp_path / "head.tflite").write_bytes(yolo())
    return tmp_path / "head.tflite"


def exported(model: Path, *overrides: str, io: str | None = None) -> Path:
    data = str(model.with_name("data.npz"))
    simple = ("quantize.calibration=min_max", *overrides)
    return export(Request(model, ("int8",), io, None, data, simple, None))["int8"]


@pytest.mark.parametrize("io", [None, "float32"])
def test_by_itself_the_export_joins_them_in_float_and_keeps_the_signature(model: Path, io: str | None) -> None:
    written = exported(model, io=io)
    [port] = inspect(written).outputs
    assert (port.name, port.dtype) == ("out", "float32")
    said = metadata.read(written)
    assert said is not None
    assert said.provenance["mixed_ranges"] == ["joined"]
    judged = judge({"int8": written})
    assert judged is not None
    assert judged.findings == ()


def test_verify_calls_the_file_what_it_is(model: Path) -> None:
    written = exported(model)
    data = stages.reopen(Run(written.parent)).data
    [found] = [one for one in check(inspect(written), data) if one.what == "format"]
    assert found.state == "ok"
    assert "since one int8 scale would leave parts of 'joined' without steps" in found.message


def test_where_int8_is_asked_for_the_loss_is_told(model: Path) -> None:
    written = exported(model, "quantize.mixed_ranges=int8")
    assert inspect(written).verdict.kind == "int8"
    judged = judge({"int8": written})
    assert judged is not None
    assert [(finding.check, finding.severity) for finding in judged.findings] == [("mixed ranges", "error")]


@pytest.mark.parametrize("way", ["split", "normalize"])
def test_changed_outputs_are_recorded_for_the_reader(model: Path, way: str) -> None:
    written = exported(model, f"quantize.mixed_ranges={way}")
    assert inspect(written).verdict.kind == "int8"
    said = metadata.read(written)
    assert said is not None
    [change] = said.provenance["outputs_changed"]
    assert change["output"] == "out"
    float_model = metadata.read(written.with_name("float.tflite"))
    assert float_model is not None
    assert float_model.provenance["outputs_changed"] == [change]
    names = [port.name for port in inspect(written).outputs]
    assert names == (["out_0", "out_1"] if way == "split" else ["out"])
    if way == "split":
        assert change["split"] == ["out_0", "out_1"]
    else:
        assert (change["axis"], change["start"], change["stop"], change["multiply_by"]) == (1, 0, 4, 1024)


def test_the_doctor_finds_it_before_the_export(model: Path) -> None:
    data = {"source": "npz", "path": str(model.with_name("data.npz"))}
    recipe = recipes.parse({"name": "head", "model": {}, "data": data})
    found = diagnose(yolo(), recipe.data, trains=False)
    [finding] = [one for one in found.findings if one.check == "mixed ranges"]
    assert finding.severity == "warning"
    assert "'scores'" in finding.message
    assert "ranges of what is joined, boxes and scores" in found.checked


def test_the_python_api_does_and_says_the_same() -> None:
    found = pipeline.quantize(yolo(), X, calibration="min_max")
    assert found.mended is not None
    assert found.mended.rules
    assert "'out'" in str(found)
    assert found.findings == ()
    json.dumps(found.to_json())
    with pytest.warns(UserWarning, match="mixed ranges"):
        lost = pipeline.quantize(yolo(), X, calibration="min_max", mixed_ranges="int8")
    assert [finding.check for finding in lost.findings] == ["mixed ranges"]
    split = pipeline.quantize(yolo(), X, calibration="min_max", mixed_ranges="split")
    assert [port.name for port in split.inspection.outputs] == ["out_0", "out_1"]
    assert "split into 'out_0', 'out_1'" in str(split)


def test_a_way_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="mixed_ranges"):
        pipeline.quantize(yolo(), X, mixed_ranges="int4")
