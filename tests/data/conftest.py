"""Small image files, made where a test wants them, and a cache folder of its own for every test."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakeImage = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder, which does not exist yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("PIPELINE_CACHE", str(folder))
    return folder


@pytest.fixture
def make_image() -> MakeImage:
    """Write an image of one colour: `make_image(path, colour=7, size=(height, width), mode="RGB")`."""

    def make(path: Path, colour: int = 0, size: tuple[int, int] = (6, 6), mode: str = "RGB") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (*size, 3) if mode == "RGB" else size
        Image.fromarray(np.full(shape, colour, np.uint8)).save(path)
        return path

    return make


@pytest.fixture
def image_folder(tmp_path: Path, make_image: MakeImage) -> Path:
    """20 images each of a cat and a dog, all of different colours, not split."""
    for number in range(20):
        make_image(tmp_path / "pets" / "cat" / f"{number}.png", colour=number)
        make_image(tmp_path / "pets" / "dog" / f"{number}.png", colour=100 + number)
    return tmp_path / "pets"


@pytest.fixture
def make_wav() -> Callable[..., Path]:
    """Write a WAV file of 16 bits: `make_wav(path, samples, rate=8000)`, samples float in −1..1, [samples] or [samples,
    channels]."""

    def make(path: Path, samples: np.ndarray, rate: int = 8000) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(samples.shape[1] if samples.ndim > 1 else 1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(np.round(samples * 32767).astype("<i2").tobytes())
        return path

    return make
