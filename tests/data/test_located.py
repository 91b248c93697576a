"""Boxes, masks and points go where the image goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.boxes import AREA, CLASS, IGNORED, NO_CLASS
from pipeline.data import Dataset, load
from pipeline.data.augment import Change, changes
from pipeline.data.located import Boxes, Mask, Points, view_of
from pipeline.data.preprocess import ImagePreprocessor
from pipeline.errors import InputError
from pipeline.placement import Placement
from pipeline.recipe import Augment, Data, Preprocess

SIDES = st.integers(20, 60)
PREPROCESS = st.builds(
    Preprocess,
    size=st.tuples(SIDES, SIDES),
    fit=st.sampled_from(["stretch", "crop", "pad"]),
    resize=st.sampled_from(["nearest", "bilinear", "area"]),
)
CHANGES = st.builds(
    lambda flip, shift, scale, seed: changes(
        Augment(flip=flip, shift=shift, scale=scale), np.random.default_rng(seed)
    )(),
    st.booleans(),
    st.floats(0, 0.3),
    st.sampled_from([0.0, 0.5]),
    st.integers(0, 999),
)


@st.composite
def marked(draw: st.DrawFn) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """A black image with a white rectangle, and the rectangle: y_min, x_min, y_max, x_max."""
    height, width = draw(SIDES), draw(SIDES)
    tall, wide = draw(st.integers(6, 14)), draw(st.integers(6, 14))
    top, left = draw(st.integers(0, height - tall)), draw(st.integers(0, width - wide))
    image = np.zeros((height, width, 1), np.uint8)
    image[top : top + tall, left : left + wide] = 255
    return image, (top, left, top + tall, left + wide)


def stored_box(corners: tuple[int, int, int, int], label: int = 3) -> np.ndarray:
    top, left, bottom, right = corners
    return np.array([[*corners, label, 0, (bottom - top) * (right - left)]], np.float32)


@settings(max_examples=150, deadline=None)
@given(marked(), PREPROCESS, CHANGES)
def test_a_mark_in_the_image_lies_in_its_box(image_and_corners, recipe, change):
    image, corners = image_and_corners
    shown = change.image(ImagePreprocessor(recipe)(image))[..., 0]
    (row,) = Boxes(1, 0.0)(stored_box(corners), view_of(image, recipe, change))
    height, width = recipe.size
    if row[CLASS] == NO_CLASS:
        bright: np.ndarray = np.argwhere(shown[2:-2, 2:-2] > 200)  # nothing but what repeats an edge
        assert len(bright) == 0 or change != Change()
        return
    low, high = row[:2] * [height, width], row[2:4] * [height, width]
    rows, columns = np.arange(height) + 0.5, np.arange(width) + 0.5
    inside = (
        ((rows > low[0] + 2.5) & (rows < high[0] - 2.5))[:, None] & (columns > low[1] + 2.5) & (columns < high[1] - 2.5)
    )
    assert (shown[inside] > 127).all()
    if change == Change():
        beside = (
            ((rows < low[0] - 2.5) | (rows > high[0] + 2.5))[:, None]
            | (columns < low[1] - 2.5)
            | (columns > high[1] + 2.5)
        )
        assert (shown[beside] < 128).all()


@settings(max_examples=100, deadline=None)
@given(marked(), PREPROCESS.map(lambda one: one.model_copy(update={"resize": "nearest"})), CHANGES)
def test_a_mask_shows_what_the_image_shows(image_and_corners, recipe, change):
    image, _ = image_and_corners
    view = view_of(image, recipe, change)
    mask = Mask()((image[..., 0] > 0).astype(np.uint8), view)
    resized = ImagePreprocessor(recipe)(image)
    unmoved = view_of(image, recipe, None)
    still = Mask()((image[..., 0] > 0).astype(np.uint8), unmoved)
    assert ((still == 1) == (resized[..., 0] == 255))[still != IGNORED].all()
    assert mask.dtype == np.int32
    assert mask.shape == recipe.size
    inside = inside_of(view.placement, recipe.size)
    assert (mask[~inside] == IGNORED).all()


def inside_of(placement: Placement, size: tuple[int, int]) -> np.ndarray:
    """Which pixels' centres show the stored image."""
    shares = np.stack(np.meshgrid(*((np.arange(side) + 0.5) / side for side in size), indexing="ij"), axis=-1)
    pixels = placement.to_image(shares)
    limits = np.array([placement.height, placement.width])
    return ((pixels > -1e-6) & (pixels < limits + 1e-6)).all(axis=-1)


