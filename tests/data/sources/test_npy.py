"""An NPY file is one array of unlabelled examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.data import load
from pipeline.errors import InputError
from pipeline.recipe import Data


def test_a_path_alone_says_which_source_and_each_row_is_an_example(tmp_path: Path) -> None:
    x = np.arange(60, dtype=np.float32).reshape(20, 3)
    np.save(tmp_path / "x.npy", x)
    data = load(Data.model_validate({"path": tmp_path / "x.npy"}), trains=False)
    np.testing.assert_array_equal(next(data.batches("calibration", 32)).inputs["x"], x)
    assert not data.targets


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (b"nonsense", "not an NPY file"),
        (b"", "not an NPY file"),
        (np.float32(1), "a single value"),
        (np.array(["a", "b"]), "numbers"),
        (np.array([{}], object), "not an NPY file"),
    ],
    ids=["nonsense", "empty", "single", "text", "objects"],
)
def test_what_is_no_array_of_numbers_is_refused(tmp_path: Path, written: object, said: str) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(written) if isinstance(written, bytes) else np.save(path, written)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=said):
        load(Data(source="npz", path=path), trains=False)


def test_a_flat_folder_needs_no_labels_where_nothing_is_trained(tmp_path: Path) -> None:
    from PIL import Image

    folder = tmp_path / "photos"
    folder.mkdir()
    for place in range(5):
        Image.new("RGB", (6, 6), (place, 0, 0)).save(folder / f"{place}.png")
    data = load(Data.model_validate({"path": folder}), trains=False)
    assert data.size("calibration") == 5
    with pytest.raises(InputError, match="no folders"):
        load(Data.model_validate({"path": folder}))
