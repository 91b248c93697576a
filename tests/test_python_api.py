"""The Python API: a model as it is at hand and data as they are at hand in, results that print and have JSON out."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import pipeline
from pipeline.recipe import Data
from tests import tiny_models
from tests.quantization.networks import inputs_of, two_inputs
from tests.test_light import after

X = (load_digits().images / 16).astype(np.float32)[..., None]
Y = load_digits().target
FLOAT = tiny_models.digits()


@pytest.fixture(scope="module")
def int8() -> pipeline.Quantized:
    return pipeline.quantize(FLOAT, X[:64])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "float.tflite").write_bytes(FLOAT)
    return tmp_path / "float.tflite"


class TestNames:
    def test_every_name_is_there_and_typed(self) -> None:
        for name in pipeline.__all__:
            assert getattr(pipeline, name).__doc__, name
        source = (Path(pipeline.__file__)).read_text()
        typed = source[source.index("if TYPE_CHECKING:") : source.index("__version__")]
        assert set(re.findall(r"(\w+)(?=[,\n])", typed)) >= set(pipeline.__all__)

    def test_no_function_has_the_name_of_a_module(self) -> None:
        """Importing a module of the package would put it in the function's place."""
        modules = {found.name for found in pkgutil.iter_modules(pipeline.__path__)}
        assert modules.isdisjoint(pipeline.__all__)

    def test_functions_stay_functions_after_the_packages_are_imported(self) -> None:
        before = {name: getattr(pipeline, name) for name in pipeline.__all__}
        for name in ("tflite.inspect", "evaluation.evaluator", "benchmarking.latency", "verification.ladder", "cli"):
            importlib.import_module(f"pipeline.{name}")
        assert {name: getattr(pipeline, name) for name in pipeline.__all__} == before

    def test_a_name_that_is_not_there(self) -> None:
        with pytest.raises(AttributeError, match="no attribute 'quantise'"):
            _ = pipeline.quantise  # type: ignore[attr-defined]

    def test_importing_it_imports_next_to_nothing(self) -> None:
        code = "import sys; import pipeline; dir(pipeline); print(*sys.modules)"
        loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        assert "pipeline" in loaded
        assert {"numpy", "pydantic", "ai_edge_litert", "tensorflow"}.isdisjoint(loaded)

    def test_a_tflite_and_arrays_need_no_tensorflow(self, tmp_path: Path) -> None:
        code = """
import numpy as np, pipeline
from tests import tiny_models
x = np.random.default_rng(0).random((40, 8, 8, 1))
small = pipeline.quantize(tiny_models.digits(), x, calibration="min_max")
print(pipeline.inspect(small).verdict.kind, pipeline.evaluate(small, x, reference=tiny_models.digits()).agreement > 0.8)
print(pipeline.inspect(small).verdict.kind)
"""
        heavy, shown = after(code, tmp_path)
        assert heavy == set()
        assert shown.split() == ["int8", "True", "int8"]


class TestLoad:
    @pytest.mark.parametrize("kind", [bytes, bytearray, str, Path])
    def test_a_path_or_bytes(self, kind: Any, file: Path) -> None:
        model = pipeline.load(kind(FLOAT) if kind in (bytes, bytearray) else kind(file))
        assert model.name == ("model" if kind in (bytes, bytearray) else "float")
        assert [spec.shape for spec in model.signature.inputs] == [(-1, 8, 8, 1)]

    def test_it_answers_arrays_and_named_arrays_alike(self) -> None:
        model = pipeline.load(FLOAT)
        answers = model(X[:5])
        assert isinstance(answers, np.ndarray)
        assert answers.shape == (5, 10)
        np.testing.assert_array_equal(model({"x": X[:5].astype(np.float64)}), answers)

    def test_it_prints_its_signature_and_has_json(self) -> None:
        model = pipeline.load(FLOAT, "mine")
        assert re.search(r"^mine: float32\n(.*\n)+input +x +\[\?, 8, 8, 1\] +float32", str(model))
        assert json.loads(json.dumps(model.to_json()))["inputs"][0]["shape"] == [-1, 8, 8, 1]

    def test_it_is_saved_as_it_is(self, tmp_path: Path) -> None:
        assert pipeline.load(FLOAT).save(tmp_path / "new" / "a.tflite").read_bytes() == FLOAT

    @pytest.mark.parametrize(
        ("source", "says"),
        [
            (7, "not int"),
            (None, "not NoneType"),
            (b"PK\3\4....", "no .tflite"),
            ("nowhere.tflite", "There is no model 'nowhere.tflite'"),
            ("nowhere.keras", "There is no model 'nowhere.keras'"),
        ],
    )
    def test_what_is_no_model(self, source: Any, says: str) -> None:
        with pytest.raises(pipeline.InputError, match=says):
            pipeline.load(source)

    def test_a_keras_model_and_its_file_are_the_same_flatbuffer(self, tmp_path: Path) -> None:
        from tests.tiny_keras import model

        built = model()
        built.save(tmp_path / "tiny.keras")
        models = [pipeline.load(built), pipeline.load(tmp_path / "tiny.keras")]
        assert [one.is_keras for one in models] == [True, True]
        np.testing.assert_allclose(models[0](X[:3]), models[1](X[:3]), atol=1e-6)  # type: ignore[arg-type]
        np.testing.assert_allclose(models[0](X[:3]), built(X[:3]), atol=1e-5)  # type: ignore[arg-type]