@settings(max_examples=100, deadline=None)
@given(marked(), PREPROCESS, CHANGES)
def test_the_placement_leads_back_to_the_stored_pixels(image_and_corners, recipe, change):
    image, (top, left, bottom, right) = image_and_corners
    view = view_of(image, recipe, change)
    row = view.placement.row()
    points = np.array([[top, left, 2], [bottom, right, 1]], np.float32)
    prepared = Points((0, 1))(points, view)
    seen = prepared[:, 2] > 0
    back = Placement.of_row(row).to_image(prepared[seen, :2])
    np.testing.assert_allclose(back, points[seen, :2], atol=0.01)
    assert (prepared[~seen] == 0).all()


def test_a_letterbox_is_as_wide_as_the_preprocessing_says():
    image = np.full((50, 100, 3), 9, np.uint8)
    recipe = Preprocess(size=(64, 64), fit="pad", padding=114)
    shown = ImagePreprocessor(recipe)(image)
    assert (shown[:16] == 114).all()
    assert (shown[16:48] == 9).all()
    view = view_of(image, recipe, None)
    assert view.placement == Placement(50, 100, 0.25, 0, 0.75, 1)
    mask = Mask()(np.ones((50, 100), np.uint8), view)
    assert (mask[:16] == IGNORED).all()
    assert (mask[16:48] == 1).all()


def test_a_box_that_a_crop_hides_is_left_out_and_one_that_it_cuts_is_cut_and_keeps_its_area():
    image = np.zeros((40, 80, 3), np.uint8)
    view = view_of(image, Preprocess(size=(40, 40), fit="crop"), None)  # columns 20 to 60
    boxes = np.concatenate(
        [stored_box(c, label) for label, c in enumerate([(0, 0, 10, 20), (0, 0, 10, 25), (0, 5, 10, 40)])]
    )
    rows = Boxes(3, 0.25)(boxes, view)
    assert rows[:, CLASS].tolist() == [2, NO_CLASS, NO_CLASS]
    np.testing.assert_allclose(rows[0, :4], [0, 0, 0.25, 0.5])
    assert rows[0, AREA] == 350
    assert (rows[1:, :4] == 0).all()
    assert Boxes(3, 0.0)(boxes, view)[:, CLASS].tolist() == [1, 2, NO_CLASS]


def test_a_flip_swaps_the_points_that_it_is_told_to():
    points = np.array([[10, 10, 2], [10, 30, 1], [20, 20, 0]], np.float32)
    view = view_of(np.zeros((40, 40, 1), np.uint8), Preprocess(), Change(flip=True))
    np.testing.assert_allclose(Points((1, 0, 2))(points, view), [[0.25, 0.25, 1], [0.25, 0.75, 2], [0, 0, 0]])


@pytest.fixture
def scenes(monkeypatch) -> Iterator[Any]:
    """Loads 12 grey images 20x30 with what a test knows of them: `scenes(y, **section)`."""
    from pipeline import importing

    def made(y: Any, names: list[str] | None = None, **section: Any) -> Dataset:
        images = np.random.default_rng(0).integers(0, 256, (len(y), 20, 30, 1), np.uint8)
        module = type(
            "module",
            (),
            {"examples": staticmethod(lambda: {"train": (images, y)} | ({"class_names": names} if names else {}))},
        )
        monkeypatch.setattr(importing, "module", lambda _: module)
        return load(Data.model_validate({"source": "scenes:examples"} | section))

    return made


