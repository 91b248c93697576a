"""The Java of a bundle: it compiles for Android's Java, and its own unit test meets the golden vectors."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from pipeline import recipe as recipes
from pipeline.bundle.bundle import bundle
from pipeline.data.preprocess import AudioPreprocessor, ImagePreprocessor
from pipeline.recipe import Audio, Preprocess
from pipeline.tflite.metadata import Metadata, write
from tests import tiny_models
from tests.android import jvm
from tests.bundle.models import classifier, described
from tests.bundle.test_named_contract import two_inputs
from tests.tiny_models import linear

HERE = Path(__file__).parent


def unpacked(model: bytes, tmp_path: Path, package: str = "dev.kerasint8.contract") -> Path:
    (tmp_path / "model.tflite").write_bytes(model)
    return unzipped(bundle(tmp_path / "model.tflite", tmp_path / "bundle.zip", package=package).path)


def unzipped(path: Path) -> Path:
    with zipfile.ZipFile(path) as archive:
        archive.extractall(path.with_suffix(""))
    return path.with_suffix("")


def java_tests(folder: Path, package: str = "dev.kerasint8.contract") -> int:
    """How many tests of the bundle passed; all of them did."""
    jvm.need("javac", "java")
    classes = folder / "classes"
    jvm.javac(sorted(folder.glob("java/**/*.java")), classes, [jvm.jar("junit"), jvm.jar("hamcrest-core")])
    tests = [path.stem for path in folder.glob("java/test/**/*Test.java")]
    return jvm.junit([classes, folder], [f"{package}.{name}" for name in tests])


MODELS = {
    # tensorflow#38285: an int8 input fed as if it were uint8. The zero point is negative, the scale no power of two.
    "int8": described(classifier("int8", scale=0.0213, zero_point=-37)),
    # tensorflow#41697: an int8 output read as if it were uint8 or a probability.
    "int8_softmax": described(classifier("int8", ending="SOFTMAX")),
    "uint8_halves": described(classifier("uint8", scale=0.5, zero_point=128), scale="raw", mean=[0.0], std=[1.0]),
    "float_io": described(classifier("float32", ending="SOFTMAX"), resize="lanczos", fit="pad", padding=114),
    "int16": described(classifier("int16", scale=1 / 16384, zero_point=0), resize="nearest", fit="crop"),
    "one_sigmoid": described(classifier("int8", classes=1, ending="LOGISTIC"), labels=()),
    "grey_of_rgb": described(
        classifier("int8", shape=(6, 5, 1)), channels=1, resize="area", scale="mean_std", mean=[33.3], std=[77.7]
    ),
    "mean_std_a_channel": described(
        classifier("uint8", scale=0.017, zero_point=121),
        scale="mean_std",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        resize="bicubic",
    ),
}
QUICK = ("int8", "int8_softmax", "uint8_halves", "grey_of_rgb")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in MODELS]
)
def test_the_bundle_s_own_tests_pass(name: str, tmp_path: Path) -> None:
    assert java_tests(unpacked(MODELS[name], tmp_path)) == 7


def test_a_model_of_numbers_has_no_image_code(tmp_path: Path) -> None:
    model = described(linear(np.eye(4), dtype="int8"), size=None, channels=None)
    folder = unpacked(model, tmp_path, "com.example.app")
    assert sorted(path.stem for path in folder.glob("java/main/com/example/app/*")) == [
        *("Classes", "Contract", "Scaling", "Tensor")
    ]
    assert java_tests(folder, "com.example.app") == 4


NAMED = {
    "two inputs, two outputs, int8": two_inputs(),
    "two inputs, two outputs, float": two_inputs("float32"),
    "tokens": tiny_models.of_tokens(),
    "several labels": write(
        linear(np.eye(4), dtype="int8"),
        Metadata("m", labels=tuple("abcd"), preprocessing={"scale": "raw"}, task={"name": "multilabel"}),
    ),
}


SOUNDS = {
    "log-mel energies, standardized by band": (Audio(sample_rate=8000, seconds=0.5, mels=20), 20),
    "MFCCs on Slaney's scale, an FFT of no power of two, a channel": (
        Audio(
            sample_rate=8000,
            seconds=0.4,
            features="mfcc",
            frame_ms=30,
            hop_ms=10,
            fft=300,
            mels=20,
            mel_scale="slaney",
            channels=True,
        ),
        13,
    ),
    "the waveform": (Audio(sample_rate=1000, seconds=0.3, features="waveform"), None),
}


def of_sounds(name: str) -> bytes:
    """A classifier of one of the `SOUNDS`, with what a run writes into the file."""
    recipe, width = SOUNDS[name]
    made = AudioPreprocessor(recipe)
    standard: dict[str, object] = {"mean": [0.1], "std": [0.5], "axis": None}
    if width is not None:
        steps = range(width)
        standard = {"mean": [-3 - 0.1 * i for i in steps], "std": [1 + 0.1 * i for i in steps], "axis": 1}
    described = made.describe() | {"standardize": standard}
    content = tiny_models.of_features(made.output_shape((100,)), scale=0.03)
    return write(content, Metadata("m", labels=tuple("abc"), preprocessing=described, task={"name": "classification"}))


@pytest.mark.parametrize("name", SOUNDS)
def test_sounds_have_the_host_s_features(name: str, tmp_path: Path) -> None:
    """1e-4 of the features, a step of the input: another order of sums."""
    assert java_tests(unpacked(of_sounds(name), tmp_path)) == 8


@pytest.mark.parametrize("name", NAMED)
def test_tensors_by_name_meet_the_golden_vectors(name: str, tmp_path: Path) -> None:
    assert java_tests(unpacked(NAMED[name], tmp_path)) == 5


def test_data_of_bytes_that_are_no_pixels(tmp_path: Path) -> None:
    """uint8 vectors are numbers like others; and a name may hold what ends or opens a comment."""
    model, data = tmp_path / "model.tflite", tmp_path / "data.npz"
    model.write_bytes(write(linear(np.eye(4), dtype="int8"), Metadata("a */ \\u002a/ /* b")))
    x = np.random.default_rng(0).integers(0, 256, (20, 4)).astype(np.uint8)
    np.savez(data, x_train=x, y_train=np.arange(20) % 4, x_test=x[:8], y_test=np.arange(8) % 4)
    content = {"source": "npz", "path": str(data), "preprocess": {"scale": "0..1"}}
    recipe = recipes.parse({"name": "vectors", "model": {}, "data": content})
    folder = unzipped(bundle(model, tmp_path / "bundle.zip", recipe=recipe).path)
    assert java_tests(folder) == 4


def test_the_tests_of_a_bundle_see_a_wrong_vector(tmp_path: Path) -> None:
    folder = unpacked(MODELS["int8"], tmp_path)
    vector = folder / "golden" / "1.input"
    content = bytearray(vector.read_bytes())
    content[7] ^= 0x80  # what feeding uint8 instead of int8 does
    vector.write_bytes(content)
    with pytest.raises(AssertionError, match="arrays first differed at element"):
        java_tests(folder)


METHODS = ("nearest", "area", "bilinear", "bicubic", "lanczos")
FITS = ("stretch", "crop", "pad")


def resize_cases(folder: Path, count: int) -> None:
    """Write random sizes up and down, all methods and fits, grey and RGB, as Pillow resizes them."""
    generator = np.random.default_rng(0)
    lines = []
    for number in range(count):
        method, fit = METHODS[number % 5], FITS[number % 3]
        height, width, to_height, to_width = generator.integers(1, 60, 4).tolist()
        if number % 25 == 0:
            height *= 40  # Pillow treats tall images in an order of their own
        channels = (1, 3)[number % 2]
        stored = generator.integers(0, 256, (height, width, channels)).astype(np.uint8)
        if number % 4 == 0:
            stored = np.where(stored > 127, 255, 0).astype(np.uint8)  # hard edges: overshoot is clipped
        padding = (0, 114, 255)[number % 11 % 3] if fit == "pad" else 0
        recipe = Preprocess(
            size=(to_height, to_width),
            resize=method,
            fit=fit,
            padding=padding,
            channels=(1, 3, None)[number % 7 % 3],
        )
        wanted = ImagePreprocessor(recipe)(stored).astype(np.uint8)
        (folder / f"{number}.stored").write_bytes(stored.tobytes())
        (folder / f"{number}.wanted").write_bytes(wanted.tobytes())
        sizes = (height, width, channels, to_height, to_width, wanted.shape[2], padding)
        lines.append(" ".join(map(str, (number, method.upper(), fit.upper(), *sizes))))
    (folder / "cases").write_text("\n".join(lines))


def test_the_java_resize_is_pillow_s_to_the_last_bit(tmp_path: Path) -> None:
    jvm.need("javac", "java")
    resize_cases(tmp_path, 300)
    main = HERE.parents[1] / "pipeline" / "bundle" / "java"
    jvm.javac([main / "Image.java", main / "Resize.java", HERE / "ResizeCases.java"], tmp_path / "classes")
    told = jvm.java([tmp_path / "classes"], "dev.kerasint8.contract.ResizeCases", str(tmp_path))
    assert told == "300 cases, 0 differ\n"
