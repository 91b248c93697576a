"""Whatever a stage read is in its key: a change of any of it is noticed, and nothing else is."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from pipeline import recipe as recipes
from pipeline.errors import InputError
from pipeline.workflow import origins, stages
from pipeline.workflow.run_folder import Run, key_of
from tests.conftest import TINY

MODEL = "import own_parts\n\ndef model():\n    return own_parts.WIDTH\n"
DATA = """import numpy as np

def data():
    return {"train": (np.zeros((40, 4), np.float32), np.arange(40) % 2)}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's folder: recipe, code, weights, labels, arrays and images; what is imported from it is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIPELINE_CACHE", str(tmp_path / "cache"))
    for name, text in {"own_model": MODEL, "own_parts": "WIDTH = 1\n", "own_data": DATA, "own_task": "x = 1\n"}.items():
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "model.keras").write_bytes(b"a model")
    (tmp_path / "weights.h5").write_bytes(b"weights")
    (tmp_path / "ranges.json").write_text("{}")
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    (tmp_path / "saved" / "variables").mkdir(parents=True)
    (tmp_path / "saved" / "variables" / "data").write_bytes(b"numbers")
    save_arrays(tmp_path, 0)
    for label in ("cat", "dog"):
        (tmp_path / "images" / label).mkdir(parents=True)
        for number in range(12):
            Image.new("L", (4, 4), number).save(tmp_path / "images" / label / f"{number}.png", compress_level=0)
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if name.startswith("own_"):
            del sys.modules[name]


def save_arrays(folder: Path, changed: int) -> None:
    """data.npz; `changed` counts up in one number of one example."""
    x = np.zeros((300, 4), np.float32)
    x[137, 2] = changed
    np.savez(folder / "data.npz", x_train=x, y_train=np.arange(300) % 2)


RECIPE: dict[str, Any] = {
    "name": "own",
    "model": {"function": "own_model:model"},
    "data": {"source": "npz", "path": "data.npz", "labels": "labels.txt"},
    "train": {"epochs": 1},
    "qat": {"epochs": 1, "configs": {"Mine": "own_task:Config"}},
}


def context(folder: Path, *overrides: str) -> stages.RunContext:
    content = yaml.safe_load(yaml.safe_dump(RECIPE))
    for override in overrides:
        recipes.lay_over(content, override)
    return stages.RunContext(recipes.parse(content), Run(folder / "run"))


def training(folder: Path, *overrides: str) -> Any:
    return key_of(origins.of_training(context(folder, *overrides)))


def qat(folder: Path, *overrides: str) -> Any:
    return key_of(origins.of_qat(context(folder, *overrides)))


def float_model(folder: Path, *overrides: str) -> Any:
    return key_of(origins.of_float_model(context(folder, *overrides)))


def taken(name: str) -> Callable[..., Any]:
    return lambda folder, *overrides: key_of(origins.of_taken(context(folder, *overrides), Path(name)))


def rewritten(name: str, content: bytes) -> Callable[[Path], None]:
    """Another content of the same length under the old date."""

    def change(folder: Path) -> None:
        path = folder / name
        before = path.stat()
        assert len(content) <= before.st_size
        path.write_bytes(content.ljust(before.st_size))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return change


def recoloured(folder: Path) -> None:
    path = folder / "images" / "dog" / "7.png"
    times = path.stat()
    Image.new("L", (4, 4), 200).save(path, compress_level=0)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


IMAGES = ("data.source=folder", "data.path=images")
WITH_WEIGHTS = ("model={name: MobileNet, weights: weights.h5}",)
FILE = ("model={path: model.keras}",)