def test_boxes_of_arrays_are_filled_up_to_the_most(scenes):
    y = [np.array([[2, 3, 12, 13, index % 2]] * (index % 4), float) for index in range(12)]
    data = scenes(y, targets={"y": {"kind": "boxes"}})
    assert data.targets["y"].shape == (-1, 3, 7)
    assert data.targets["y_placement"].shape == (-1, 6)
    assert data.class_names == ("0", "1")
    batch = next(data.batches("test", 2))
    assert batch.targets["y"].dtype == batch.targets["y_placement"].dtype == np.float32
    there = batch.targets["y"][batch.targets["y"][..., CLASS] >= 0]
    np.testing.assert_allclose(there[:, :4], np.tile([2 / 20, 3 / 30, 12 / 20, 13 / 30], (len(there), 1)), rtol=1e-6)
    assert (there[:, AREA] == 100).all()


@pytest.mark.parametrize(
    ("box", "why"),
    [
        ([12, 3, 2, 13, 0], "1 reversed"),
        ([2, 3, 2, 13, 0], "1 empty"),
        ([2, 3, 12, 63, 0], "outside"),
        ([2, 3, np.nan, 13, 0], "1 without a number"),
        ([2, 3, 12, 13, 0.5], "class 0.5"),
        ([2, 3, 12, 13, 0, 7], "flag 7"),
        ([2, 3, 12, 13], "rows of 5 to 7"),
    ],
)
def test_what_is_no_box_is_named(scenes, box, why):
    y = [np.array([[2, 3, 12, 13, 0]], float)] * 11 + [np.array([box], float)]

    def read_all() -> None:
        data = scenes(y, targets={"y": {"kind": "boxes"}})
        for split in data.splits:
            list(data.batches(split, 4))

    with pytest.raises(InputError, match=why) as error:
        read_all()
    assert "x_train[11]" in str(error.value)


def test_an_array_of_boxes_has_rows_of_no_class_where_there_are_fewer(tmp_path):
    boxes = np.full((12, 4, 5), -1.0)
    boxes[:, 0] = [2, 3, 12, 13, 1]
    boxes[3, 1] = [0, 0, 5, 5, 0]
    np.savez(tmp_path / "a.npz", x=np.zeros((12, 20, 30, 3), np.uint8), y=boxes)
    section = {"source": "npz", "path": tmp_path / "a.npz", "targets": {"y": {"kind": "boxes"}}}
    data = load(Data.model_validate(section))
    assert data.targets["y"].shape == (-1, 2, 7)
    assert data.class_names == ("0", "1")
    assert sum(len(e.targets["y"][n]) for e in data.splits.values() for n in range(len(e))) == 13
    before = data.fingerprint
    boxes[5, 0, 0] = 3
    np.savez(tmp_path / "a.npz", x=np.zeros((12, 20, 30, 3), np.uint8), y=boxes)
    assert load(Data.model_validate(section)).fingerprint != before


def test_boxes_reach_every_split_in_their_share(scenes):
    """Class 1 is in a tenth of the images; without care a test split of 8 often has none of it."""
    rare = [np.array([[2, 3, 12, 13, 0], [2, 3, 12, 13, 1]], float)] * 4
    y = rare + [np.array([[2, 3, 12, 13, 0]], float)] * 36
    for seed in range(5):
        data = scenes(y, ["common", "rare"], targets={"y": {"kind": "boxes"}}, seed=seed)
        assert data.remarks(["test", "train"]) == []
        assert data.size("test") == 8


def test_a_split_without_a_box_of_a_class_is_named_and_one_without_any_box_is_no_error(scenes):
    y = [np.zeros((0, 5))] * 40
    data = scenes(y, ["cat", "dog"], targets={"y": {"kind": "boxes"}})
    assert data.remarks(["test"]) == ["The test split has no box of 2 of the 2 classes: cat, dog."]
    batch = next(data.batches("test", 4))
    assert batch.targets["y"].shape == (4, 1, 7)
    assert (batch.targets["y"][..., CLASS] == NO_CLASS).all()