class TestQuantize:
    def test_auto_is_the_default_and_says_what_it_took(self, int8: pipeline.Quantized) -> None:
        assert int8.inspection.verdict.text == "full int8, per-channel"
        assert int8.choice is not None
        assert len(int8.choice.trials) > 3
        assert int8.choice.reason in str(int8)
        assert re.search(r"int8 +2 KB +full int8, per-channel", str(int8))

    def test_it_agrees_with_float(self, int8: pipeline.Quantized) -> None:
        compared = pipeline.evaluate(int8, X[64:400], reference=FLOAT)
        assert compared.agreement is not None
        assert compared.agreement > 0.97

    def test_json(self, int8: pipeline.Quantized) -> None:
        found = json.loads(json.dumps(int8.to_json()))
        assert (found["format"], found["size_bytes"]) == ("int8", len(int8.content))
        assert found["calibration"]["chosen"] == str(int8.settings)

    @pytest.mark.parametrize(
        "data",
        [
            X[:40],
            X[:40].astype(np.float64),
            {"x": X[:40]},
            (X[:40], Y[:40]),
            lambda: np.split(X[:40], 5),
            lambda: ((X[i : i + 8], Y[i : i + 8]) for i in range(0, 40, 8)),
        ],
        ids=["array", "float64", "mapping", "pair", "function", "function of pairs"],
    )
    def test_the_data_in_any_form_give_the_same_ranges(self, data: Any) -> None:
        expected = pipeline.quantize(FLOAT, X[:40], calibration="min_max")
        assert pipeline.quantize(FLOAT, data, calibration="min_max").content == expected.content

    def test_a_data_set_gives_its_calibration_split(self) -> None:
        section = Data.model_validate({"source": "digits", "calibration": 40, "preprocess": {"scale": "0..1"}})
        data = pipeline.load_data(section)
        examples = np.concatenate([batch.inputs["x"] for batch in data.batches("calibration", 64)])
        assert pipeline.quantize(FLOAT, data, calibration="min_max").content == (
            pipeline.quantize(FLOAT, examples, calibration="min_max").content
        )

    @pytest.mark.parametrize(
        ("format", "kind"), [("int16x8", "int16x8"), ("dynamic", "dynamic"), ("float16", "float16")]
    )
    def test_other_formats(self, format: Any, kind: str) -> None:
        assert pipeline.quantize(FLOAT, X[:8], format=format, calibration="min_max").inspection.verdict.kind == kind

    def test_formats_that_compute_in_float_need_no_data(self) -> None:
        assert pipeline.quantize(FLOAT, format="dynamic").inspection.verdict.kind == "dynamic"

    def test_settings_of_a_recipe_and_kept_operators(self) -> None:
        asked: dict[str, Any] = {"calibration": "percentile", "percentile": 99.0, "rounding": "nearest"}
        small = pipeline.quantize(FLOAT, X[:40], io="float32", keep=["type:FULLY_CONNECTED"], **asked)
        assert small.settings is not None
        assert (small.settings.estimator, small.settings.percentile) == ("percentile", 99.0)
        assert {op.compute for op in small.inspection.operators if op.name == "FULLY_CONNECTED"} == {"float32"}

    def test_several_inputs_by_name(self) -> None:
        content, inputs = two_inputs(), inputs_of("two_inputs")
        small = pipeline.quantize(content, inputs, calibration="min_max")
        assert small.inspection.verdict.kind == "int8"
        assert pipeline.evaluate(small, inputs, reference=content).agreement is not None

    @pytest.mark.parametrize(
        ("arguments", "settings", "says"),
        [
            ((FLOAT,), {}, r"needs representative examples .* quantize\(model, data\)"),
            ((FLOAT, X[:4]), {"format": "int9"}, "no format 'int9'.*Did you mean 'int8'"),
            ((FLOAT, X[:4]), {"percentil": 99.0}, "no setting 'percentil'. Did you mean 'percentile'"),
            ((FLOAT, X[:4]), {"percentile": 7.0}, "percentile: .*greater than 50"),
            ((FLOAT, X[:4]), {"calibration": "max"}, "calibration"),
            ((FLOAT, X[:4, :4]), {}, r"8, 8, 1"),
            ((FLOAT, X[:0]), {}, "no examples"),
            ((FLOAT, list), {}, "no examples"),
            ((FLOAT, iter([X[:4]])), {}, "give the function"),
            ((FLOAT, "photos"), {}, "'x' is str"),
            ((FLOAT, (X[:4], Y[:3])), {}, "'x' 4, 'y' 3"),
            ((FLOAT, {}), {}, "empty"),
            ((FLOAT, np.full_like(X[:4], np.nan)), {"calibration": "min_max"}, "NaN|finite"),
        ],
    )
    def test_bad_input_is_one_paragraph(self, arguments: Any, settings: dict[str, Any], says: str) -> None:
        with pytest.raises(pipeline.InputError, match=says) as caught:
            pipeline.quantize(*arguments, **settings)
        assert "\n" not in str(caught.value)

    def test_a_quantized_model_is_refused(self, int8: pipeline.Quantized) -> None:
        with pytest.raises(pipeline.InputError, match="quantized already"):
            pipeline.quantize(int8, X[:8])


