"""Features of recordings: what they are, and that the description says every number they depend on."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.fft import dct

from pipeline.data.preprocess import AudioPreprocessor
from pipeline.errors import InputError
from pipeline.recipe import Audio


def tone(hz: float, seconds: float = 1.0, rate: int = 8000) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def features(waveform: np.ndarray, **recipe: Any) -> np.ndarray:
    """Preprocess and check that the shape is the one promised."""
    preprocessor = AudioPreprocessor(Audio(sample_rate=8000, **recipe))
    result = preprocessor(waveform)
    assert result.dtype == np.float32
    assert result.shape == preprocessor.output_shape(waveform.shape)
    return result


def again(waveform: np.ndarray, described: dict[str, Any]) -> np.ndarray:
    """The features by the description alone, frame by frame and band by band, as another language would."""
    d = described
    fitted = np.zeros(d["samples"])
    fitted[: min(len(waveform), d["samples"])] = waveform[: d["samples"]]
    if d["mel_scale"] == "htk":
        to_mel, to_hz = lambda f: 2595 * np.log10(1 + f / 700), lambda m: 700 * (10 ** (m / 2595) - 1)
    else:
        to_mel = lambda f: f * 3 / 200 if f < 1000 else 15 + 27 * np.log(f / 1000) / np.log(6.4)  # noqa: E731
        to_hz = lambda m: m * 200 / 3 if m < 15 else 1000 * 6.4 ** ((m - 15) / 27)  # noqa: E731
    ends = np.linspace(to_mel(d["fmin"]), to_mel(d["fmax"]), d["mels"] + 2)
    points = [to_hz(mel) for mel in ends]
    hann = [0.5 - 0.5 * np.cos(2 * np.pi * n / d["frame"]) for n in range(d["frame"])]
    rows = []
    for start in range(0, d["samples"] - d["frame"] + 1, d["hop"]):
        power = np.abs(np.fft.rfft(fitted[start : start + d["frame"]] * hann, d["fft"])) ** 2
        row = []
        for low, centre, high in zip(points, points[1:], points[2:], strict=False):
            energy = 0.0
            for k, value in enumerate(power):
                hz = k * d["sample_rate"] / d["fft"]
                weight = max(0, min((hz - low) / (centre - low), (high - hz) / (high - centre)))
                energy += value * weight * (2 / (high - low) if d["mel_norm"] == "slaney" else 1)
            row.append(np.log(energy + d["log_floor"]))
        rows.append(dct(row, norm="ortho")[: d["coefficients"]] if d["dct"] else row)
    return np.array(rows)


@pytest.mark.parametrize("kind", ["log_mel", "mfcc"])
@pytest.mark.parametrize("mel_scale", ["htk", "slaney"])
def test_the_description_is_enough_to_compute_the_features_again(kind, mel_scale):
    recipe = Audio(sample_rate=8000, seconds=0.1, features=kind, mels=12, coefficients=5, mel_scale=mel_scale, fft=512)
    waveform = np.random.default_rng(0).normal(scale=0.1, size=700).astype(np.float32)
    preprocessor = AudioPreprocessor(recipe)
    described = json.loads(json.dumps(preprocessor.describe()))
    np.testing.assert_allclose(preprocessor(waveform), again(waveform, described), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mel_scale", ["htk", "slaney"])
@pytest.mark.parametrize("hz", [300, 1000, 3000])
def test_a_tone_is_loudest_in_the_band_around_it(mel_scale, hz):
    recipe = {"mels": 20, "mel_scale": mel_scale, "fmin": 100}
    bands = features(tone(hz), **recipe).mean(axis=0)
    louder = features(tone(hz * 1.5), **recipe).mean(axis=0) if hz < 3000 else None
    low, high = (
        {
            "htk": lambda f: 2595 * np.log10(1 + f / 700),
            "slaney": lambda f: f * 0.015 if f < 1000 else 15 + 27 * np.log(f / 1000) / np.log(6.4),
        }[mel_scale],
        4000,
    )
    wanted = (low(hz) - low(100)) / (low(high) - low(100)) * 21 - 1
    assert abs(int(bands.argmax()) - wanted) <= 1
    if louder is not None:
        assert louder.argmax() > bands.argmax()


def test_a_recording_is_cut_or_filled_up_at_its_end():
    short = features(tone(440, 0.5), seconds=1, features="waveform")
    np.testing.assert_array_equal(short[:4000], tone(440, 0.5))
    assert (short[4000:] == 0).all()
    np.testing.assert_array_equal(features(tone(440, 2), seconds=1, features="waveform"), tone(440, 1))


def test_frames_stay_within_the_recording():
    assert features(tone(440), frame_ms=32, hop_ms=16).shape == (61, 40)
    assert features(tone(440), frame_ms=1000, hop_ms=16, mels=8).shape == (1, 8)


def test_silence_is_the_logarithm_of_the_floor():
    np.testing.assert_allclose(features(np.zeros(8000, np.float32), log_floor=1e-3), np.log(1e-3), rtol=1e-6)


def test_whole_numbers_are_heard_as_the_floats_they_stand_for():
    stored = np.round(tone(440) * 32768).astype(np.int16)
    np.testing.assert_allclose(features(stored), features(stored.astype(np.float32) / 32768), rtol=1e-6)


@pytest.mark.parametrize(
    ("recipe", "shape"),
    [
        ({"features": "waveform"}, (8000, 1)),
        ({"features": "log_mel", "mels": 32}, (61, 32, 1)),
        ({"features": "mfcc", "coefficients": 10}, (61, 10, 1)),
    ],
)
def test_channels_add_a_last_axis(recipe, shape):
    assert features(tone(440), channels=True, **recipe).shape == shape


def test_what_is_no_waveform_is_refused():
    with pytest.raises(InputError, match=r"waveforms, \[samples\]; the example has the shape \[2, 100\]"):
        features(np.zeros((2, 100), np.float32))


def test_bands_that_no_frequency_falls_into_are_refused():
    with pytest.raises(InputError, match=r"always be silent.*fewer mels"):
        AudioPreprocessor(Audio(mels=200))


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"fmax": 9000}, "above half the sample rate, 8000 Hz"),
        ({"fmin": 500, "fmax": 400}, "fmin of 500 Hz is not below fmax"),
        ({"frame_ms": 2000}, "frame_ms is longer than seconds"),
        ({"fft": 128}, "shorter than a frame of 512 samples"),
        ({"features": "mfcc", "mels": 10, "coefficients": 13}, "at most as many coefficients as mels"),
        ({"hop_ms": 0.01}, "shorter than a sample"),
    ],
)
def test_parameters_that_fit_no_recording_are_refused(recipe, message):
    with pytest.raises(ValidationError, match=message):
        Audio(**recipe)
