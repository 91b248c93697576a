from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.data import load
from pipeline.data.augment import Change, changes
from pipeline.placement import Placement
from pipeline.recipe import Augment, Data

IMAGE = np.arange(100, dtype=np.float32).reshape(10, 10, 1)


def many(augment: Augment) -> list[np.ndarray]:
    draw = changes(augment, np.random.default_rng(0))
    return [draw().image(IMAGE) for _ in range(200)]


def test_a_flip_happens_half_of_the_time():
    flipped = [np.array_equal(image, IMAGE[:, ::-1]) for image in many(Augment(flip=True))]
    kept = [np.array_equal(image, IMAGE) for image in many(Augment(flip=True))]
    assert 70 < sum(flipped) < 130
    assert sum(flipped) + sum(kept) == 200


def test_a_shift_moves_by_up_to_its_share_and_repeats_the_edge():
    moves = set()
    for image in many(Augment(shift=0.2)):
        centre = int(image[5, 5, 0])
        down, right = 5 - centre // 10, 5 - centre % 10
        moves.add((down, right))
        expected = IMAGE[np.clip(np.arange(10) - down, 0, 9)][:, np.clip(np.arange(10) - right, 0, 9)]
        assert np.array_equal(image, expected)
    assert {max(abs(down), abs(right)) for down, right in moves} == {0, 1, 2}


def test_the_same_chances_give_the_same_images():
    augment = Augment(flip=True, shift=0.3)
    assert all(np.array_equal(a, b) for a, b in zip(many(augment), many(augment), strict=True))


def test_what_a_seed_draws_for_flips_and_shifts_stays_as_it_was():
    """Three values an example, as before there were other changes."""
    rng, draw = np.random.default_rng(5), changes(Augment(flip=True, shift=0.2), np.random.default_rng(5))
    for _ in range(20):
        toss, down, right = rng.random(3)
        change = draw()
        assert change.flip == (toss < 0.5)
        np.testing.assert_allclose(change.move, ((2 * down - 1) * 0.2, (2 * right - 1) * 0.2))


def test_a_scale_grows_and_shrinks_by_up_to_its_factor_and_shows_another_part_each_time():
    draw = changes(Augment(scale=0.5), np.random.default_rng(0))
    drawn = [draw() for _ in range(300)]
    zooms = np.array([change.zoom for change in drawn])
    assert 1 / 1.5 <= zooms.min() < 0.7
    assert 1.45 < zooms.max() <= 1.5
    assert abs(np.median(np.log(zooms))) < 0.06
    inside = Placement(10, 10)
    for change in drawn:
        placed = change.placement(inside, (10, 10))
        if change.zoom >= 1:  # nothing from outside comes in
            assert max(placed.top, placed.left) <= 1e-9
            assert min(placed.bottom, placed.right) >= 1 - 1e-9
        else:  # nothing goes out
            assert min(placed.top, placed.left) >= -1e-9
            assert max(placed.bottom, placed.right) <= 1 + 1e-9


@pytest.mark.parametrize("augment", [Augment(shift=0.3, fill="mean"), Augment(scale=1, shift=0.2, fill="mean")])
def test_what_comes_in_is_the_mean_where_that_is_asked_for_and_counts_for_nothing_in_a_mask(augment):
    mask = np.ones((10, 10), np.int32)
    draw = changes(augment, np.random.default_rng(0))
    for _ in range(50):
        change = draw()
        moved, shown = change.image(IMAGE), change.mask(mask) == 1
        assert (moved[~shown] == IMAGE.mean()).all()
        edge = replace(change, fill="edge").image(IMAGE)
        np.testing.assert_array_equal(moved[shown], edge[shown])


def test_a_zoomed_image_keeps_its_type_and_range():
    image = np.random.default_rng(0).random((9, 12, 3)).astype(np.float32)
    for change in (changes(Augment(scale=1, flip=True), np.random.default_rng(seed))() for seed in range(20)):
        zoomed = change.image(image)
        assert zoomed.dtype == np.float32
        assert zoomed.shape == image.shape
        assert image.min() <= zoomed.min() <= zoomed.max() <= image.max()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_colours_change_stored_images_within_their_range(dtype):
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(dtype)
    assert Change().tinted(image) is image
    brighter = Change(colour=(1.5, 1, 1)).tinted(image)
    assert brighter.dtype == dtype
    np.testing.assert_allclose(brighter, np.minimum(image * 1.5, 255 if dtype == np.uint8 else 9999), atol=0.51)
    flat = Change(colour=(1, 0, 1)).tinted(image)
    assert np.ptp(flat) < 1
    grey = Change(colour=(1, 1, 0)).tinted(image)
    assert np.ptp(grey.astype(float), axis=2).max() < 1
    assert np.ptp(Change(colour=(1, 1, 0)).tinted(image[..., :1]) - image[..., :1].astype(float)) < 1


def test_training_sees_other_colours_every_epoch_and_the_same_by_seed():
    section = Data(source="photos", augment={"colour": 0.4, "scale": 0.3, "flip": True})
    data = load(section)

    def epoch(seed, **how):
        return next(data.batches("train", 40, shuffle_seed=seed, **how))

    first, again = (epoch(1, augment=section.augment) for _ in range(2))
    plain, other = epoch(1), epoch(2, augment=section.augment)
    np.testing.assert_array_equal(first.inputs["x"], again.inputs["x"])
    assert not np.array_equal(first.inputs["x"], plain.inputs["x"])
    assert not np.array_equal(first.inputs["x"], other.inputs["x"])
    noise = np.abs(plain.inputs["x"] - plain.targets["y"]).mean()  # both images are changed alike
    assert np.abs(first.inputs["x"] - first.targets["y"]).mean() < 1.5 * noise
