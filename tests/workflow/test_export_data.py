"""From what `--data` is given to a recipe's data section that fits the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline import recipe
from pipeline.data import Dataset, load
from pipeline.errors import InputError
from pipeline.tensors import TensorSpec
from pipeline.workflow.export_data import data_section

RANDOM = np.random.default_rng(3)


def spec(name: str, *sides: int) -> TensorSpec:
    return TensorSpec(name, (-1, *sides), np.dtype(np.float32))


def section(given: Path | str, *inputs: TensorSpec, **data: Any) -> dict[str, Any]:
    content: dict[str, Any] = {"name": "data", "model": {}, "data": data}
    data_section(str(given), content, inputs)
    found: dict[str, Any] = content["data"]
    return found


def arrays(folder: Path, **given: Any) -> Path:
    np.savez(folder / "data.npz", **given)
    return folder / "data.npz"


def numbers(*sides: int) -> np.ndarray:
    return RANDOM.normal(size=(40, *sides)).astype(np.float32)


def test_arrays_that_are_called_as_the_inputs(tmp_path: Path) -> None:
    path = arrays(tmp_path, left=numbers(3), right=numbers(2), unused=numbers(9))
    found = section(path, spec("left", 3), spec("right", 2))
    assert (set(found["inputs"]), found["targets"]) == ({"left", "right"}, {})


def test_the_only_array_is_the_only_input_and_y_its_labels(tmp_path: Path) -> None:
    found = section(arrays(tmp_path, photographs=numbers(3), y=np.arange(40) % 2), spec("image", 3))
    assert found["inputs"] == {"x": {"from": "photographs"}}
    data = load(recipe.parse({"name": "d", "model": {}, "data": found}).data)
    assert data.class_names == ("0", "1")


def opened(found: dict[str, Any]) -> Dataset:
    return load(recipe.parse({"name": "d", "model": {}, "data": found}).data, trains=False)


def test_all_examples_are_for_calibration(tmp_path: Path) -> None:
    found = section(arrays(tmp_path, x=numbers(3)), spec("x", 3))
    assert opened(found).size("calibration") == 40


def test_one_array_without_a_name_or_labels(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", numbers(3))
    data = opened(section(tmp_path / "x.npy", spec("image", 3)))
    assert (data.size("calibration"), dict(data.targets)) == (40, {})


def test_the_users_own_names_win(tmp_path: Path) -> None:
    own = {"x": {"from": "b"}}
    assert section(arrays(tmp_path, a=numbers(3), b=numbers(3)), spec("a", 3), inputs=own)["inputs"] == own


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_a_model_of_whole_numbers_gets_pixels_as_they_are(tmp_path: Path, dtype: str) -> None:
    pixels = RANDOM.integers(0, 256, (40, 6, 5, 3), np.uint8)
    takes = TensorSpec("image", (-1, 6, 5, 3), np.dtype(dtype))
    found = section(arrays(tmp_path, x_train=pixels), takes)
    data = load(recipe.parse({"name": "d", "model": {}, "data": found}).data, trains=False)
    batch = next(iter(data.batches("calibration", 4)))
    [given] = batch.inputs.values()
    assert given.dtype == dtype
    assert set(given.reshape(-1)) <= set(range(256))
    assert any(np.array_equal(given[0], image) for image in pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("sides", [(6, 6, 3), (6, 6, 1), (6, 6)])
def test_pixels_need_a_scale_and_keep_their_shape(tmp_path: Path, dtype: Any, sides: tuple[int, ...]) -> None:
    path = arrays(tmp_path, x=RANDOM.integers(0, 256, (20, *sides)).astype(dtype))
    wanted = spec("x", 6, 6, sides[2] if len(sides) > 2 else 1)
    with pytest.raises(InputError, match=r"data\.preprocess\.scale"):
        section(path, wanted)
    found = section(path, wanted, preprocess={"scale": "raw"})
    assert opened(found).inputs["x"].shape == wanted.shape


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_arrays_of_another_shape_are_not_resized(tmp_path: Path, dtype: Any) -> None:
    path = arrays(tmp_path, x=RANDOM.integers(0, 256, (20, 49, 13, 1)).astype(dtype))
    found = section(path, spec("x", 49, 10, 1), preprocess={"scale": "raw"})
    assert opened(found).inputs["x"].shape == (-1, 49, 13, 1)


@pytest.mark.parametrize(
    ("values", "sides"),
    [
        (RANDOM.normal(size=(20, 6, 6, 3)), (6, 6, 3)),
        (RANDOM.integers(0, 90, (20, 12)), (12,)),
        (RANDOM.integers(0, 256, (20, 6, 6, 6), np.uint8), (6, 6, 6)),
        (RANDOM.integers(0, 256, (20, 2, 6, 6, 3), np.uint8), (2, 6, 6, 3)),
        (RANDOM.integers(0, 256, (20, 9), np.uint8), (9,)),
    ],
    ids=["floats", "tokens", "six channels", "clips", "bytes"],
)
def test_what_is_no_image_stays_as_it_is(tmp_path: Path, values: np.ndarray, sides: tuple[int, ...]) -> None:
    assert "preprocess" not in section(arrays(tmp_path, x=values), spec("x", *sides))


def test_a_folder_of_images_needs_no_classes(tmp_path: Path) -> None:
    for index in range(12):
        Image.fromarray(RANDOM.integers(0, 256, (6, 6, 3)).astype(np.uint8)).save(tmp_path / f"{index}.png")
    found = section(tmp_path, spec("x", 4, 4, 1), preprocess={"scale": "0..1"})
    data = opened(found)
    assert data.targets == {}
    assert data.size("calibration") == 12
    assert data.inputs["x"].shape == (-1, 4, 4, 1)


def test_a_tables_numbers_are_taken_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b,label\n" + "".join(f"{row},{row / 2},{row % 2}\n" for row in range(40)))
    data = load(recipe.parse({"name": "d", "model": {}, "data": section(path, spec("x", 2))}).data)
    batch = next(data.batches("calibration", 4))
    assert np.array_equal(batch.inputs["x"][:, 1], batch.inputs["x"][:, 0] / 2)
    assert batch.inputs["x"].max() > 3
    assert data.class_names == ("0", "1")


def test_a_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_examples.py").write_text(
        "import numpy as np\ndef give():\n    return {'train': {'x': np.zeros((20, 3), np.float32)}}\n"
    )
    monkeypatch.chdir(tmp_path)
    found = section("my_examples:give", spec("x", 3))
    assert found["source"] == "my_examples:give"
    assert "path" not in found