class TestEvaluate:
    def test_one_model_with_labels(self) -> None:
        found = pipeline.evaluate(FLOAT, (X[:100], Y[:100]))
        model = pipeline.load(FLOAT)
        right = (np.asarray(model(X[:100])).argmax(1) == Y[:100]).mean()
        assert found.task.name == "classification"
        assert found.metrics["top1"] == pytest.approx(right)
        assert (found.agreement, found.difference, found.reference) == (None, None, None)
        assert re.search(r"100 examples, task classification$", str(found))

    def test_several_against_a_reference_that_is_one_of_them(self, int8: pipeline.Quantized) -> None:
        found = pipeline.evaluate({"small": int8, "large": FLOAT}, (X[:100], Y[:100]), reference="large")
        assert list(found) == ["small", "large"]
        assert found.difference is not None
        assert found["large"].compared is None
        assert found["small"].agreement == found.agreement
        assert "compared with large" in str(found)
        assert json.loads(json.dumps(found.to_json()))["models"].keys() == {"small", "large"}

    def test_a_reference_beside_them_is_not_shown(self, int8: pipeline.Quantized, file: Path) -> None:
        found = pipeline.evaluate(int8, (X[:50], Y[:50]), reference=str(file))
        assert (list(found), found.reference) == (["model_int8"], "float")

    def test_without_labels_models_are_compared_alone(self, int8: pipeline.Quantized) -> None:
        found = pipeline.evaluate(int8, X[:50], reference=FLOAT)
        assert found.task.name == "fidelity"
        assert (found.metrics, found.difference) == ({}, None)
        assert "dB SQNR" in str(found)

    def test_a_data_set_of_images_says_the_range_of_their_values_as_in_a_recipe(self) -> None:
        """Only with it there is a PSNR; plain arrays do not say it."""
        section = Data.model_validate({"source": "digits", "preprocess": {"scale": "-1..1"}, "targets": {}})
        same = tiny_models.same_again(8, 8, 1)
        found = pipeline.evaluate(same, pipeline.load_data(section), task="reconstruction")
        assert (next(iter(found.metrics)), getattr(found.task, "data_range", None)) == ("psnr", 2.0)
        assert "psnr" not in pipeline.evaluate(same, X[:20], task="reconstruction").metrics

    def test_a_task_by_name_that_does_not_fit(self) -> None:
        with pytest.raises(pipeline.InputError, match="Did you mean 'regression'"):
            pipeline.evaluate(FLOAT, (X[:8], Y[:8]), task="regresion")

    def test_models_of_one_name_are_numbered(self) -> None:
        assert list(pipeline.evaluate([FLOAT, FLOAT], (X[:8], Y[:8]))) == ["model", "model (2)"]

    def test_no_model(self) -> None:
        with pytest.raises(pipeline.InputError, match="There is no model"):
            pipeline.evaluate([], (X[:8], Y[:8]))


