"""Embedded examples of every kind: offline, the same every time, and what they say they are."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.data import EMBEDDED, Dataset, load
from pipeline.errors import InputError
from pipeline.recipe import Audio, Data, Input, Window


def batches(data: Dataset) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    every = [batch for split in data.splits for batch in data.batches(split, 64)]
    return (
        {name: np.concatenate([batch.inputs[name] for batch in every]) for name in every[0].inputs},
        {name: np.concatenate([batch.targets[name] for batch in every]) for name in every[0].targets},
    )


@pytest.mark.parametrize(
    ("source", "inputs", "target", "kind", "preprocessor"),
    [
        ("digits", {"x": (8, 8, 1)}, (), "class", "image"),
        ("digits_halves", {"left": (8, 4, 1), "right": (8, 4, 1)}, (), "class", "image"),
        ("digit_scenes", {"x": (96, 96, 3)}, (5, 7), "boxes", "image"),
        ("digit_scenes_masks", {"x": (96, 96, 3)}, (96, 96), "mask", "image"),
        ("diabetes", {"x": (10,)}, (), "value", "table"),
        ("wine", {"x": (13,)}, (), "class", "table"),
        ("breast_cancer", {"x": (30,)}, (), "class", "table"),
        ("photos", {"x": (32, 32, 3)}, (32, 32, 3), "value", "image"),
        ("tones", {"x": (61, 40)}, (), "class", "audio"),
        ("waves", {"x": (24, 3)}, (), "value", "window"),
        ("sentences", {"x": (12,)}, (), "class", "tokens"),
    ],
)
def test_every_kind_of_data_is_there_with_all_four_splits(source, inputs, target, kind, preprocessor):
    data = load(Data(source=source))
    assert {name: spec.shape[1:] for name, spec in data.inputs.items()} == inputs
    assert data.targets["y"].shape == (-1, *target)
    assert data.target_kinds["y"] == kind
    assert {one.describe()["kind"] for one in data.preprocessors.values()} == {preprocessor}
    assert list(data.splits) == ["train", "calibration", "validation", "test"]
    assert bool(data.class_names) == (kind in ("class", "boxes", "mask"))
    assert load(Data(source=source)).fingerprint == data.fingerprint


def test_that_is_all_of_them():
    assert len(EMBEDDED) == 11


def test_the_halves_are_the_digits():
    whole, halves = (next(load(Data(source=name)).batches("test", 16)) for name in ("digits", "digits_halves"))
    np.testing.assert_array_equal(
        np.concatenate([halves.inputs["left"], halves.inputs["right"]], axis=2), whole.inputs["x"]
    )
    np.testing.assert_array_equal(halves.targets["y"], whole.targets["y"])


def test_the_noise_of_photos_has_the_deviation_it_says():
    inputs, targets = batches(load(Data(source="photos")))
    between = (targets["y"] > 80) & (targets["y"] < 170)  # no noise is clipped there
    assert (inputs["x"] - targets["y"])[between].std() == pytest.approx(25, rel=0.02)


def test_columns_of_an_embedded_table_can_be_inputs_of_their_own():
    given = {"body": Input(columns=("bmi", "bp")), "person": Input(columns=("age",), standardize=False)}
    data = load(Data(source="diabetes", inputs=given))
    assert {name: spec.shape[1:] for name, spec in data.inputs.items()} == {"body": (2,), "person": (1,)}
    inputs, _ = batches(data)
    assert 18 < inputs["person"].min() < inputs["person"].max() < 80


def test_an_unknown_column_of_an_embedded_table_is_named_with_the_nearest():
    with pytest.raises(InputError, match=r"data\.inputs\.x\.columns: there is no column 'bmj'\. Did you mean 'bmi'"):
        load(Data(source="diabetes", inputs={"x": Input(columns=("bmj",))}))


def test_tones_can_be_told_apart_by_their_spectra():
    data = load(Data(source="tones", audio=Audio(sample_rate=8000, seconds=0.5, mels=32)))
    inputs, targets = batches(data)
    loudest = inputs["x"].argmax(axis=2).astype(float)
    rise = loudest[:, -5:].mean(axis=1) - loudest[:, :5].mean(axis=1)
    by_kind = {name: rise[targets["y"] == index].mean() for index, name in enumerate(data.class_names)}
    assert by_kind["rising"] > 3
    assert by_kind["falling"] < -2
    assert abs(by_kind["sine"]) < 0.5


def test_the_load_of_waves_follows_the_temperature_and_the_horizon():
    series = load(Data(source="waves", window=Window(length=24, horizon=0), inputs={"x": Input(standardize=False)}))
    inputs, targets = batches(series)
    np.testing.assert_array_equal(targets["y"], inputs["x"][:, -1, 0])
    assert np.corrcoef(inputs["x"][:, -1, 0], inputs["x"][:, -1, 1])[0, 1] < -0.5


def test_the_words_of_sentences_decide_their_class():
    inputs, targets = batches(load(Data(source="sentences")))
    tokens = inputs["x"]
    assert tokens.dtype == np.int32
    assert (tokens.min(), tokens.max()) == (0, 39)
    opinion = np.where(tokens == 0, 0, np.where(tokens <= 5, 1, np.where(tokens <= 10, -1, 0)))
    after_not = np.pad(tokens == 11, ((0, 0), (1, 0)))[:, :-1]
    said = np.where(after_not, -opinion, opinion).sum(axis=1)
    np.testing.assert_array_equal(targets["y"], said > 0)
    assert 0.3 < targets["y"].mean() < 0.7


def test_scenes_have_boxes_tight_around_the_masks_of_their_digits():
    boxes, masks = load(Data(source="digit_scenes")), load(Data(source="digit_scenes_masks"))
    for one, other in zip(boxes.batches("test", 50), masks.batches("test", 50), strict=True):
        np.testing.assert_array_equal(one.inputs["x"], other.inputs["x"])
        for rows, mask in zip(one.targets["y"], other.targets["y"], strict=True):
            drawn = rows[rows[:, 4] >= 0]
            seen = np.zeros(mask.shape, bool)
            for row in drawn:
                top, left, bottom, right = np.round(row[:4] * 96).astype(int)
                mine = mask[top:bottom, left:right] == row[4] + 1
                seen[top:bottom, left:right] = True
                if len(drawn) == 1:  # nothing covers it
                    assert mine.any(axis=1)[[0, -1]].all()
                    assert mine.any(axis=0)[[0, -1]].all()
            assert (mask[~seen] == 0).all()


def test_scenes_have_up_to_five_digits_that_hardly_overlap_and_some_have_none():
    data = load(Data(source="digit_scenes"))
    counts = []
    for batch in data.batches("train", 50):
        for rows in batch.targets["y"]:
            corners = rows[rows[:, 4] >= 0, :4].astype(np.float64)
            counts.append(len(corners))
            for index, one in enumerate(corners):
                for other in corners[:index]:
                    shared = np.clip(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0, None).prod()
                    assert shared <= 0.1001 * min((box[2:] - box[:2]).prod() for box in (one, other))
    assert {0, 1, 2, 3, 4, 5} == set(counts)
    assert 0.02 < counts.count(0) / len(counts) < 0.1
