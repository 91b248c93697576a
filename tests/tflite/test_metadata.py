from __future__ import annotations

import dataclasses
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.tflite import flatbuffer, metadata, metadata_schema
from pipeline.tflite.inspect import inspect
from pipeline.tflite.metadata import Metadata
from tests import tiny_models

Variant = Callable[[str], Path]

GIVEN = Metadata(
    name="tiny",
    description="A tiny classifier",
    version="1.2",
    labels=("zero", "one", "two", "trois", "vier ö"),
    preprocessing={"size": [8, 8], "resize": "bilinear", "mean": [127.5], "std": [127.5]},
    provenance={"seed": 1, "parents": ["float.keras"]},
)


def _run(model: bytes) -> NDArray[np.int8]:
    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    detail = interpreter.get_input_details()[0]
    example = np.random.default_rng(0).integers(-128, 128, detail["shape"]).astype(np.int8)
    interpreter.set_tensor(detail["index"], example)
    interpreter.invoke()
    result: NDArray[np.int8] = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return result


def test_round_trip(variant: Variant, tmp_path: Path) -> None:
    written = metadata.write(variant("int8").read_bytes(), GIVEN)
    assert metadata.read(written) == GIVEN
    path = tmp_path / "model.tflite"
    path.write_bytes(written)
    assert metadata.read(path) == GIVEN
    assert inspect(path).metadata == GIVEN
    assert inspect(path).to_json()["metadata"]["labels"] == GIVEN.labels


def test_outputs_do_not_change(variant: Variant) -> None:
    model = variant("int8").read_bytes()
    np.testing.assert_array_equal(_run(model), _run(metadata.write(model, GIVEN)))


def test_the_same_metadata_gives_the_same_bytes(variant: Variant) -> None:
    model = variant("int8").read_bytes()
    written = metadata.write(model, GIVEN)
    assert metadata.write(model, GIVEN) == written
    assert metadata.write(written, GIVEN) == written


def test_writing_again_replaces(variant: Variant) -> None:
    other = Metadata(name="other")
    written = metadata.write(metadata.write(variant("int8").read_bytes(), GIVEN), other)
    assert metadata.read(written) == other
    assert not zipfile.is_zipfile(io.BytesIO(written))
    names = inspect(written).metadata_buffers
    assert names.count(metadata.STANDARD_BUFFER) == names.count(metadata.OUR_BUFFER) == 1
    assert "min_runtime_version" in names


def test_labels_are_stored_uncompressed_at_the_end(variant: Variant) -> None:
    with zipfile.ZipFile(io.BytesIO(metadata.write(variant("int8").read_bytes(), GIVEN))) as archive:
        (entry,) = archive.infolist()
        assert (entry.filename, entry.compress_type) == ("labels.txt", zipfile.ZIP_STORED)
        assert archive.read(entry).decode().splitlines() == list(GIVEN.labels)


def _standard(model: bytes) -> metadata_schema.ModelMetadata:
    tree = flatbuffer.read(model)
    entry = next(e for e in tree.metadata if flatbuffer.text(e.name) == metadata.STANDARD_BUFFER)
    return metadata_schema.decode(bytes(tree.buffers[entry.buffer].data))


@pytest.mark.parametrize(
    ("name", "limits"),
    [("int8", (-128, 127)), ("int8_uint8_io", (0, 255)), ("float32", (-1, 1))],
)
def test_standard_metadata(variant: Variant, name: str, limits: tuple[float, float]) -> None:
    found = _standard(metadata.write(variant(name).read_bytes(), GIVEN))
    assert (found.name, found.description, found.version) == ("tiny", "A tiny classifier", "1.2")
    (image,), (classes,) = found.inputs, found.outputs
    assert image.color_space == metadata_schema.GRAYSCALE
    assert (image.mean, image.std) == ((127.5,), (127.5,))
    assert (image.minimum, image.maximum) == ((limits[0],), (limits[1],))
    assert classes.labels_file == "labels.txt"


def test_without_normalization_nothing_is_claimed(variant: Variant) -> None:
    found = _standard(metadata.write(variant("int8").read_bytes(), Metadata(name="bare")))
    assert (found.inputs[0].mean, found.inputs[0].minimum, found.outputs[0].labels_file) == ((), (), None)


