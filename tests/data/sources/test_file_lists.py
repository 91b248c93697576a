"""Which files of people's folders are examples, and what is said of the others."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from pipeline.data import load, open_source
from pipeline.data.sources.file_lists import image_suffixes, kind_of
from pipeline.errors import InputError
from pipeline.recipe import Data
from pipeline.tensors import only


def opened(path: Path | str, **settings: object):
    return open_source(Data.model_validate({"source": "folder", "path": path, **settings}))


def save(path: str | bytes | Path, colour: int = 0, **how: object) -> None:
    os.makedirs(os.path.dirname(os.fspath(path)), exist_ok=True)  # noqa: PTH103, PTH120 - names of bytes
    Image.fromarray(np.full((6, 6, 3), colour, np.uint8)).save(os.fsdecode(path), **how)


def test_what_the_libraries_decode_is_an_example_and_what_they_only_know_by_name_is_none():
    assert {kind_of(f"a.{suffix}") for suffix in ("JPG", "jfif", "tif", "TIFF", "png", "webp", "bmp", "gif")} == {
        "image"
    }
    assert {kind_of(f"a.{suffix}") for suffix in ("wav", "FLAC", "ogg", "opus", "mp3", "aiff")} == {"recording"}
    assert {kind_of(f"a.{suffix}") for suffix in ("heic", "m4a", "txt", "npy", "pdf", "mat")} == {None}
    assert not image_suffixes() & {".h5", ".mpg", ".grib"}


def test_files_of_every_kind_are_taken_or_counted_and_named(tmp_path):
    folder = tmp_path / "pets" / "cat"
    for name in ("a.jpg", "b.jfif", "c.tif"):
        save(folder / name, format="JPEG" if name != "c.tif" else "TIFF")
    save(folder / "d", format="PNG")
    save(folder / "e.original", format="PNG")
    save(tmp_path / "pets" / "beside.png")
    for name in ("x.heic", "y.heic", "notes.txt", ".DS_Store", "Thumbs.db", ".f.png"):
        (folder / name).write_bytes(b"nothing")
    (folder / "empty").touch()
    (tmp_path / "pets" / "__MACOSX").mkdir()
    source = opened(tmp_path / "pets")
    assert source.class_names == ("cat",)
    assert [Path(source.splits["train"].where(i)).name for i in range(5)] == [
        "a.jpg",
        "b.jfif",
        "c.tif",
        "d",
        "e.original",
    ]
    [note] = source.notes
    assert note.startswith(f"9 files in {tmp_path / 'pets'} are no example: 4 of the system ")
    for said in ("2 .heic (", "1 .txt (", "1 .png (", "1 without a suffix (", "magick in.heic out.png"):
        assert said in note


def test_a_folder_of_examples_alone_has_no_notes(image_folder):
    assert opened(image_folder).notes == ()


def test_a_class_of_what_cannot_be_read_says_what_it_holds_and_how_to_convert_it(tmp_path, make_image):
    make_image(tmp_path / "data" / "cat" / "a.png")
    (tmp_path / "data" / "dog").mkdir()
    (tmp_path / "data" / "dog" / "a.heic").write_bytes(b"x")
    with pytest.raises(InputError, match=r"dog has no images .*1 \.heic \(.*a\.heic\).*magick"):
        opened(tmp_path / "data")


def test_a_class_without_an_example_in_a_split_is_said(tmp_path, make_image):
    for split, classes in (("train", "abc"), ("test", "ac")):
        for name in classes:
            for number in range(4):
                make_image(tmp_path / "data" / split / name / f"{number}.png")
    data = load(Data(source="folder", path=tmp_path / "data", validation=0))
    assert data.remarks() == ["The test split has no example of 1 of the 3 classes: b."]
    assert data.remarks(["train"]) == []


def test_recordings_of_every_kind_lie_together(tmp_path):
    tone = np.round(np.sin(np.arange(2000) / 9) * 10_000).astype(np.int16)
    for name, rate in (("a.wav", 8000), ("b.flac", 8000), ("c.ogg", 16000), ("d.mp3", 16000), ("e.aiff", 8000)):
        path = tmp_path / "words" / "yes" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, tone, rate)
    (path.parent / "f.m4a").write_bytes(b"x")
    source = opened(tmp_path / "words", audio={"sample_rate": 8000})
    column = only(source.splits["train"].inputs)
    assert len(column) == 5
    np.testing.assert_array_equal(column[1], column[0])  # FLAC loses nothing
    assert all(column[index].dtype == np.float32 and column[index].ndim == 1 for index in range(5))
    assert "1 .m4a" in source.notes[0]
    assert "ffmpeg" in source.notes[0]


class TestNamesThatAreNotUtf8:
    """The bytes of a name need not be text: it is opened by its bytes, and shown with escapes."""

    NAME = b"caf\xe9"

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        root = os.fsencode(tmp_path) + b"/d\xe9p\xf4t"
        for name in (self.NAME, b"bee"):
            for number in range(10):
                save(root + b"/" + name + b"/\xfc%d.png" % number, colour=10 * number)
        return Path(os.fsdecode(root))

    def test_a_folder_a_class_and_a_file(self, folder):
        data = load(Data(source="folder", path=folder))
        assert data.class_names == ("bee", r"caf\xe9")
        assert r"d\xe9p\xf4t/bee/\xfc" in data.splits["train"].where(0)
        assert only(next(iter(data.batches("train", 4))).inputs).shape == (4, 6, 6, 3)
        assert data.fingerprint == load(Data(source="folder", path=folder)).fingerprint

    def test_a_broken_file_is_named(self, folder):
        with open(os.fsencode(folder) + b"/bee/\xfc0.png", "wb"):  # noqa: PTH123
            pass
        data = load(Data(source="folder", path=folder, on_corrupt="skip"))
        for split in data.splits:
            list(data.batches(split, 4))
        [(where, reason)] = data.skipped.items()
        assert where.endswith(r"d\xe9p\xf4t/bee/\xfc0.png")
        assert reason == "it is empty"

    def test_a_table_lists_them(self, folder):
        rows = b"".join(b"bee/\xfc%d.png,caf\xe9\n" % number for number in range(10))
        (folder / "a.csv").write_bytes(b"file,label\n" + rows)
        data = load(Data(source="csv", path=folder / "a.csv"))
        assert data.class_names == (r"caf\xe9",)
        assert only(next(iter(data.batches("train", 4))).inputs).shape == (4, 6, 6, 3)

    def test_labels_in_names(self, folder):
        data = load(Data(source="folder", path=folder, label_pattern=r"(?P<label>.)\d"))
        assert data.class_names == (r"\xfc",)
