"""Folders of masks in the layouts that people have, and what is wrong with other people's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.boxes import IGNORED
from pipeline.data import Dataset, load
from pipeline.errors import InputError
from pipeline.recipe import Data

MASK = np.zeros((12, 16), np.uint8)
MASK[2:5, 3:9] = 1
MASK[6:9, 3:9] = 2
COLOURS = {"ground": [0, 0, 0], "cat": [255, 0, 0], "dog": [0, 0, 255]}


def read(path: Path, **target) -> Dataset:
    section = {"targets": {"y": {"kind": "mask"} | target}} if target else {}
    return load(Data.model_validate({"source": "masks", "path": path} | section))


def read_all(path: Path, **target) -> list[np.ndarray]:
    data = read(path, **target)
    return [mask for split in data.splits for batch in data.batches(split, 4) for mask in batch.targets["y"]]


@pytest.fixture
def write(tmp_path, make_image):
    """Write 12 images and a mask each: `write(mask, images, masks, name)`."""

    def made(mask=MASK, images="images", masks="masks", name="{}.png", mode=None, count=12) -> Path:
        for number in range(count):
            make_image(tmp_path / images / f"{number:02}.jpg", colour=number, size=(12, 16))
            path = tmp_path / masks / name.format(f"{number:02}")
            path.parent.mkdir(parents=True, exist_ok=True)
            image = Image.fromarray(mask)
            if mode == "P":
                image = image.convert("P")
                image.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
                image.putdata(list(mask.reshape(-1)))
            image.save(path)
        return tmp_path

    return made


@pytest.mark.parametrize("mode", [None, "P"])
@pytest.mark.parametrize(
    ("images", "masks", "name"),
    [
        ("images", "masks", "{}.png"),
        ("JPEGImages", "SegmentationClass", "{}.png"),
        ("images/train", "masks/train", "{}_mask.png"),
        ("train/images", "train/masks", "{}_L.png"),
        ("train", "train/masks", "{}.png"),
    ],
)
def test_an_index_a_pixel(write, mode, images, masks, name):
    root = write(images=images, masks=masks, name=name, mode=mode)
    data = read(root)
    assert data.class_names == ("0", "1", "2")
    found = read_all(root)
    assert len(found) == 12
    for mask in found:
        np.testing.assert_array_equal(mask, MASK)


def painted(mask: np.ndarray) -> np.ndarray:
    return np.array(list(COLOURS.values()), np.uint8)[mask]


def test_a_colour_a_class(write):
    root = write(painted(MASK))
    assert read(root, colours=COLOURS).class_names == ("ground", "cat", "dog")
    np.testing.assert_array_equal(read_all(root, colours=COLOURS)[0], MASK)
    without = {name: COLOURS[name] for name in ("ground", "cat")}
    with pytest.raises(InputError, match=r"the colour \[0, 0, 255\] at y 6, x 3 and 18 pixels"):
        read_all(root, colours=without)
    ignored = read_all(root, colours=without, ignore=[0, 0, 255])[0]
    np.testing.assert_array_equal(ignored, np.where(MASK == 2, IGNORED, MASK))
    with pytest.raises(InputError, match="is in colours"):
        read_all(root)


@pytest.mark.parametrize("name", ["{0}/{1}.png", "{1}/{0}.png"])
def test_a_file_a_class(write, name):
    root = write(count=12)
    for path in (root / "masks").glob("*.png"):
        path.unlink()
    for number in range(12):
        for index, label in enumerate(("cat", "dog"), 1):
            path = root / "masks" / name.format(f"{number:02}", label)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(((index == MASK) * 255).astype(np.uint8)).save(path)
    assert read(root).class_names == ("background", "cat", "dog")
    for mask in read_all(root):
        np.testing.assert_array_equal(mask, MASK)


def test_an_index_that_counts_for_nothing_is_declared(write):
    odd = MASK.copy()
    odd[0] = 255
    root = write(odd)
    with pytest.raises(InputError, match=r"index 255, .* ignore: 255"):
        read_all(root)
    np.testing.assert_array_equal(read_all(root, ignore=255)[0], odd)
    assert read(root, ignore=255).class_names == ("0", "1", "2")
    other = MASK.copy()
    other[0] = 9
    root = write(other)
    np.testing.assert_array_equal(read_all(root, ignore=9)[0], odd)


def test_black_and_white_masks_are_told_what_they_need(write):
    root = write((MASK > 0).astype(np.uint8) * 255)
    with pytest.raises(InputError, match="black and white"):
        read_all(root)
    colours = {"ground": [0, 0, 0], "thing": [255, 255, 255]}
    np.testing.assert_array_equal(read_all(root, colours=colours)[0], MASK > 0)


def test_classes_beyond_the_names_are_refused(write, tmp_path):
    root = write()
    (tmp_path / "labels.txt").write_text("ground\ncat\n")
    with pytest.raises(InputError, match="has the index 2, and there are 2 classes"):
        load(Data(source="masks", path=root, labels=tmp_path / "labels.txt"))


def test_masks_of_another_size_are_named(write):
    root = write()
    Image.fromarray(MASK[:6]).save(root / "masks" / "03.png")
    with pytest.raises(InputError, match=r"1 masks are of another size .*03\.png \(6 x 16, the image 12 x 16\)"):
        read(root)


def test_images_without_a_mask_are_named(write):
    root = write()
    (root / "masks" / "03.png").unlink()
    with pytest.raises(InputError, match=r"1 of the 12 images have no mask: .*03\.jpg"):
        read(root)
    data = load(Data(source="masks", path=root, on_corrupt="skip"))
    assert sum(map(len, data.splits.values())) == 11
    assert "have no mask and were left out" in data.remarks()[0]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("as_stored", [True, False])
def test_a_mask_of_a_turned_photo_lies_on_its_pixels(write, orientation, as_stored):
    """One of the stored size was drawn on the stored pixels, one of the upright size on those."""
    root = write()
    exif = Image.Exif()
    exif[0x0112] = orientation
    for path in (root / "images").glob("*.jpg"):
        Image.fromarray((MASK > 0).astype(np.uint8) * 255).save(path.with_suffix(".png"), exif=exif)
        path.unlink()
    data = read(root)
    upright = data.split("test")[0]["x"][..., 0] > 0
    if not as_stored or orientation < 5:
        for path in (root / "masks").glob("*.png"):
            Image.fromarray(upright.astype(np.uint8)).save(path)
    np.testing.assert_array_equal(read(root).split("test").targets["y"][0] > 0, upright)


def test_changing_one_mask_changes_the_fingerprint(write):
    root = write()
    before = read(root).fingerprint
    Image.fromarray(MASK[::-1]).save(root / "masks" / "03.png")
    assert read(root).fingerprint != before


def test_lists_of_the_challenge_divide_the_images(write):
    root = write(images="JPEGImages", masks="SegmentationClass")
    sets = root / "ImageSets" / "Segmentation"
    sets.mkdir(parents=True)
    (sets / "train.txt").write_text("".join(f"{number:02}\n" for number in range(8)))
    (sets / "val.txt").write_text("08\n09\n")
    data = read(root)
    assert data.size("validation") == 2
    assert sum(map(len, data.splits.values())) == 10
