"""The metadata a model carries with it: its labels, its preprocessing, where it came from.

It is written twice. The standard flatbuffer (TFLITE_METADATA, with labels.txt in a zip at the file's end) is
for Android's Task Library, ML Kit and MediaPipe; these take image inputs of type uint8 or float32, not int8.
Our own JSON buffer holds everything without loss, and is what `read` prefers.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.schema_py_generated import BufferT, MetadataT, ModelT, TensorT

from pipeline import limits
from pipeline.errors import InputError, one_line, shortened
from pipeline.tflite import flatbuffer, metadata_schema
from pipeline.tflite.metadata_fields import problem
from pipeline.tflite.metadata_schema import GRAYSCALE, RGB, ModelMetadata, TensorMetadata
from pipeline.tflite.prune import prune
from pipeline.tflite.signature import input_names

STANDARD_BUFFER = "TFLITE_METADATA"
OUR_BUFFER = "keras-int8-pipeline"
LABELS_FILE = "labels.txt"
INPUTS = "inputs"
"""Key of the preprocessing of several inputs."""

LOCATED = ("detection", "segmentation", "keypoints")
"""Tasks whose labels name what lies in an image: an output need not have a value for each."""

_PIXEL_RANGE = (0.0, 255.0)
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can say: the same model gives the same bytes
_ZIP_MODE = 0o644 << 16
_ZIP_UNIX = 3


@dataclass(frozen=True)
class Metadata:
    """What is known of a model besides its arithmetic. Both dicts hold JSON values only."""

    name: str
    description: str = ""
    version: str = ""
    labels: tuple[str, ...] = ()
    """A name for each class or point; empty where there are none."""
    preprocessing: dict[str, Any] = field(default_factory=dict)
    """How a stored example becomes the model's input, as the data's preprocessor describes it; of several inputs
    `{"inputs": {name: description}}`. `shape` is an example's. Of an image `mean` and `std` are lists, one value per
    channel or one for all, in stored units (0 to 255): normalized = (pixel − mean) / std."""
    provenance: dict[str, Any] = field(default_factory=dict)
    task: dict[str, Any] = field(default_factory=dict)
    """How the outputs are read, as `Task.describe` says; empty where it is not recorded."""

    def preprocessing_of(self, name: str) -> dict[str, Any]:
        """How one input is made, by its name in the model; empty where that is not recorded."""
        inputs = self.preprocessing.get(INPUTS)
        return self.preprocessing if inputs is None else inputs.get(name, {})


def located_task(task: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A task's description, or the first of several outputs' tasks, that is one of `LOCATED`."""
    each = task.get("outputs")
    ones = [one for one in each.values() if isinstance(one, Mapping)] if isinstance(each, Mapping) else [task]
    return next((one for one in ones if one.get("name") in LOCATED), None)


def by_input(described: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """`Metadata.preprocessing` from the description of each input, by its name in the model."""
    return dict(next(iter(described.values()))) if len(described) == 1 else {INPUTS: dict(described)}


def write(model: bytes, metadata: Metadata) -> bytes:
    """The model with this metadata instead of what it had, packed files included; its outputs do not change.

    The same model and metadata give the same bytes.

    Raises:
        InputError: `model` is not a whole TFLite model; no output has one value per label, and the task is none of
            `LOCATED`; a label is empty or has a line break; or a dict holds what JSON cannot.
    """
    tree = flatbuffer.read(model)
    main = tree.subgraphs[0]
    standard = ModelMetadata(
        name=metadata.name,
        description=metadata.description,
        version=metadata.version,
        inputs=tuple(
            _input(main.tensors[index], metadata.preprocessing_of(name))
            for name, index in zip(input_names(tree), main.inputs, strict=True)
        ),
        outputs=_outputs(
            [main.tensors[i] for i in main.outputs], metadata.labels, located_task(metadata.task) is not None
        ),
    )
    try:
        ours = json.dumps(asdict(metadata), ensure_ascii=False, allow_nan=False, sort_keys=True)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The metadata of '{metadata.name}' cannot be written as JSON: {error}. Its preprocessing and "
            "provenance take strings, finite numbers, booleans, null, lists and dicts."
        ) from error
    _set_buffer(tree, STANDARD_BUFFER, metadata_schema.encode(standard))
    _set_buffer(tree, OUR_BUFFER, ours.encode())
    packed = flatbuffer.serialize(tree)
    return _append_labels(packed, metadata.labels) if metadata.labels else packed


