"""Folders of recordings: a folder a class, or labels and groups in the files' names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.data import Dataset, load
from pipeline.errors import InputError
from pipeline.recipe import Audio, Data, SplitBy

FSDD = Path(__file__).parents[3].parent / "shared" / "data" / "fsdd"
PATTERN = r"(?P<label>\d)_(?P<speaker>\w+)_(?P<take>\d+)"
AUDIO = Audio(sample_rate=8000, seconds=0.25, mels=16)


@pytest.fixture
def spoken(tmp_path, make_wav) -> Path:
    """Two digits of four speakers, five takes each, in one folder."""
    for digit in range(2):
        for number, speaker in enumerate(("anna", "bert", "carl_b", "dora")):
            for take in range(5):
                tone = 0.3 * np.sin(2 * np.pi * (300 + 400 * digit + 20 * number + take) * np.arange(1500) / 8000)
                make_wav(tmp_path / "spoken" / f"{digit}_{speaker}_{take}.wav", tone)
    return tmp_path / "spoken"


def stems(data: Dataset, split: str) -> list[list[str]]:
    """Label, speaker, take of every example."""
    names = [Path(data.split(split).where(index)).stem for index in range(data.size(split))]
    return [[name[0], name[2:-2], name[-1]] for name in names]


def count(data: Dataset) -> int:
    """Examples that can be read."""
    return sum(len(batch) for split in data.splits for batch in data.batches(split, 8))


def read(folder: Path, **changes: object) -> Dataset:
    given = {"source": "folder", "path": folder, "audio": AUDIO, "label_pattern": PATTERN, **changes}
    return load(Data.model_validate(given))


def test_a_folder_a_class_may_hold_recordings(tmp_path, make_wav):
    for name in ("yes", "no"):
        for take in range(10):
            make_wav(tmp_path / "words" / name / f"{take}.wav", np.full(800, 0.1 if name == "yes" else -0.1))
    data = read(tmp_path / "words", label_pattern=None, audio=Audio(sample_rate=8000, seconds=0.1, features="waveform"))
    assert data.class_names == ("no", "yes")
    batch = next(data.batches("train", 8))
    assert batch.inputs["x"].shape == (8, 800)
    np.testing.assert_array_equal(batch.inputs["x"][:, 0] > 0, batch.targets["y"] == 1)


def test_labels_are_in_the_names(spoken):
    data = read(spoken)
    assert data.class_names == ("0", "1")
    assert data.inputs["x"].shape == (-1, 14, 16)
    for split in data.splits:
        labels = np.concatenate([batch.targets["y"] for batch in data.batches(split, 8)])
        assert [str(label) for label in labels] == [label for label, _, _ in stems(data, split)]


def test_takes_or_speakers_can_be_held_out(spoken):
    by_take = read(spoken, split_by={"group": "take", "test": [0, 3]})
    assert {take for _, _, take in stems(by_take, "test")} == {"0", "3"}
    assert by_take.size("test") == 16
    by_speaker = read(spoken, split_by={"group": "speaker", "test": ["carl_b"], "validation": ["anna"]})
    assert {speaker for _, speaker, _ in stems(by_speaker, "test")} == {"carl_b"}
    assert {speaker for _, speaker, _ in stems(by_speaker, "validation")} == {"anna"}
    assert {speaker for _, speaker, _ in stems(by_speaker, "train")} == {"bert", "dora"}


@pytest.mark.parametrize("seed", range(4))
def test_groups_that_are_not_named_are_drawn_whole(spoken, seed):
    data = read(spoken, split_by=SplitBy(group="speaker"), seed=seed, test=0.25)
    speakers = {split: {speaker for _, speaker, _ in stems(data, split)} for split in data.splits}
    assert len(speakers["test"]) == 1
    assert len(speakers["validation"]) == 1
    assert len(speakers["test"] | speakers["validation"] | speakers["train"]) == 4
    assert speakers["calibration"] <= speakers["train"]


def test_without_targets_recordings_may_lie_anywhere(spoken):
    data = read(spoken, label_pattern=None, targets={})
    assert data.targets == {}
    assert sum(data.size(split) for split in data.splits) == 40


def test_a_recording_that_is_cut_off_is_named_or_skipped(spoken):
    broken = spoken / "1_anna_2.wav"
    broken.write_bytes(broken.read_bytes()[:500])
    with pytest.raises(InputError, match=r"1_anna_2\.wav cannot be read: it is cut off"):
        count(read(spoken))
    data = read(spoken, on_corrupt="skip")
    assert count(data) == 39
    assert list(data.skipped) == [str(broken)]


def test_a_recording_of_another_rate_is_resampled(spoken, make_wav):
    make_wav(spoken / "1_anna_2.wav", 0.3 * np.sin(np.arange(8000) / 20), rate=44100)
    assert count(read(spoken)) == 40


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("1_anna_9.png", "mixes images and recordings"),
        ("anna_9.wav", "'anna_9' of .* does not fit"),
    ],
)
def test_a_file_that_does_not_belong_is_named(spoken, file, message):
    (spoken / file).write_bytes(b"")
    with pytest.raises(InputError, match=message):
        read(spoken)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split_by": {"group": "take", "test": [7]}}, r"data\.split_by\.test: no example's take is '7'"),
        (
            {"split_by": {"group": "speakr"}},
            "there is no 'speakr'; the data has label, speaker, take. Did you mean 'spe",
        ),
        ({"label_pattern": "(?P<label>.)_.*", "split_by": {"group": "take"}}, "there is no 'take'; the data has label"),
        ({"label_pattern": None}, "there are no folders in .* or data.label_pattern"),
        (
            {"inputs": {"x": {"preprocess": {"scale": "0..1"}}}},
            r"data\.inputs\.x\.preprocess is for images and numbers",
        ),
    ],
)
def test_a_recipe_that_does_not_fit_the_files_is_refused(spoken, changes, message):
    with pytest.raises(InputError, match=message):
        read(spoken, **changes)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"label_pattern": "(?P<label>"}, "no regular expression"),
        ({"label_pattern": r"\d"}, "no group called label"),
        ({"split_by": {"group": "take", "test": [1, 2], "validation": [2]}}, "'2' is in test and in validation"),
        ({"window": {"length": 3}, "split_by": {"group": "take"}}, "exclude each other"),
        ({"inputs": {"x": {"audio": {}, "preprocess": {}}}}, "takes preprocess or audio"),
        ({"targets": {"y": {"copy_of": "x", "kind": "value"}}}, "copy_of stands alone"),
        ({"targets": {"y": {"standardize": True, "kind": "class"}}}, "standardize is for values"),
    ],
)
def test_a_section_that_contradicts_itself_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Data.model_validate(given)


def test_a_pattern_is_for_folders():
    with pytest.raises(InputError, match="label_pattern is for source 'folder'"):
        load(Data(source="digits", label_pattern=PATTERN))


@pytest.mark.skipif(not FSDD.is_dir(), reason="../shared/data/fsdd is not here")
def test_real_spoken_digits():
    data = load(
        Data(
            source="folder",
            path=FSDD,
            label_pattern=PATTERN,
            split_by=SplitBy(group="take", test=(0, 1, 2, 3, 4)),
            audio=Audio(sample_rate=8000, features="mfcc", channels=True),
        )
    )
    assert data.class_names == tuple("0123456789")
    assert data.size("test") == 300
    assert next(data.batches("test", 300)).inputs["x"].shape == (300, 61, 13, 1)
