"""Images are decoded as they are stored: their depth, their colours, their first frame, upright."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data import load
from pipeline.data.examples import CorruptExampleError
from pipeline.data.file_columns import ImageColumn, decode, mode_of
from pipeline.errors import InputError
from pipeline.recipe import Data, Preprocess
from pipeline.tensors import only

RAMP = (np.arange(48).reshape(6, 8) * 85).astype(np.uint16)
"""To 3995: 12 bits."""


def deep_folder(root: Path, images: list[np.ndarray], suffix: str) -> Path:
    for name in "ab":
        for number, image in enumerate(images):
            path = root / name / f"{number}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    return root


@pytest.mark.parametrize(
    ("suffix", "image"),
    [
        (".png", RAMP),
        (".tif", RAMP),
        (".tif", RAMP.astype(np.int32) * 30),
        (".tif", RAMP.astype(np.float32) / 7),
    ],
)
def test_a_deep_image_keeps_its_values(tmp_path, suffix, image):
    data = load(Data(source="folder", path=deep_folder(tmp_path / "d", [image] * 8, suffix)))
    batch = only(next(iter(data.batches("train", 4))).inputs)
    np.testing.assert_array_equal(batch, np.broadcast_to(image.astype(np.float32)[..., None], (4, 6, 8, 1)))


def test_a_big_endian_tiff_keeps_its_values(tmp_path):
    header = bytes.fromhex("4d4d002a00000008000a")
    entries = [
        (256, 3, 1, 8 << 16), (257, 3, 1, 6 << 16), (258, 3, 1, 16 << 16), (259, 3, 1, 1 << 16), (262, 3, 1, 1 << 16),
        (273, 4, 1, 134), (277, 3, 1, 1 << 16), (278, 3, 1, 6 << 16), (279, 4, 1, 96), (339, 3, 1, 1 << 16),
    ]  # fmt: skip
    directory = b"".join(
        tag.to_bytes(2, "big") + kind.to_bytes(2, "big") + count.to_bytes(4, "big") + value.to_bytes(4, "big")
        for tag, kind, count, value in entries
    )
    (tmp_path / "a.tif").write_bytes(header + directory + bytes(4) + RAMP.astype(">u2").tobytes())
    np.testing.assert_array_equal(decode(tmp_path / "a.tif", "I")[..., 0], RAMP)


def test_a_scale_of_8_bits_is_refused_for_deeper_values_and_their_range_can_be_said(tmp_path):
    folder = deep_folder(tmp_path / "d", [RAMP] * 8, ".png")
    with pytest.raises(InputError, match=r"'0\.\.1' is of 8 bits.*uint16 values to 3995.*mean_std"):
        load(Data(source="folder", path=folder, preprocess=Preprocess(scale="0..1")))
    said = Preprocess(scale="mean_std", mean=(0.0,), std=(4095.0,), size=(3, 4), channels=3)
    batch = only(next(iter(load(Data(source="folder", path=folder, preprocess=said)).batches("train", 4))).inputs)
    assert batch.shape == (4, 3, 4, 3)
    assert 0.8 < batch.max() < 1


def test_8_bits_and_more_are_not_mixed(tmp_path):
    folder = deep_folder(tmp_path / "d", [RAMP, RAMP.astype(np.uint8)], ".png")
    column = ImageColumn(folder, ["a/0.png", "a/1.png"], "I")
    assert column[0].dtype == np.uint16
    with pytest.raises(CorruptExampleError, match="8 bits a channel where other images have more"):
        column[1]
    with pytest.raises(CorruptExampleError, match="more than 8 bits a pixel"):
        ImageColumn(folder, ["a/0.png"], "RGB")[0]


def png_of_16_bit_colours(path: Path) -> None:
    import struct
    import zlib

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = b"".join(b"\0" + bytes(range(24)) for _ in range(4))
    head = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def test_colours_of_16_bits_are_refused_rather_than_cut(tmp_path):
    png_of_16_bit_colours(tmp_path / "a.png")
    (tmp_path / "b.ppm").write_bytes(b"P6 2 2 65535\n" + bytes(24))
    for name in ("a.png", "b.ppm"):
        with pytest.raises(CorruptExampleError, match="16 bits in each of several channels"):
            ImageColumn(tmp_path, [name], "RGB")[0]


def test_palettes_cmyk_and_transparency_become_the_colours_that_are_seen(tmp_path):
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    image = Image.fromarray(red)
    image.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "a.gif")
    image.convert("CMYK").save(tmp_path / "b.jpg", quality=95)
    image.convert("RGBA").save(tmp_path / "c.png")
    for name in ("a.gif", "b.jpg", "c.png"):
        assert mode_of(tmp_path / name) == "RGB"
        np.testing.assert_allclose(decode(tmp_path / name, "RGB"), red, atol=4)


def test_the_first_frame_of_an_animation(tmp_path):
    frames = [Image.fromarray(np.full((6, 6, 3), colour, np.uint8)) for colour in (200, 10)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert decode(tmp_path / "a.gif", "RGB").min() > 190


def test_an_empty_file_is_broken(tmp_path):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(CorruptExampleError, match="it is empty"):
        ImageColumn(tmp_path, ["a.jpg"], "RGB")[0]


def test_an_image_of_too_many_pixels_is_not_decoded(tmp_path, monkeypatch):
    from pipeline import limits

    Image.new("1", (400, 400)).save(tmp_path / "a.png")
    column = ImageColumn(tmp_path, ["a.png"], "L")
    assert column[0].shape == (400, 400, 1)
    for pillows, ours in ((100, 1000), (10**9, 1000), (100_000, 1000)):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillows)
        monkeypatch.setattr(limits, "IMAGE_PIXELS", ours)
        with pytest.raises(CorruptExampleError, match=r"a\.png.*1,000.*smaller"):
            column[0]
