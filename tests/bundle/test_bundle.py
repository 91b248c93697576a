"""What `pipeline bundle` packs, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import recipe as recipes
from pipeline.bundle.bundle import bundle
from pipeline.errors import InputError
from pipeline.recipe import Recipe
from pipeline.tensors import only
from pipeline.tflite.runner import Runner
from tests import tiny_models
from tests.bundle.models import classifier, described


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.tflite"
    path.write_bytes(described(classifier("int8", ending="SOFTMAX")))
    return path


def files(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def packed(model: Path, **settings: Any) -> dict[str, bytes]:
    return files(bundle(model, model.parent / "out" / "b.zip", **settings).path)


def array(found: dict[str, bytes], entry: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(found[entry["file"]], entry["dtype"]).reshape(entry["shape"])


def digits_recipe(**preprocess: Any) -> Recipe:
    data = {"source": "digits", "limit": 40, "preprocess": {"scale": "0..1"} | preprocess}
    return recipes.parse({"name": "digits", "model": {}, "data": data})


def test_it_holds_the_model_its_labels_and_the_contract(model: Path) -> None:
    found = packed(model)
    assert found["m.tflite"] == model.read_bytes()
    assert found["labels.txt"].decode() == "ant\nbee\ncat\ndög\n"
    contract = json.loads(found["contract.json"])
    assert contract["schema"] == 2
    assert contract["model"]["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert contract["input"] == {
        "name": "image",
        "shape": [1, 6, 5, 3],
        "dtype": "int8",
        "scale": 0.0078125,
        "zero_point": -1,
        "minimum": -128,
        "maximum": 127,
        "byte_order": "little-endian",
    }
    assert (contract["output"]["scale"], contract["output"]["zero_point"]) == (1 / 256, -128)
    before = contract["preprocessing"]
    assert (before["kind"], before["size"], before["resize"], before["fit"]) == ("image", [6, 5], "bilinear", "stretch")
    assert before["formula"] == "x / 127.5 - 1, in float32"
    after = contract["postprocessing"]
    assert after == {"reading": "classes", "ending": "softmax", "apply": None, "classes": 4, "top_k": 4}
    assert contract["bit_exact"]


def test_golden_vectors_are_the_pipeline_s_own_road(model: Path) -> None:
    found = packed(model, examples=2)
    examples = json.loads(found["contract.json"])["golden"]["examples"]
    assert len(examples) == 2
    for example in examples:
        runner = Runner(model)
        stored, pixels = array(found, example["stored"]), array(found, example["values"])
        assert stored.dtype == pixels.dtype == np.uint8
        assert pixels.shape == (6, 5, 3) != stored.shape
        given = array(found, example["input"])
        np.testing.assert_array_equal(
            given, runner.inputs[0].quantize(pixels.astype(np.float32)[None] / np.float32(127.5) - np.float32(1))
        )
        (wanted,) = runner.run(given)
        np.testing.assert_array_equal(array(found, example["output"]), wanted)
        scores = array(found, example["scores"])
        np.testing.assert_array_equal(scores, runner.outputs[0].dequantize(wanted)[0])
        assert example["answer"]["index"] == int(np.argmax(scores))
        assert example["answer"]["label"] in ("ant", "bee", "cat", "dög")


def test_the_same_input_gives_the_same_bytes(model: Path) -> None:
    one, other = (bundle(model, model.parent / f"{name}.zip").path.read_bytes() for name in "ab")
    assert one == other


def test_golden_examples_come_from_the_test_split_of_the_recipe(tmp_path: Path) -> None:
    model = tmp_path / "digits.tflite"
    model.write_bytes(tiny_models.digits())
    recipe = digits_recipe()
    found = packed(model, recipe=recipe)
    contract = json.loads(found["contract.json"])
    examples = contract["golden"]["examples"]
    assert [example["origin"] for example in examples] == ["test[0]", "test[1]", "test[2]"]
    assert contract["golden"]["from_data"]
    assert contract["postprocessing"]["apply"] == "softmax"
    assert not contract["bit_exact"]
    from pipeline.data import load

    first = only(load(recipe.data).split("test")[0])
    np.testing.assert_array_equal(array(found, examples[0]["stored"]), first)
    np.testing.assert_allclose(array(found, examples[0]["probabilities"]).sum(), 1, rtol=1e-5)


def test_broken_examples_are_left_out_where_the_recipe_says_so(tmp_path: Path) -> None:
    from PIL import Image

    model = tmp_path / "m.tflite"
    model.write_bytes(described(classifier("int8")))
    rows = ["file,label,split"]
    for number in range(4):
        name = f"{number}.png"
        if number == 0:
            (tmp_path / name).write_bytes(b"no image")
        else:
            Image.new("RGB", (9, 7), (number * 50, 10, 20)).save(tmp_path / name)
        rows += [f"{name},{number},{split}" for split in (["test"] if number < 3 else ["train"])]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    size = {"size": [6, 5], "channels": 3, "scale": "-1..1"}
    content = {"source": "csv", "path": str(tmp_path / "labels.csv"), "preprocess": size, "on_corrupt": "skip"}
    recipe = recipes.parse({"name": "x", "model": {}, "data": content})
    examples = json.loads(packed(model, recipe=recipe)["contract.json"])["golden"]["examples"]
    assert [example["origin"] for example in examples] == ["test[1]", "test[2]"]


def test_labels_of_the_run_fill_in_where_the_model_has_none(model: Path) -> None:
    model.write_bytes(described(classifier("int8"), labels=()))
    assert packed(model, labels=tuple("abcd"))["labels.txt"].decode() == "a\nb\nc\nd\n"


@pytest.mark.parametrize("names", [(), ("a", "b"), tuple("abcde")])
def test_names_are_never_made_up(model: Path, names: tuple[str, ...]) -> None:
    model.write_bytes(described(classifier("int8"), labels=()))
    found = packed(model, labels=names)
    assert "labels.txt" not in found
    contract = json.loads(found["contract.json"])
    assert [output["labels"] for output in contract["outputs"]] == [[]]
    for example in contract["golden"]["examples"]:
        assert example["answer"]["label"] is None


def test_a_model_of_others_with_the_standard_metadata_only(model: Path) -> None:
    from pipeline.tflite import flatbuffer, metadata

    written = described(classifier("uint8", zero_point=128), labels=())
    tree = flatbuffer.read(written)
    tree.metadata = [e for e in tree.metadata if flatbuffer.text(e.name) != metadata.OUR_BUFFER]
    model.write_bytes(flatbuffer.serialize(tree))
    before = json.loads(packed(model)["contract.json"])["preprocessing"]
    assert (before["scale"], before["mean"], before["std"]) == ("mean_std", [127.5], [127.5])
    assert (before["resize"], before["fit"], before["size"]) == (None, None, [6, 5])


def test_half_a_bundle_is_never_left(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = model.parent / "b.zip"
    target.write_bytes(b"the one before")
    with pytest.raises(InputError):
        bundle(model, target, package="not a package")
    assert target.read_bytes() == b"the one before"
    assert sorted(path.name for path in model.parent.iterdir()) == ["b.zip", "m.tflite"]


@pytest.mark.parametrize("package", ["", "Com.App", "com.int", "com..x", "com.fun.x", "1com", "a-b", "com.x;import"])
def test_a_package_that_would_not_compile_is_refused(model: Path, package: str) -> None:
    with pytest.raises(InputError, match="--package takes"):
        bundle(model, model.parent / "b.zip", package=package)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (classifier("int8"), "is not recorded in it: say so with --recipe"),
        (tiny_models.of_strings(), "holds string"),
        (
            described(tiny_models.fixed_batch(4), labels=()),
            r"becomes \[6, 5, 1\] as 'x', but the model takes \[1, 2, 2\]",
        ),
        (described(classifier("uint8", zero_point=-1)), "the zero point -1, which uint8 cannot hold"),
        (b"no model", "is not a TFLite model|no TFLite model|TFLite"),
    ],
    ids=["no preprocessing", "strings", "no image", "wrong zero point", "garbage"],
)
def test_what_cannot_be_bundled_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    model = tmp_path / "m.tflite"
    model.write_bytes(content)
    with pytest.raises(InputError, match=message):
        bundle(model, tmp_path / "b.zip")
    assert not (tmp_path / "b.zip").exists()


def test_a_recipe_that_contradicts_the_model_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "m.tflite"
    model.write_bytes(described(classifier("int8", shape=(8, 8, 1)), size=[8, 8], channels=None))
    with pytest.raises(InputError, match=r"another preprocessing .* scale -1\.\.1, not 0\.\.1"):
        bundle(model, tmp_path / "b.zip", recipe=digits_recipe())


def test_examples_of_another_size_are_refused(tmp_path: Path) -> None:
    model = tmp_path / "m.tflite"
    model.write_bytes(classifier("int8", shape=(6, 6, 1)))
    with pytest.raises(InputError, match=r"becomes \[8, 8, 1\], but the model takes \[6, 6, 1\]"):
        bundle(model, tmp_path / "b.zip", recipe=digits_recipe())


def test_more_vectors_than_an_app_can_hold_are_refused_before_any_is_made(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.bundle.golden_vectors._noise", None)
    with pytest.raises(InputError, match=r"a bundle holds 10000000, of 268 MB at most\. Take fewer"):
        bundle(model, model.parent / "b.zip", examples=10_000_000)
