"""How points are judged: in the stored image's pixels, by the object's size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.placement import Placement
from pipeline.tasks.keypoints import Keypoints
from tests.tasks.tensors_of import model, tensor

POINTS = np.array([[[0.2, 0.2, 2], [0.2, 0.6, 1], [0.6, 0.2, 2], [0.9, 0.9, 0]]], np.float32)
"""The object is 40 pixels high and wide, of 100×100; the last point is not known."""


def made(*shape: int, **options: Any) -> Keypoints:
    return Keypoints(output=tensor("y", *shape), target="p", points=4, input_size=(100, 100), **options)


TASK = made(4, 2)


def judged(task: Keypoints, values: np.ndarray, **besides: Any) -> dict[str, float]:
    return task.reduce(task.finalize(task.statistics({"y": values}, {"p": POINTS, **besides})))


def test_a_point_is_near_within_a_share_of_the_objects_size() -> None:
    off = POINTS[..., :2].copy()
    off[0, :, 0] += [0.039, 0.041, 0.0, 0.5]
    found = judged(TASK, off)
    assert found["pck"] == 2 / 3
    area, sigma = 40 * 40, 0.05
    wanted = np.mean([np.exp(-(d**2) / (2 * area * (2 * sigma) ** 2)) for d in (3.9, 4.1, 0)])
    assert found["oks"] == pytest.approx(wanted, rel=1e-4)
    assert judged(made(4, 2, pck_at=0.2), off)["pck"] == 1
    assert judged(made(4, 2, pck_at=0.04, size_of="image"), off)["pck"] == 2 / 3
    assert judged(made(4, 2, sigmas=(1.0, 1.0, 1.0, 1.0)), off)["oks"] > 0.99


def test_distances_are_in_the_stored_images_pixels() -> None:
    """Squeezed to half its width, an image of 100×200: 0.03 across are 6 pixels, of 80."""
    off = POINTS[..., :2].copy()
    off[0, 0, 1] += 0.05
    assert judged(TASK, off)["pck"] == 2 / 3
    assert judged(TASK, off, p_placement=Placement(100, 200).row()[None])["pck"] == 2 / 3
    assert judged(TASK, off, p_placement=Placement(200, 100).row()[None])["pck"] == 1


@pytest.mark.parametrize(
    ("task", "values"),
    [
        (made(4, 2, order="xy"), POINTS[..., (1, 0)]),
        (made(4, 2, units="pixels"), POINTS[..., :2] * 100),
        (made(8), POINTS[..., :2].reshape(1, 8)),
        (made(1, 1, 12, order="xy", units="pixels"), (POINTS[..., (1, 0, 2)] * 100).reshape(1, 1, 1, 12)),
        (made(4, 3), POINTS),
    ],
    ids=["xy", "pixels", "flat", "flat, three values", "three values"],
)
def test_coordinates_as_models_give_them(task: Keypoints, values: np.ndarray) -> None:
    assert judged(task, values)["pck"] == 1
    assert judged(task, values)["oks"] == pytest.approx(1)


def test_heat_maps() -> None:
    task = made(20, 20, 4)
    heat = task.training_targets({"p": POINTS})["y"]
    assert heat.shape == (1, 20, 20, 4)
    assert heat[..., 3].max() == 0
    assert judged(task, heat)["pck"] == 1
    single = np.zeros((1, 20, 20, 4), np.float32)
    single[0, 3, 5] = 1
    single[0, 4, 5] = 0.5
    np.testing.assert_allclose(task.answer(single)[0, 0], [3.75 / 20, 5.5 / 20])
    assert task.losses == {"y": "mse"}


def test_training_of_coordinates() -> None:
    assert TASK.losses == {"y": "masked_l1"}
    found = TASK.training_targets({"p": POINTS})["y"]
    np.testing.assert_allclose(found[0, :, 2], [1, 1, 1, 0])
    np.testing.assert_allclose(found[0, :3, :2], POINTS[0, :3, :2])
    turned = made(4, 2, order="xy", units="pixels").training_targets({"p": POINTS})["y"]
    np.testing.assert_allclose(turned[0, 1, :2], [60, 20], rtol=1e-6)


def test_agreement_is_the_share_of_points_near_the_references() -> None:
    off = POINTS[..., :2].copy()
    off[0, 0] += 0.2
    np.testing.assert_allclose(TASK.agreement({"y": POINTS[..., :2]}, {"y": off}), [3 / 4])


def test_nothing_known() -> None:
    unknown = POINTS * [1, 1, 0]
    statistics = TASK.statistics({"y": POINTS[..., :2]}, {"p": unknown})
    assert np.isnan(statistics[0, 2])
    with pytest.raises(InputError, match="None of the 1 examples has a point that is known"):
        TASK.finalize(statistics)


def test_what_is_refused() -> None:
    target = {"p": tensor("p", 4, 3)}
    TASK.check(model(TASK.output), target)
    with pytest.raises(InputError, match=r"coordinates \[batch, 4, 2 or 3\] .* 'y' is \[\?, 10\]"):
        made(10).check(model(tensor("y", 10)), target)
    with pytest.raises(InputError, match="The data's points must be the model's"):
        made(20, 20, 5).check(model(tensor("y", 20, 20, 5)), target)
    with pytest.raises(InputError, match="sigmas has 2 values for 4 points"):
        made(4, 2, sigmas=(1.0, 2.0)).check(model(tensor("y", 4, 2)), target)
    with pytest.raises(InputError, match=r"data\.targets\.p\.kind=points"):
        TASK.check(model(TASK.output), {"p": tensor("p", 4, 2)})
