"""What a wrong call or wrong data ends in: status 2, one paragraph that helps, and nothing half-written.

The models are small flatbuffers, so that no TensorFlow is needed.
"""

from __future__ import annotations

import shlex
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import cli
from tests import tiny_models
from tests.quantization.test_format_check import network

Captured = pytest.CaptureFixture[str]
RATE, SAMPLES = 8000, 400
AUDIO = ["--set", f"data.audio={{sample_rate: {RATE}, seconds: {SAMPLES / RATE}, features: waveform}}"]
WHOLE = {"manifest.json", "labels.txt", "float.tflite", "prepared.tflite", "ranges.json", "calibration.json"}
"""What a run may hold that got as far as its float model."""

random = np.random.default_rng(7)
LEFT, RIGHT = (random.normal(size=(60, features)).astype(np.float32) for features in (3, 2))
ROWS = random.normal(size=(60, 4)).astype(np.float32)


class Bench:
    """A folder with models and data, and the command line."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
        self.folder, self._monkeypatch, self._capsys = folder, monkeypatch, capsys
        monkeypatch.setenv("PIPELINE_RUNS", str(folder / "runs"))
        monkeypatch.chdir(folder)

    def model(self, content: bytes) -> Path:
        path = self.folder / "model.tflite"
        path.write_bytes(content)
        return path

    def arrays(self, **arrays: Any) -> Path:
        np.savez(self.folder / "data.npz", **arrays)
        return self.folder / "data.npz"

    def export(self, model: Path, data: object, *further: object) -> tuple[int, str]:
        """The exit status, and what was said on stderr, in one line."""
        return self.call("export", model, "--int8", *(("--data", data) if data is not None else ()), *further)

    def call(self, *arguments: object) -> tuple[int, str]:
        self._monkeypatch.setattr("sys.argv", ["pipeline", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), self._capsys.readouterr().err

    def refused(self, outcome: tuple[int, str], *said: str) -> None:
        """Status 2, one paragraph with all of this in it, and nothing in the run that is not whole."""
        status, shown = outcome
        assert status == 2, shown
        assert "Traceback" not in shown
        assert shown.count("Error: ") == 1
        paragraph = shown[shown.index("Error: ") :]
        assert "\n\n" not in paragraph.strip()
        for words in said:
            assert words in " ".join(paragraph.split())
        left = {path.name for path in self.folder.glob("runs/*/*")} | {
            path.name for path in self.folder.glob("runs/.*") if path.suffix != ".lock"
        }
        assert left <= WHOLE


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> Bench:
    return Bench(tmp_path, monkeypatch, capsys)


def linear(outputs: int = 3, features: int = 4, ending: str | None = None) -> bytes:
    return tiny_models.linear(np.random.default_rng(8).normal(size=(outputs, features)), ending=ending)


def recording(path: Path, rate: int = RATE, seconds: float = SAMPLES / RATE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        time = np.arange(int(rate * seconds)) / rate
        file.writeframes((20_000 * np.sin(2 * np.pi * (300 + len(path.stem)) * time)).astype("<i2").tobytes())


def test_good_data_is_taken(bench: Bench) -> None:
    status, shown = bench.export(bench.model(tiny_models.joined()), bench.arrays(left=LEFT, right=RIGHT))
    assert status == 0, shown
    assert (bench.folder / "runs" / "model" / "int8.tflite").is_file()


class TestTask:
    def test_one_that_does_not_fit_the_outputs(self, bench: Bench) -> None:
        data = bench.arrays(x=ROWS, y=random.integers(0, 3, 60))
        bench.refused(bench.export(bench.model(linear(1)), data, "--set", "task=sequence"), "sequence")

    def test_one_that_there_is_not(self, bench: Bench) -> None:
        outcome = bench.export(bench.model(linear()), bench.arrays(x=ROWS), "--set", "task=regresion")
        bench.refused(outcome, "Did you mean 'regression'?")

    def test_targets_that_are_missing(self, bench: Bench) -> None:
        outcome = bench.export(bench.model(linear()), bench.arrays(x=ROWS), "--set", "task=regression")
        bench.refused(outcome, "target")

    def test_targets_of_the_wrong_shape(self, bench: Bench) -> None:
        data = bench.arrays(x=ROWS, y=random.normal(size=(60, 7)).astype(np.float32))
        bench.refused(bench.export(bench.model(linear()), data, "--set", "task=regression"), "7", "3")

    def test_more_classes_than_the_model_tells_apart(self, bench: Bench) -> None:
        data = bench.arrays(x=ROWS, y=np.arange(60) % 5)
        outcome = bench.export(bench.model(linear(ending="SOFTMAX")), data, "--set", "task=classification")
        bench.refused(outcome, "3", "5")

    def test_in_evaluate_too(self, bench: Bench) -> None:
        model, data = bench.model(linear()), bench.arrays(x=ROWS)
        recipe = bench.folder / "own.yaml"
        recipe.write_text(
            f"name: own\ntask: regression\nmodel: {{path: {model}}}\ndata: {{source: npz, path: {data}}}\n"
        )
        bench.refused(bench.call("evaluate", model, "--recipe", recipe), "target")


class TestInputs:
    def test_a_name_that_the_model_does_not_have(self, bench: Bench) -> None:
        outcome = bench.export(bench.model(tiny_models.joined()), bench.arrays(left=LEFT, rihgt=RIGHT))
        bench.refused(outcome, "'right'", "Did you mean 'rihgt'?")

    def test_a_name_in_the_recipe_that_the_model_does_not_have(self, bench: Bench) -> None:
        named = ["--set", "data.inputs={left: {}, rihgt: {from: right}}", "--set", "data.targets={}"]
        outcome = bench.export(bench.model(tiny_models.joined()), bench.arrays(left=LEFT, right=RIGHT), *named)
        bench.refused(outcome, "'rihgt'", "Did you mean 'right'?")

    def test_nan_in_one_of_several(self, bench: Bench) -> None:
        broken = RIGHT.copy()
        broken[:, 1] = np.nan
        outcome = bench.export(bench.model(tiny_models.joined()), bench.arrays(left=LEFT, right=broken))
        bench.refused(outcome, "right", "NaN")

    def test_nan_in_one_example_of_many(self, bench: Bench) -> None:
        broken = RIGHT.copy()
        broken[::9, 0] = np.nan
        outcome = bench.export(bench.model(tiny_models.joined()), bench.arrays(left=LEFT, right=broken))
        bench.refused(outcome, "right", "NaN")

    def test_unequal_lengths(self, bench: Bench) -> None:
        outcome = bench.export(bench.model(tiny_models.joined()), bench.arrays(left=LEFT, right=RIGHT[:-1]))
        bench.refused(outcome, "60", "59", "'right'")

    def test_another_shape(self, bench: Bench) -> None:
        outcome = bench.export(bench.model(linear(features=5)), bench.arrays(x=ROWS))
        bench.refused(outcome, "5", "4")


class TestOpenDimensions:
    def test_data_of_several_sizes_and_none_said(self, bench: Bench) -> None:
        (bench.folder / "several_sizes.py").write_text(
            "import numpy as np\n"
            "def examples():\n"
            "    return {'train': {'x': [np.ones((4 + n % 2, 6, 3), np.float32) * n / 40 for n in range(40)]}}\n"
        )
        bench.refused(
            bench.export(bench.model(tiny_models.open_sized()), "several_sizes:examples"), "[4, 6, 3]", "[5, 6"
        )

    def test_no_data(self, bench: Bench) -> None:
        bench.refused(bench.export(bench.model(tiny_models.open_sized()), None), "--data")

    def test_a_size_that_the_model_does_not_take(self, bench: Bench) -> None:
        data = bench.arrays(x=random.normal(size=(40, 4, 6, 3)).astype(np.float32))
        sizes = ["--set", "model.input_sizes={x: [4, 6, 1]}"]
        bench.refused(bench.export(bench.model(tiny_models.open_sized()), data, *sizes), "[4, 6, 1]")


class TestRecordings:
    def test_one_that_is_cut_off(self, bench: Bench) -> None:
        for index in range(20):
            recording(bench.folder / "sounds" / f"{index}.wav")
        for path in (bench.folder / "sounds").iterdir():
            path.write_bytes(path.read_bytes()[:-100])
        outcome = bench.export(bench.model(linear(features=SAMPLES)), bench.folder / "sounds", *AUDIO)
        bench.refused(outcome, ".wav", "cut off")

    def test_one_of_another_rate_is_resampled(self, bench: Bench) -> None:
        for index in range(40):
            recording(
                bench.folder / "sounds" / f"{'long' * (index % 3)}{index}.wav", rate=(8000, 16000, 44100)[index % 3]
            )
        status, shown = bench.export(bench.model(linear(features=SAMPLES)), bench.folder / "sounds", *AUDIO)
        assert status == 0, shown


class TestTables:
    def write(self, bench: Bench, rows: list[list[Any]], header: str = "a,b,c,d") -> Path:
        path = bench.folder / "table.csv"
        path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
        return path

    def test_numbers_are_taken_as_they_are(self, bench: Bench) -> None:
        status, shown = bench.export(bench.model(linear()), self.write(bench, ROWS.tolist()))
        assert status == 0, shown

    def test_a_column_that_is_not_a_number(self, bench: Bench) -> None:
        rows: list[list[Any]] = ROWS.tolist()
        rows[4][2] = "many"
        bench.refused(bench.export(bench.model(linear()), self.write(bench, rows)), "line 6", "'c'", "'many'")

    def test_a_column_too_few(self, bench: Bench) -> None:
        outcome = bench.export(bench.model(linear()), self.write(bench, ROWS[:, :3].tolist(), "a,b,c"))
        bench.refused(outcome, "4", "3")


class TestData:
    @pytest.mark.parametrize("given", ["nowhere", "nowhere.npz", "no_such_module:examples", "model.tflite"])
    def test_what_is_no_data(self, bench: Bench, given: str) -> None:
        bench.refused(bench.export(bench.model(linear()), given), given.partition(":")[0])

    def test_pixels_without_their_scale(self, bench: Bench) -> None:
        pixels = random.integers(0, 256, (40, 8, 8, 1)).astype(np.uint8)
        model = bench.model(tiny_models.digits())
        bench.refused(bench.export(model, bench.arrays(x=pixels)), "data.preprocess.scale")
        assert bench.export(model, bench.arrays(x=pixels), "--set", "data.preprocess.scale=0..1")[0] == 0

    def test_floats_need_no_scale(self, bench: Bench) -> None:
        floats = random.normal(size=(40, 8, 8, 1)).astype(np.float32)
        status, shown = bench.export(bench.model(tiny_models.digits()), bench.arrays(x=floats))
        assert status == 0, shown


@pytest.mark.parametrize("kind", ["SIN", "DIV"])
def test_what_a_refused_export_says_to_type_helps(kind: str, bench: Bench) -> None:
    model, data = bench.model(network(kind)), bench.arrays(x_train=ROWS + 2, x_test=ROWS + 2)
    quickly = ["--set", "quantize.calibration=min_max"]
    status, said = bench.export(model, data, *quickly)
    assert status == 1
    status, again = bench.export(model, data, *quickly, *shlex.split(said[said.index("--keep") :]))
    assert status == 0, again


def test_a_model_that_ends_the_process_is_one_paragraph(bench: Bench) -> None:
    model = bench.model(tiny_models.sum_of_two(4, "int8", scale=None))
    for command in ("benchmark", "explain"):
        bench.refused(bench.call(command, model), "SIGABRT", "operator 0 ADD ('sum')")
    assert bench.call("inspect", model)[0] == 1
