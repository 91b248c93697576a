"""Recordings are read whatever their coding, and damaged ones are broken examples."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from pipeline.data import recordings
from pipeline.data.examples import CorruptExampleError
from pipeline.data.file_columns import AudioColumn, WaveformColumn

PCM, FLOAT = 1, 3
WAVEFORM = np.array([0, 0.5, -0.5, 0.999, -1])


def content(samples: bytes, coding: int, bits: int, *, channels: int = 1, size: int | None = None) -> bytes:
    """A WAV file, whose header may promise another number of bytes than there are."""
    form = struct.pack("<HHIIHH", coding, channels, 8000, 8000 * channels * bits // 8, channels * bits // 8, bits)
    data = struct.pack("<4sI", b"data", len(samples) if size is None else size) + samples
    body = b"WAVE" + struct.pack("<4sI", b"fmt ", len(form)) + form + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def pcm24(samples: np.ndarray) -> bytes:
    whole = np.round(samples * 2**23).astype("<i4").clip(-(2**23), 2**23 - 1)
    return whole.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()


@pytest.mark.parametrize(
    ("coding", "bits", "samples", "step"),
    [
        (PCM, 8, np.round(WAVEFORM * 128 + 128).clip(0, 255).astype(np.uint8).tobytes(), 2**-7),
        (PCM, 16, np.round(WAVEFORM * 2**15).clip(-(2**15), 2**15 - 1).astype("<i2").tobytes(), 2**-15),
        (PCM, 24, pcm24(WAVEFORM), 2**-23),
        (PCM, 32, np.round(WAVEFORM * (2**31 - 1)).astype("<i4").tobytes(), 2**-24),
        (FLOAT, 32, WAVEFORM.astype("<f4").tobytes(), 2**-24),
        (FLOAT, 64, WAVEFORM.astype("<f8").tobytes(), 2**-24),
    ],
)
def test_every_usual_coding_is_read_on_the_same_scale(tmp_path, coding, bits, samples, step):
    (tmp_path / "a.wav").write_bytes(content(samples, coding, bits))
    waveform, rate = recordings.read(tmp_path / "a.wav")
    assert rate == 8000
    assert waveform.dtype == np.float32
    np.testing.assert_allclose(waveform[:, 0], WAVEFORM, atol=step)


def test_other_chunks_of_odd_length_and_an_unknown_length_do_no_harm(tmp_path):
    whole = content(WAVEFORM.astype("<f4").tobytes(), FLOAT, 32, size=0xFFFFFFFF)
    with_list = whole[:12] + b"LIST" + struct.pack("<I", 3) + b"abc\0" + whole[12:]
    (tmp_path / "a.wav").write_bytes(with_list)
    np.testing.assert_allclose(recordings.read(tmp_path / "a.wav")[0][:, 0], WAVEFORM, atol=1e-6)


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (
            content(bytes(100), PCM, 16, size=300),
            "cut off: its header promises 300 bytes of samples, 100 are there",
        ),
        (content(bytes(100), PCM, 16)[:36], "reads no recording in it"),
        (content(b"", PCM, 16), "no samples"),
        (content(bytes(10), 99, 8), "reads no recording in it"),
        (b"RIFF", "reads no recording in it"),
        (b"not a recording at all", "Format not recognised"),
        (b"", "it is empty"),
    ],
)
def test_a_damaged_file_is_a_broken_example_with_its_name(tmp_path: Path, damaged: bytes, reason: str):
    (tmp_path / "a.wav").write_bytes(damaged)
    with pytest.raises(CorruptExampleError, match=reason) as raised:
        AudioColumn(tmp_path, ["a.wav"], 8000)[0]
    assert raised.value.where == str(tmp_path / "a.wav")


def test_several_channels_are_averaged_and_another_rate_is_resampled(tmp_path, make_wav):
    time = np.arange(4000) / 8000
    tone = 0.5 * np.sin(2 * np.pi * 440 * time)
    make_wav(tmp_path / "a.wav", np.stack([tone, np.zeros_like(tone)], axis=1))
    heard = AudioColumn(tmp_path, ["a.wav"], 16000)[0]
    assert heard.shape == (8000,)
    wanted = 0.25 * np.sin(2 * np.pi * 440 * np.arange(8000) / 16000)
    np.testing.assert_allclose(heard[200:-200], wanted[200:-200], atol=2e-3)


def test_recordings_in_an_array_are_read_as_files_are(tmp_path, make_wav):
    tone = 0.5 * np.sin(np.arange(900) / 5)
    make_wav(tmp_path / "a.wav", tone)
    stored = np.round(tone * 32767).astype(np.int16)[None]
    read = WaveformColumn(stored, "x", 8000, 16000)[0]
    np.testing.assert_array_equal(read, AudioColumn(tmp_path, ["a.wav"], 16000)[0])


def test_a_recording_that_becomes_too_large_is_not_read(tmp_path, monkeypatch):
    from pipeline import limits

    rates = {"short.wav": 8000, "slow.wav": 1, "fast.wav": 2**31 - 1, "none.wav": 0}
    for name, rate in rates.items():
        made = bytearray(content(np.zeros(500, "<i2").tobytes(), PCM, 16))
        made[24:28] = struct.pack("<I", rate)
        (tmp_path / name).write_bytes(made)
    column = AudioColumn(tmp_path, list(rates), 16_000)
    monkeypatch.setattr(limits, "RECORDING_SAMPLES", 1000)
    assert len(column[0]) == 1000
    for place, said in ((1, "become more than 1,000"), (2, "sample rate"), (3, "")):
        with pytest.raises(CorruptExampleError, match=said):
            column[place]
    monkeypatch.setattr(limits, "RECORDING_SAMPLES", 499)
    with pytest.raises(CorruptExampleError, match="more than 499 samples"):
        column[0]
