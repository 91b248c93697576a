from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.data import load, open_source
from pipeline.data.sources.keras import CLASS_NAMES
from pipeline.errors import InputError, PipelineError
from pipeline.recipe import Data


def fill(folder: Path, shape: tuple[int, ...]) -> None:
    """What a download leaves behind."""
    folder.mkdir(parents=True)
    for split, count in (("train", 60), ("test", 20)):
        np.save(folder / f"x_{split}.npy", np.zeros((count, *shape), np.uint8))
        np.save(folder / f"y_{split}.npy", (np.arange(count) % 10).astype(np.uint8)[:, None])


@pytest.mark.parametrize(
    ("name", "stored", "shape"), [("cifar10", (32, 32, 3), (32, 32, 3)), ("mnist", (28, 28), (28, 28, 1))]
)
def test_what_was_downloaded_once_is_read_from_the_cache(cache, name, stored, shape):
    fill(cache / "keras" / name, stored)
    data = load(Data(source=f"keras:{name}"))
    assert data.inputs["x"].shape[1:] == shape
    assert data.class_names == CLASS_NAMES[name]
    assert data.size("test") == 20
    assert data.size("train") + data.size("calibration") + data.size("validation") == 60


def test_an_unknown_data_set_gets_a_hint():
    with pytest.raises(InputError, match=r"no 'keras:cifar'\. Did you mean 'cifar10'"):
        open_source(Data(source="keras:cifar"))


def test_a_failed_download_ends_with_its_reason_and_leaves_nothing_behind(cache, monkeypatch, tmp_path):
    broken = tmp_path / "path" / "tf_keras"
    (broken / "datasets").mkdir(parents=True)
    (broken / "__init__.py").write_text("")
    (broken / "datasets" / "__init__.py").write_text("")
    (broken / "datasets" / "mnist.py").write_text("def load_data(): raise OSError('no route to host')")
    monkeypatch.setenv("PYTHONPATH", str(broken.parent))
    with pytest.raises(PipelineError, match="keras:mnist could not be fetched: OSError: no route to host") as raised:
        open_source(Data(source="keras:mnist"))
    assert str(cache / "keras" / "mnist") in str(raised.value)
    assert list((cache / "keras").iterdir()) == []


def test_a_download_is_kept(cache, monkeypatch, tmp_path):
    package = tmp_path / "path" / "tf_keras"
    (package / "datasets").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "datasets" / "__init__.py").write_text("")
    (package / "datasets" / "mnist.py").write_text(
        "import numpy as np\n"
        "def load_data():\n"
        "    part = np.full((10, 28, 28), 5, np.uint8), np.arange(10)\n"
        "    return part, part\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    for _ in range(2):
        source = open_source(Data(source="keras:mnist"))
        assert (source.splits["test"][3]["x"] == 5).all()
        (package / "datasets" / "mnist.py").write_text("raise OSError('asked twice')")
    assert {path.name for path in (cache / "keras" / "mnist").iterdir()} == {
        "x_train.npy",
        "y_train.npy",
        "x_test.npy",
        "y_test.npy",
    }


def test_every_data_set_has_all_its_class_names():
    counts = {name: len(set(names)) for name, names in CLASS_NAMES.items()}
    assert counts == {"mnist": 10, "fashion_mnist": 10, "cifar10": 10, "cifar100": 100}
