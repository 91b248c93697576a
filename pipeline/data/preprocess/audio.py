"""From a waveform to a spectrogram: log-mel energies or MFCCs, or the waveform itself at a fixed length."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data import recordings
from pipeline.errors import InputError
from pipeline.recipe import Audio
from pipeline.tensors import Array

Matrix = NDArray[np.float64]


class AudioPreprocessor:
    """A recording, cut or filled up with zeros at its end, and its features.

    Frames do not reach beyond the recording. A frame is multiplied by a periodic Hann window and filled up with
    zeros to the FFT's size; the band energies are the mel filters over the power spectrum |FFT|²; `log_mel` is
    ln(energy + floor); `mfcc` the first coefficients of its orthonormal DCT-II (Davis and Mermelstein, 1980).

        >>> features = AudioPreprocessor(Audio(sample_rate=8000, seconds=0.5, mels=32))
        >>> features(np.zeros(3000, np.float32)).shape
        (30, 32)
    """

    def __init__(self, recipe: Audio) -> None:
        self.recipe = recipe
        self.samples = round(recipe.sample_rate * recipe.seconds)
        self.frame = round(recipe.sample_rate * recipe.frame_ms / 1000)
        self.hop = round(recipe.sample_rate * recipe.hop_ms / 1000)
        self.fft = recipe.fft or 1 << (self.frame - 1).bit_length()
        self.fmax = recipe.fmax if recipe.fmax is not None else recipe.sample_rate / 2
        if recipe.features != "waveform":
            self._window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.frame) / self.frame)
            self._filters = mel_filters(recipe, self.fft, self.fmax)
            empty = ~self._filters.any(axis=0)
            if empty.any():
                raise InputError(
                    f"data.audio: band {int(np.argmax(empty))} of the {recipe.mels} mel bands is narrower than a step "
                    f"of the {self.fft}-point FFT and would always be silent. Ask for fewer mels, a longer frame or "
                    "fft, or a higher fmin."
                )
            self._dct = dct_matrix(recipe.mels)[:, : recipe.coefficients]

    @property
    def statistics_axis(self) -> int | None:
        """The features'; a waveform has one mean and deviation."""
        return None if self.recipe.features == "waveform" else 1

    def output_shape(self, raw_shape: tuple[int, ...]) -> tuple[int, ...]:
        """[frames, features], or [samples] of a waveform; with `channels` a 1 at the end.

        Raises:
            InputError: more than one axis.
        """
        if len(raw_shape) != 1:
            raise InputError(f"data.audio is for waveforms, [samples]; the example has the shape {list(raw_shape)}.")
        recipe = self.recipe
        if recipe.features == "waveform":
            shape: tuple[int, ...] = (self.samples,)
        else:
            frames = 1 + (self.samples - self.frame) // self.hop
            shape = (frames, recipe.mels if recipe.features == "log_mel" else recipe.coefficients)
        return (*shape, 1) if recipe.channels else shape

    def __call__(self, raw: Array) -> NDArray[np.float32]:
        """
        Args:
            raw: [samples] at the recipe's sample rate, of any length; float in −1..1, or whole numbers, which are
                scaled by their type's range.

        Raises:
            InputError: as :meth:`output_shape`.
        """
        self.output_shape(raw.shape)
        waveform = recordings.as_float(raw)[: self.samples]
        waveform = np.pad(waveform, (0, self.samples - len(waveform)))
        features = waveform if self.recipe.features == "waveform" else self._features(waveform)
        return features[..., None] if self.recipe.channels else features

    def describe(self) -> dict[str, Any]:
        """Every number that the features depend on, in samples and Hz."""
        recipe = self.recipe
        common = {
            "kind": "audio",
            "sample_rate": recipe.sample_rate,
            "samples": self.samples,
            "features": recipe.features,
            "channels": recipe.channels,
        }
        if recipe.features == "waveform":
            return common
        return common | {
            "frame": self.frame,
            "hop": self.hop,
            "window": "hann_periodic",
            "fft": self.fft,
            "spectrum": "power",
            "mels": recipe.mels,
            "mel_scale": recipe.mel_scale,
            "mel_norm": "slaney" if recipe.mel_scale == "slaney" else None,
            "fmin": recipe.fmin,
            "fmax": self.fmax,
            "log": "natural",
            "log_floor": recipe.log_floor,
            "dct": "dct2_ortho" if recipe.features == "mfcc" else None,
            "coefficients": recipe.coefficients if recipe.features == "mfcc" else None,
        }

    def _features(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        frames = np.lib.stride_tricks.sliding_window_view(waveform, self.frame)[:: self.hop]
        spectrum = np.fft.rfft(frames * self._window, self.fft)
        log_mel = np.log((spectrum.real**2 + spectrum.imag**2) @ self._filters + self.recipe.log_floor)
        features = log_mel @ self._dct if self.recipe.features == "mfcc" else log_mel
        return features.astype(np.float32)


def mel_filters(recipe: Audio, fft: int, fmax: float) -> Matrix:
    """Triangles between points that are evenly spaced on the mel scale, [fft / 2 + 1, mels].

    The sides are straight over Hz. `htk`: peaks of 1, as torchaudio's default. `slaney`: of Slaney's Auditory Toolbox
    (1998), each divided by half its width, as librosa's default.
    """
    to_mel, to_hz = (_htk_mel, _htk_hz) if recipe.mel_scale == "htk" else (_slaney_mel, _slaney_hz)
    ends = np.linspace(to_mel(np.float64(recipe.fmin)), to_mel(np.float64(fmax)), recipe.mels + 2)
    points = to_hz(ends)
    hz = np.fft.rfftfreq(fft, 1 / recipe.sample_rate)[:, None]
    rising = (hz - points[:-2]) / (points[1:-1] - points[:-2])
    falling = (points[2:] - hz) / (points[2:] - points[1:-1])
    filters: Matrix = np.maximum(0, np.minimum(rising, falling))
    return filters if recipe.mel_scale == "htk" else filters * 2 / (points[2:] - points[:-2])


def dct_matrix(size: int) -> Matrix:
    """The orthonormal DCT-II as a matrix: `x @ dct_matrix(len(x))`."""
    n = np.arange(size)
    matrix: Matrix = np.sqrt(2 / size) * np.cos(np.pi / size * (n[:, None] + 0.5) * n)
    matrix[:, 0] /= np.sqrt(2)
    return matrix


def _htk_mel(hz: Any) -> Any:
    return 2595 * np.log10(1 + hz / 700)


def _htk_hz(mel: Any) -> Any:
    return 700 * (10 ** (mel / 2595) - 1)


def _slaney_mel(hz: Any) -> Any:
    return np.where(hz < 1000, 3 * hz / 200, 15 + 27 * np.log(np.maximum(hz, 1) / 1000) / np.log(6.4))


def _slaney_hz(mel: Any) -> Any:
    return np.where(mel < 15, 200 * mel / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))