def test_training_boxes_follow_their_images(scenes):
    y = [np.array([[2, 3, 12, 13, 0]], float)] * 20
    data = scenes(y, targets={"y": {"kind": "boxes"}})
    augment = Augment(flip=True, shift=0.2, scale=0.5)
    first, again = (next(data.batches("train", 10, shuffle_seed=1, augment=augment)) for _ in range(2))
    np.testing.assert_array_equal(first.targets["y"], again.targets["y"])
    plain = next(data.batches("train", 10, shuffle_seed=1))
    assert not np.array_equal(first.targets["y"], plain.targets["y"])
    for row, placed in zip(first.targets["y"][:, 0], first.targets["y_placement"], strict=True):
        if row[CLASS] >= 0 and (row[:2] > 0).all() and (row[2:4] < 1).all():  # whole
            corners = Placement.of_row(placed).to_image(row[:4].reshape(2, 2))
            np.testing.assert_allclose(np.sort(corners, axis=0), [[2, 3], [12, 13]], atol=1e-3)


def test_masks_of_arrays(scenes):
    masks = np.zeros((12, 20, 30), np.uint8)
    masks[:, 5:, 10:] = 2
    masks[:, 0] = 255
    with pytest.raises(InputError, match="ignore: 255"):
        scenes(masks, targets={"y": {"kind": "mask"}})
    data = scenes(masks, targets={"y": {"kind": "mask", "ignore": 255}}, preprocess={"size": [10, 15]})
    assert data.class_names == ("0", "1", "2")
    np.testing.assert_array_equal(next(data.batches("test", 2)).targets["y"][0], masks[0, 1::2, 1::2])
    assert data.remarks() == []


def test_masks_of_another_size_than_their_image_are_named(scenes):
    data = scenes(list(np.zeros((11, 20, 30), np.uint8)), targets={"y": {"kind": "mask"}})
    assert data.class_names == ("0",)
    with pytest.raises(InputError, match=r"mask is of 20 x 31 pixels and the image of 20 x 30"):
        scenes(list(np.zeros((11, 20, 31), np.uint8)), targets={"y": {"kind": "mask"}})


@pytest.mark.parametrize("columns", [2, 3])
def test_points_of_arrays(scenes, columns):
    points = np.array([[[10, 15, 2], [5, 3, 2]]] * 12, float)[..., :columns]
    if columns == 2:
        points[3, 1] = np.nan
    else:
        points[3, 1, 2] = 0
    data = scenes(points, ["nose", "tail"], targets={"y": {"kind": "points", "flip_pairs": [["nose", "tail"]]}})
    assert data.class_names == ()
    assert data.known["y"].class_names == ("nose", "tail")
    every = np.concatenate([b.targets["y"] for split in data.splits for b in data.batches(split, 4)])
    np.testing.assert_allclose(every[:, 0], [[0.5, 0.5, 2]] * 12)
    assert sorted(every[:, 1, 2]) == [0] + [2] * 11
    with pytest.raises(InputError, match="no point 'ear'"):
        scenes(points, ["nose", "tail"], targets={"y": {"kind": "points", "flip_pairs": [["nose", "ear"]]}})


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        ("boxes", {"ignore": 255}),
        ("mask", {"invalid": "skip"}),
        ("points", {"min_visible": 0.5}),
        ("boxes", {"flip_pairs": [[0, 1]]}),
    ],
)
def test_options_of_another_kind_are_refused(scenes, kind, option):
    y = {"boxes": [np.zeros((0, 5))] * 12, "mask": np.zeros((12, 20, 30), int), "points": np.ones((12, 2, 2))}[kind]
    with pytest.raises(InputError, match=next(iter(option))):
        scenes(y, targets={"y": {"kind": kind} | option})


def test_boxes_need_one_image(tmp_path):
    boxes = np.array([[[2, 3, 12, 13, 1]]] * 12)
    np.savez(tmp_path / "a.npz", x=np.zeros((12, 8)), y=boxes)
    with pytest.raises(InputError, match="lie in the one input that is an image"):
        load(Data.model_validate({"source": "npz", "path": tmp_path / "a.npz", "targets": {"y": {"kind": "boxes"}}}))
