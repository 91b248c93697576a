from __future__ import annotations

import numpy as np

from pipeline.data.augment import changes
from pipeline.recipe import Augment

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