def take_out(model: bytes) -> tuple[bytes, Metadata | None]:
    """The model without its metadata and packed files, and what they said; the content itself where it has none.

    For whoever rewrites a model: the packed files would be lost, and the metadata would name what is not there.

    Raises:
        InputError: as `read`.
    """
    found = read(model)
    return without(model), found


def without(model: bytes) -> bytes:
    """The model without its metadata and packed files, whatever they say; the content itself where it has none."""
    tree = flatbuffer.read(model)
    kept = [entry for entry in tree.metadata or [] if flatbuffer.text(entry.name) not in (STANDARD_BUFFER, OUR_BUFFER)]
    if len(kept) == len(tree.metadata or []):
        return model
    tree.metadata = kept
    prune(tree)
    return flatbuffer.serialize(tree)


def read(source: Path | bytes) -> Metadata | None:
    """Our metadata if the model has it, else what the standard metadata and its packed labels say, else None.

    Labels that are named but missing are left out; see :func:`lost_file`.

    Raises:
        InputError: not a whole TFLite model, or corrupt metadata.
    """
    data = flatbuffer.load(source)
    tree = flatbuffer.read(data)
    where = flatbuffer.label(source)
    standard = _read_standard(_get_buffer(tree, STANDARD_BUFFER), data, where, input_names(tree))
    ours = _get_buffer(tree, OUR_BUFFER)
    if ours is None:
        return standard
    try:
        fields = limits.json_value(ours)
        wrong = problem(fields) if isinstance(fields, dict) else "it is no JSON object"
        if wrong is None:
            return Metadata(**fields | {"labels": tuple(fields["labels"])})
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        wrong = shortened(f"{type(error).__name__}: {error}", 200)
    raise InputError(
        f"The '{OUR_BUFFER}' metadata of {where} is not what this program writes: {wrong}. Write it again."
    )


def lost_file(source: Path | bytes) -> tuple[str, str] | None:
    """The packed file of labels that the standard metadata names and the file does not hold, and why.

    A file cut at its end, or rewritten by a tool that drops what stands behind the flatbuffer.

    Raises:
        InputError: as `read`.
    """
    data = flatbuffer.load(source)
    encoded = _get_buffer(flatbuffer.read(data), STANDARD_BUFFER)
    if encoded is None:
        return None
    name = _labels_file(_decoded(encoded, flatbuffer.label(source)))
    found = None if name is None else _packed_labels(data, name)
    return (name, found) if name is not None and isinstance(found, str) else None


def _input(tensor: TensorT, preprocessing: dict[str, Any]) -> TensorMetadata:
    shape, dtype = flatbuffer.tensor_shape(tensor), flatbuffer.tensor_type(tensor)
    channels = shape[-1] if len(shape) == 4 else 0
    color_space = {1: GRAYSCALE, 3: RGB}.get(channels)
    mean = tuple(float(value) for value in preprocessing.get("mean") or ())
    std = tuple(float(value) for value in preprocessing.get("std") or ())
    minimum: tuple[float, ...] = ()
    maximum: tuple[float, ...] = ()
    if color_space is None or not mean or not std:
        mean = std = ()
    elif dtype.startswith("float"):
        # The range of what is fed in; for integers it is their type's, as the standard's own writers say.
        minimum, maximum = (tuple(((pixel - np.asarray(mean)) / np.asarray(std)).tolist()) for pixel in _PIXEL_RANGE)
    else:
        limits = np.iinfo(dtype)
        minimum, maximum = (float(limits.min),), (float(limits.max),)
    return TensorMetadata(flatbuffer.tensor_name(tensor), color_space, mean, std, minimum, maximum)


