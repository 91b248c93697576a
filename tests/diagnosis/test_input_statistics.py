"""Inputs of every kind are measured channel by channel, and messages call them what they are."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.data.examples import Examples
from pipeline.diagnosis.checks import flat_inputs
from pipeline.diagnosis.copies import Copies
from pipeline.diagnosis.input_statistics import InputKind, InputStatistics

F32 = np.dtype(np.float32)


def kind(name: str, shape: tuple[int, ...], dtype: str = "float32", **described: str) -> InputKind:
    return InputKind.of(name, described, shape, np.dtype(dtype))


def measured(of: InputKind, *batches: np.ndarray) -> InputStatistics:
    found, start = InputStatistics(of), 0
    for batch in batches:
        found.add(np.arange(start, start + len(batch)), batch)
        start += len(batch)
    return found


@pytest.mark.parametrize(
    ("described", "shape", "channels", "nouns"),
    [
        ("image", (8, 8, 3), 3, "images"),
        ("audio", (61, 40), 1, "recordings"),
        ("table", (5,), 5, "rows"),
        ("window", (32, 6), 6, "windows"),
        ("tokens", (16,), 1, "sequences"),
        ("values", (4,), 4, "examples"),
        ("values", (9, 4), 4, "examples"),
        ("values", (2, 9, 4), 1, "examples"),
    ],
)
def test_what_has_a_range_of_its_own(described: str, shape: tuple[int, ...], channels: int, nouns: str) -> None:
    found = kind("x", shape, kind=described)
    assert (found.channels, found.nouns) == (channels, nouns)


def test_where_nothing_is_said_three_axes_of_one_or_three_channels_are_an_image() -> None:
    assert kind("x", (8, 8, 3)).kind == kind("x", (8, 8, 1)).kind == "image"
    assert kind("x", (8, 8, 5)).kind == kind("x", (64,)).kind == "values"


def test_a_table_s_columns_have_their_own_ends() -> None:
    found = measured(kind("x", (2,), kind="table"), np.array([[1.0, -5.0]]), np.array([[3.0, -9.0], [2.0, 7.0]]))
    assert (found.low.tolist(), found.high.tolist()) == ([1.0, -9.0], [3.0, 7.0])
    assert (found.count, found.constant) == (3, 0)


def test_integers_and_flags_are_measured_too() -> None:
    found = measured(kind("x", (3,), "int32", kind="tokens"), np.array([[4, 9, 0]], np.int32))
    assert found.ends == (0.0, 9.0)
    assert found.of.integer
    flags = measured(kind("f", (2,), "bool"), np.array([[True, False]]))
    assert flags.ends == (0.0, 1.0)


def test_copies_are_alike_in_all_inputs_together() -> None:
    copies = Copies([kind("a", (2,)), kind("b", (1,), "int32")])
    a, b = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]), np.array([[1], [2], [1]])
    assert copies.add(np.arange(3), {"a": a, "b": b}).exact == [(2, 0)]
    assert copies.of(np.array([7]), {"a": a[:1], "b": b[1:2]}).exact == [(7, 1)]


def test_near_copies_are_looked_for_among_images_only() -> None:
    assert Copies([kind("x", (8, 8, 1))]).has_near
    assert not Copies([kind("x", (8, 8, 1), kind="window")]).has_near
    assert not Copies([kind("x", (8, 8, 1)), kind("t", (3,))]).has_near


@pytest.mark.parametrize(("described", "word"), [("table", "rows"), ("audio", "recordings"), ("window", "windows")])
def test_messages_about_what_is_no_image_do_not_speak_of_images(described: str, word: str) -> None:
    shape = {"table": (3,), "audio": (4, 2), "window": (4, 2)}[described]
    flat = np.zeros((10, *shape), np.float32)
    varied = np.random.default_rng(0).normal(size=(10, *shape)).astype(np.float32)
    of = kind("sensor", shape, kind=described)
    found = flat_inputs.saturation(measured(of, flat), _names(), measured(of, varied), "test", 2)
    told = " ".join(f"{one.message} {one.effect} {one.remedy}" for one in found)
    assert found
    assert word in told
    assert "'sensor'" in told
    assert "image" not in told
    assert "pixel" not in told
    assert "photo" not in told


def _names() -> Examples:
    from pipeline.data import load
    from pipeline.recipe import Data

    return load(Data(source="digits", limit=40)).split("train")