def test_the_standard_alone_is_read(variant: Variant) -> None:
    written = metadata.write(variant("int8").read_bytes(), GIVEN)
    tree = flatbuffer.read(written)
    tree.metadata = [e for e in tree.metadata if flatbuffer.text(e.name) != metadata.OUR_BUFFER]
    packed = written[len(flatbuffer.serialize(flatbuffer.read(written))) :]
    # The zip's offsets are now too large by a constant, which zipfile forgives.
    found = metadata.read(flatbuffer.serialize(tree) + packed)
    normalization = {"mean": [127.5], "std": [127.5]}
    assert found == dataclasses.replace(GIVEN, preprocessing=normalization, provenance={})


def test_a_model_without_metadata(variant: Variant) -> None:
    assert metadata.read(variant("int8")) is None


@pytest.mark.parametrize("cut", [1, 20, 100])
def test_packed_labels_that_were_cut_off_are_named_and_the_rest_is_read(variant: Variant, cut: int) -> None:
    model = metadata.write(variant("int8").read_bytes(), GIVEN)
    assert metadata.lost_file(model) is None
    name, why = metadata.lost_file(model[:-cut]) or ("", "")
    assert name == "labels.txt"
    assert why
    assert metadata.read(model[:-cut]) == GIVEN


def test_without_its_own_metadata_the_labels_are_gone(variant: Variant) -> None:
    tree = flatbuffer.read(metadata.write(variant("int8").read_bytes(), GIVEN))
    tree.metadata = [entry for entry in tree.metadata if entry.name == b"TFLITE_METADATA"]
    found = metadata.read(flatbuffer.serialize(tree))
    assert found is not None
    assert (found.name, found.labels) == (GIVEN.name, ())


def test_a_model_without_metadata_has_lost_nothing(variant: Variant) -> None:
    assert metadata.lost_file(variant("int8")) is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Metadata(name="m", labels=("one", "two")), "2 labels, but the model's outputs have 5 values"),
        (Metadata(name="m", labels=("a", "b", "c", "d", "e\nf")), "cannot be a line"),
        (Metadata(name="m", labels=("a", "b", "c", "d", "")), "cannot be a line"),
        (Metadata(name="m", provenance={"path": Path("x")}), "cannot be written as JSON"),
        (Metadata(name="m", provenance={"loss": float("nan")}), "cannot be written as JSON"),
    ],
)
def test_what_cannot_be_written_is_refused(variant: Variant, given: Metadata, message: str) -> None:
    with pytest.raises(InputError, match=message):
        metadata.write(variant("int8").read_bytes(), given)


@pytest.mark.parametrize("name", [metadata.STANDARD_BUFFER, metadata.OUR_BUFFER])
def test_corrupt_metadata_is_an_input_error(variant: Variant, name: str) -> None:
    tree = flatbuffer.read(metadata.write(variant("int8").read_bytes(), Metadata(name="m")))
    entry = next(e for e in tree.metadata if flatbuffer.text(e.name) == name)
    buffer = tree.buffers[entry.buffer]
    buffer.data = buffer.data[: len(buffer.data) // 2].copy()
    with pytest.raises(InputError, match=name):
        metadata.read(flatbuffer.serialize(tree))


def test_each_of_several_inputs_has_its_own_preprocessing() -> None:
    made = metadata.by_input({"left": {"kind": "table"}, "right": {"kind": "image", "mean": [0.0], "std": [255.0]}})
    described = Metadata("two", preprocessing=made, task={"name": "regression"})
    found = metadata.read(metadata.write(tiny_models.joined(), described))
    assert found == described
    assert found.preprocessing_of("left") == {"kind": "table"}
    assert found.preprocessing_of("right")["std"] == [255.0]
    assert found.preprocessing_of("other") == {}


def test_one_input_s_preprocessing_is_told_whatever_it_is_called() -> None:
    found = Metadata("one", preprocessing=metadata.by_input({"x": {"scale": "raw"}}))
    assert found.preprocessing == {"scale": "raw"}
    assert found.preprocessing_of("input_1") == {"scale": "raw"}