def _outputs(tensors: list[TensorT], labels: tuple[str, ...], located: bool) -> tuple[TensorMetadata, ...]:
    for label in labels:
        if not label.strip() or len(label.splitlines()) > 1:
            raise InputError(f"The label {label!r} cannot be a line of {LABELS_FILE}. Give each class one line.")
    sizes = [(flatbuffer.tensor_shape(tensor) or (1,))[-1] for tensor in tensors]
    if labels and not located and len(labels) not in sizes:
        raise InputError(
            f"There are {len(labels)} labels, but the model's outputs have {', '.join(map(str, sizes))} "
            "values. Give one label per class, in the order the model was trained with."
        )
    return tuple(
        TensorMetadata(
            flatbuffer.tensor_name(tensor),
            labels_file=LABELS_FILE if labels and size == len(labels) else None,
        )
        for tensor, size in zip(tensors, sizes, strict=True)
    )


def _set_buffer(tree: ModelT, name: str, data: bytes) -> None:
    buffer = BufferT(data=np.frombuffer(data, np.uint8))
    for entry in tree.metadata or []:
        if flatbuffer.text(entry.name) == name:
            tree.buffers[entry.buffer] = buffer
            return
    tree.metadata = [*(tree.metadata or []), MetadataT(name=name, buffer=len(tree.buffers))]
    tree.buffers.append(buffer)


def _get_buffer(tree: ModelT, name: str) -> bytes | None:
    for entry in tree.metadata or []:
        if flatbuffer.text(entry.name) == name and tree.buffers[entry.buffer].data is not None:
            return bytes(tree.buffers[entry.buffer].data)
    return None


def _append_labels(model: bytes, labels: tuple[str, ...]) -> bytes:
    packed = io.BytesIO(model)
    entry = zipfile.ZipInfo(LABELS_FILE, _ZIP_TIME)
    entry.external_attr, entry.create_system = _ZIP_MODE, _ZIP_UNIX
    # Stored, not compressed: Android's reader maps the file and takes the bytes as they lie.
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(entry, "".join(f"{label}\n" for label in labels))
    return packed.getvalue()


def _read_standard(encoded: bytes | None, data: bytes, where: str, names: list[str]) -> Metadata | None:
    if encoded is None:
        return None
    standard = _decoded(encoded, where)
    labels_file = _labels_file(standard)
    labels = () if labels_file is None else _packed_labels(data, labels_file)
    normalized = {
        name: {"mean": list(tensor.mean), "std": list(tensor.std)}
        for name, tensor in zip(names, standard.inputs, strict=False)
        if tensor.mean and tensor.std
    }
    several = len(names) > 1
    return Metadata(
        name=standard.name,
        description=standard.description,
        version=standard.version,
        labels=() if isinstance(labels, str) else labels,
        preprocessing={} if not normalized else {INPUTS: normalized} if several else by_input(normalized),
    )


def _decoded(encoded: bytes, where: str) -> ModelMetadata:
    try:
        return metadata_schema.decode(encoded)
    except ValueError as error:
        raise InputError(f"The {STANDARD_BUFFER} of {where} cannot be read: {error}. Write it again.") from error


def _labels_file(standard: ModelMetadata) -> str | None:
    return next((output.labels_file for output in standard.outputs if output.labels_file), None)


def _packed_labels(data: bytes, name: str) -> tuple[str, ...] | str:
    """The lines of a packed file, or why they cannot be had."""
    try:
        with limits.archive(io.BytesIO(data)) as archive:
            return tuple(limits.member(archive, name, limits.TEXT_BYTES).decode().splitlines())
    except (OSError, ValueError, KeyError) as error:
        return one_line(error, 200)
