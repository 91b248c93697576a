"""The Java of detectors, segmenters and models of points: the same boxes, masks and points as the tasks give here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.bundle.bundle import bundle
from tests.android import jvm
from tests.bundle.located_models import DETECTORS, POINTS, SEGMENTERS, detector, of_points, segmenter
from tests.bundle.test_generated_java import java_tests, unpacked, unzipped

TESTS = {"boxes": 8, "mask": 8, "points": 7}


def test_a_detector_s_boxes_are_the_task_s(tmp_path: Path) -> None:
    assert java_tests(unpacked(detector("ssd", tmp_path), tmp_path)) == TESTS["boxes"]


def test_a_segmenter_s_masks_are_the_task_s(tmp_path: Path) -> None:
    assert java_tests(unpacked(segmenter("scores of a stride"), tmp_path)) == TESTS["mask"]


def made(kind: str, name: str, folder: Path) -> bytes:
    """One of the tiny models: of boxes, a mask or points."""
    if kind == "boxes":
        return detector(name, folder)
    return segmenter(name) if kind == "mask" else of_points(name)


MODELS = [
    *(("boxes", name) for name in DETECTORS),
    *(("mask", name) for name in SEGMENTERS),
    *(("points", name) for name in POINTS),
]


def unpacked_bundles(models: Sequence[tuple[str, str]], folder: Path) -> dict[str, tuple[Path, int]]:
    """By package, where a bundle of each of the models lies, and how many tests it has."""
    found: dict[str, tuple[Path, int]] = {}
    for number, (kind, name) in enumerate(models):
        package = f"dev.kerasint8.contract.of{number}"
        model = folder / f"model{number}.tflite"
        model.write_bytes(made(kind, name, folder))
        packed = bundle(model, folder / f"bundle{number}.zip", package=package).path
        found[package] = unzipped(packed), TESTS[kind]
    return found


def run_all(bundles: dict[str, tuple[Path, int]], classes: list[Path], language: str) -> None:
    """The tests of every bundle, all compiled together."""
    for package, (folder, tests) in bundles.items():
        names = [f"{package}.{path.stem}" for path in folder.glob(f"{language}/test/**/*Test.*")]
        assert jvm.junit([*classes, folder], names) == tests, package


@pytest.mark.slow
def test_every_decoder_and_reader_gives_what_the_task_gives(tmp_path: Path) -> None:
    jvm.need("javac", "java")
    bundles = unpacked_bundles(MODELS, tmp_path)
    sources = [path for folder, _ in bundles.values() for path in sorted(folder.glob("java/**/*.java"))]
    jvm.javac(sources, tmp_path / "classes", [jvm.jar("junit"), jvm.jar("hamcrest-core")])
    run_all(bundles, [tmp_path / "classes"], "java")


@pytest.mark.parametrize(
    ("kind", "name", "file"),
    [
        ("boxes", "ssd", "1.boxes"),
        pytest.param("mask", "scores of a stride", "drawn1.mask", marks=pytest.mark.slow),
        pytest.param("points", "heat maps", "0.points", marks=pytest.mark.slow),
    ],
)
def test_a_wrong_golden_answer_is_seen(kind: str, name: str, file: str, tmp_path: Path) -> None:
    folder = unpacked(made(kind, name, tmp_path), tmp_path)
    vector = folder / "golden" / file
    content = bytearray(vector.read_bytes())
    content[-2] ^= 0x40
    vector.write_bytes(content)
    with pytest.raises(AssertionError, match=r"expected:<|arrays first differed"):
        java_tests(folder)