class TestBenchmarkInspectVerify:
    def test_models_are_timed_beside_the_first(self, int8: pipeline.Quantized) -> None:
        found = pipeline.benchmark({"float": FLOAT, "int8": int8}, runs=3, warmup=0)
        assert list(found) == ["float", "int8"]
        assert found["float"].ratio_to_first == 1
        assert re.search(r"^int8 .* ms .* 2 KB", str(found), re.MULTILINE)
        assert json.loads(json.dumps(found.to_json()))["models"]["int8"]["runs"] == 3

    def test_inspect_says_what_a_model_is(self, int8: pipeline.Quantized, file: Path) -> None:
        assert pipeline.inspect(int8).verdict.kind == "int8"
        assert pipeline.inspect(file).file == str(file)
        assert re.search(r"FULLY_CONNECTED +int8 +1", str(pipeline.inspect(int8.content)))

    def test_verify_holds_each_set_of_kernels_against_the_one_above(self, int8: pipeline.Quantized) -> None:
        found = pipeline.verify(int8, FLOAT, (X[:32], Y[:32]), promises={"min_agreement": 0.9})
        assert (found.kept, found.broken) == (True, ())
        assert [step.name for step in found.found.steps] == ["float", "reference", "builtin", "xnnpack"]
        assert re.search(r"xnnpack +builtin +100\.0 % ", str(found))
        assert "model_int8 on TFLite's reference kernels" in found.found.steps[1].title
        assert json.loads(json.dumps(found.to_json()))["kept"]

    def test_a_promise_that_is_broken_is_told(self, int8: pipeline.Quantized) -> None:
        found = pipeline.verify(int8, FLOAT, (X[:32], Y[:32]), promises={"rungs": {"reference": {"min_sqnr_db": 90}}})
        assert not found.kept
        assert found.broken[0] in str(found)

    @pytest.mark.parametrize(
        ("arguments", "settings", "says"),
        [
            ((FLOAT, FLOAT, (X[:8], Y[:8])), {}, "computes in float"),
            ((FLOAT, None, (X[:8], Y[:8])), {}, "give both models"),
            ((FLOAT,), {}, "give data too"),
            (("a.tflite",), {"promises": {}}, "promises go with data"),
            ((FLOAT, FLOAT, X[:8]), {"recipe": "mobilenet"}, "give one of them"),
        ],
    )
    def test_contradictions(self, arguments: Any, settings: dict[str, Any], says: str) -> None:
        with pytest.raises(pipeline.InputError, match=says):
            pipeline.verify(*arguments, **settings)


class TestRun:
    def test_a_recipe_that_was_run_is_shown(self, small_run: Any) -> None:
        """Nothing of it is made again."""
        from tests.conftest import TINY

        said: list[str] = []
        found = pipeline.run(pipeline.Recipe.model_validate(TINY), say=said.append)
        assert (found.folder, found.metrics) == (small_run.folder, small_run.metrics)
        assert all("before" in line for line in said)
        assert re.search(r"^int8 +0\.\d+ .*%", str(found), re.MULTILINE)
        assert found.model().inspection.verdict.kind == "int8"
        assert json.loads(json.dumps(found.to_json()))["folder"] == str(small_run.folder)

    def test_settings_are_laid_over(self) -> None:
        with pytest.raises(pipeline.InputError, match=r"unknown key 'train\.epoch'"):
            pipeline.run("mobilenet", ["train.epoch=3"])

    def test_an_unknown_recipe(self) -> None:
        with pytest.raises(pipeline.InputError, match="Did you mean 'mobilenet'"):
            pipeline.run("mobilnet")


def blocks(file: str) -> Iterator[str]:
    text = (Path(__file__).parents[1] / file).read_text(encoding="utf-8")
    yield from re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("file", ["README.md", "docs/python.md"])
def test_the_examples_of_the_documentation_run(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other, as a reader would type them, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIPELINE_RUNS", str(tmp_path / "runs"))
    names: dict[str, Any] = {"__name__": "example"}
    found = list(blocks(file))
    assert found
    for block in found:
        exec(compile(block, file, "exec"), names)
