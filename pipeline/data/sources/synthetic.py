"""Examples that are computed, the same ones every time: recordings, a time series, rows of tokens."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.data.columns import ArrayColumn
from pipeline.data.file_columns import WaveformColumn
from pipeline.data.preprocess.choose import audio_of
from pipeline.data.sources.arrays import source_of_arrays
from pipeline.data.sources.source import KnownTarget, Source
from pipeline.recipe import Data, Window
from pipeline.tensors import INPUT, TARGET

TONES = ("sine", "square", "sawtooth", "rising", "falling", "noise")
TONES_RATE, TONES_SECONDS, TONES_EACH = 8000, 0.5, 100

STEPS = 4000
WAVES = ("load", "temperature", "wind")

VOCABULARY, LONGEST = 40, 12
"""Token ids 1 to 39 are words, 0 fills sentences up."""
SENTENCES = 1200


def tones(data: Data, names: tuple[str, ...] | None) -> Source:
    """600 recordings of half a second at 8 kHz, int16: six kinds of sound of any pitch, loudness and some noise."""
    rng = np.random.default_rng(0)
    kinds = np.arange(len(TONES) * TONES_EACH) % len(TONES)
    time = np.arange(round(TONES_RATE * TONES_SECONDS)) / TONES_RATE
    sounds = np.stack([_sound(TONES[kind], time, rng) for kind in kinds])
    name = next(iter(data.inputs or (INPUT,)))
    column = WaveformColumn(sounds, "x_train", TONES_RATE, audio_of(name, data).sample_rate)
    return source_of_arrays(
        {"train": ({INPUT: column}, {TARGET: kinds})}, data, names, {TARGET: KnownTarget("class", TONES)}
    )


def waves(data: Data, names: tuple[str, ...] | None) -> Source:
    """A series of 4,000 hours, float32 [hours, 3]: load, temperature and wind, of which the load follows the others and
    the hour of the day. The value is the load; with a window's horizon that of later hours."""
    rng = np.random.default_rng(0)
    hours = np.arange(STEPS)
    day, year = 2 * np.pi * hours / 24, 2 * np.pi * hours / STEPS
    temperature = 12 - 8 * np.cos(year) - 4 * np.cos(day - 1) + _drift(rng, 0.3)
    wind = np.abs(6 + 2 * np.sin(year + 1) + _drift(rng, 0.5))
    load = 50 - 1.2 * temperature - 8 * np.cos(day + 0.5) + 0.4 * wind + rng.normal(scale=0.5, size=STEPS)
    series = np.stack([load, temperature, wind], axis=1).astype(np.float32)
    if data.window is None:
        data = data.model_copy(update={"window": Window(length=24, stride=4, horizon=1)})
    column = ArrayColumn(series, INPUT, kind="table", names=WAVES)
    return source_of_arrays(
        {"train": ({INPUT: column}, {TARGET: series[:, 0]})}, data, names, {TARGET: KnownTarget("value")}
    )


def sentences(data: Data, names: tuple[str, ...] | None) -> Source:
    """1,200 rows of 12 token ids, int32, filled up with 0: is there more praise (ids 1 to 5) or blame (6 to 10) among
    the words, where a word after "not" (11) means the contrary?"""
    rng = np.random.default_rng(0)
    tokens = np.zeros((SENTENCES, LONGEST), np.int32)
    praised = np.zeros(SENTENCES, np.int64)
    for index in range(SENTENCES):
        opinion = 0
        while opinion == 0:  # what is neither is drawn again
            words = rng.integers(1, VOCABULARY, rng.integers(4, LONGEST + 1))
            words[rng.random(len(words)) < 0.25] = 11
            said = np.where(words <= 5, 1, np.where(words <= 10, -1, 0))
            said[1:] *= np.where(words[:-1] == 11, -1, 1)
            opinion = int(said.sum())
        tokens[index, : len(words)] = words
        praised[index] = opinion > 0
    known = {TARGET: KnownTarget("class", ("blame", "praise"))}
    return source_of_arrays({"train": ({INPUT: tokens}, {TARGET: praised})}, data, names, known)


def _drift(rng: np.random.Generator, step: float) -> NDArray[np.float64]:
    """What wanders, but always back."""
    moves = rng.normal(scale=step, size=STEPS)
    place = np.zeros(STEPS)
    for index in range(1, STEPS):
        place[index] = 0.97 * place[index - 1] + moves[index]
    return place


def _sound(kind: str, time: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int16]:
    pitch, loudness, start, noise = 200 * 4 ** rng.random(), 0.3 + 0.5 * rng.random(), rng.random(), rng.random()
    hiss = rng.normal(size=len(time))
    bend = {"rising": 1.0, "falling": -0.5}.get(kind, 0.0)
    cycles = start + pitch * (time + bend * time**2 / (2 * TONES_SECONDS))
    phase = cycles % 1
    sound = {
        "square": np.sign(0.5 - phase),
        "sawtooth": 2 * phase - 1,
        "noise": np.clip(hiss / 2, -1, 1),
    }.get(kind, np.sin(2 * np.pi * cycles))
    heard = loudness * sound + 0.02 * noise * hiss
    return np.round(np.clip(heard, -1, 1) * 32767).astype(np.int16)