@pytest.mark.parametrize(
    ("key", "overrides", "change"),
    [
        (training, (), rewritten("own_model.py", MODEL.replace("WIDTH", "OTHER").encode())),
        (training, (), rewritten("own_parts.py", b"WIDTH = 2\n")),
        (training, ("data={source: 'own_data:data'}",), rewritten("own_data.py", DATA.replace("% 2", "% 4").encode())),
        (training, ("task=own_task:x",), rewritten("own_task.py", b"x = 2\n")),
        (training, ("task={outputs: {a: {name: 'own_task:x'}}}",), rewritten("own_task.py", b"x = 2\n")),
        (training, WITH_WEIGHTS, rewritten("weights.h5", b"another")),
        (training, FILE, rewritten("model.keras", b"another")),
        (training, (), rewritten("labels.txt", b"dog\ncat\n")),
        (training, (), lambda folder: save_arrays(folder, 1)),
        (training, IMAGES, recoloured),
        (training, IMAGES, lambda folder: (folder / "images/dog/3.png").rename(folder / "images/cat/3b.png")),
        (qat, (), rewritten("own_task.py", b"x = 2\n")),
        (qat, (), rewritten("labels.txt", b"dog\ncat\n")),
        (qat, (), lambda folder: save_arrays(folder, 1)),
        (float_model, (), rewritten("labels.txt", b"dog\ncat\n")),
        (float_model, (), lambda folder: save_arrays(folder, 1)),
        (float_model, ("task=own_task:x",), rewritten("own_task.py", b"x = 2\n")),
        (float_model, ("quantize.ranges=ranges.json",), rewritten("ranges.json", b"[]")),
        (taken("model.keras"), (), rewritten("model.keras", b"another")),
        (taken("saved"), (), rewritten("saved/variables/data", b"figures")),
    ],
    ids=[
        "model function", "what it imports", "data function", "task", "task of an output", "weights", "model file",
        "labels", "an array", "an image", "an image's class", "QuantizeConfig", "labels in QAT", "an array in QAT",
        "labels in the files", "calibration data", "task that judges", "ranges", "file as it is", "SavedModel",
    ],
)  # fmt: skip
def test_a_change_of_what_was_read_is_noticed(
    place: Path, key: Callable[..., Any], overrides: tuple[str, ...], change: Callable[[Path], None]
) -> None:
    before = key(place, *overrides)
    assert key(place, *overrides) == before
    change(place)
    assert key(place, *overrides) != before


@pytest.mark.parametrize(
    ("key", "overrides"),
    [
        (training, ("train.epochs=2",)),
        (training, ("data.preprocess.scale=raw", "data.seed=1")),
        (qat, ("qat.learning_rate=0.5",)),
        (qat, ("quantize.keep=[{type: SOFTMAX}]",)),
        (float_model, ("quantize.calibration=min_max",)),
        (float_model, ("model.signature=other",)),
        (float_model, ("description=other words",)),
    ],
    ids=["train", "data", "qat", "keep", "calibration", "signature", "description"],
)
def test_so_is_a_change_of_the_recipe(place: Path, key: Callable[..., Any], overrides: tuple[str, ...]) -> None:
    assert key(place, *overrides) != key(place)


def test_what_nobody_reads_changes_nothing(place: Path) -> None:
    before = [training(place), qat(place), float_model(place)]
    (place / "other.py").write_text("x = 1\n")
    (place / "data.npz").touch()
    assert [training(place, "benchmark.runs=3"), qat(place, "train.epochs=9"), float_model(place)] == before


def test_a_change_since_the_training_is_said_when_the_run_is_gone_on_with(
    small_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    stages.reopen(small_run, say=said.append)
    assert not any("warning" in line for line in said)
    monkeypatch.setattr(origins, "source_digest", lambda reference: "changed")
    stages.reopen(small_run, say=said.append)
    assert any("your own code changed" in line and "Run the recipe again" in line for line in said)


def test_a_training_that_is_stopped_leaves_the_old_recipe_with_the_old_weights(
    small_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.training import float_training

    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    before = small_run.path("manifest.json").read_bytes()
    monkeypatch.setattr(float_training, "train_float", stop)
    changed = recipes.parse({**TINY, "data": {**TINY["data"], "preprocess": {"scale": "-1..1"}}})  # type: ignore[dict-item]
    with pytest.raises(KeyboardInterrupt):
        stages.run_recipe(stages.RunContext(changed, small_run))
    assert small_run.path("manifest.json").read_bytes() == before
    assert stages.reopen(small_run).recipe.data.preprocess.scale == "0..1"


def test_a_qat_that_is_stopped_does_so_too(small_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.training.qat import fine_tune

    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    before = small_run.manifest["recipe"]
    monkeypatch.setattr(fine_tune, "fine_tune", stop)
    changed = recipes.parse({**TINY, "qat": {"epochs": 1, "learning_rate": 0.002}})
    with pytest.raises(KeyboardInterrupt):
        stages.run_recipe(stages.RunContext(changed, small_run))
    assert small_run.manifest["recipe"] == before


def test_a_model_that_something_else_wrote_into_the_folder_is_not_converted(small_run: Run) -> None:
    small_run.path("float.keras").write_bytes(b"of another run")
    small_run.path("prepared.tflite").unlink()
    with pytest.raises(InputError, match=r"float\.keras' is not the file that this run made"):
        stages.reopen(small_run)
