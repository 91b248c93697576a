"""The stage: a model and its data in, one zip out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.bundle import archive
from pipeline.bundle import code_generation as source
from pipeline.bundle import golden_vectors as golden
from pipeline.bundle.contract import Contract, read
from pipeline.bundle.golden_vectors import FOLDER, Array, Golden
from pipeline.errors import InputError
from pipeline.files import write_bytes
from pipeline.progress import Track, quiet
from pipeline.recipe import Recipe
from pipeline.tensors import only
from pipeline.tflite import flatbuffer
from pipeline.tflite.inspect import inspect

LABELS = "labels.txt"
_CSV_HEAD = "number,type,height,width,channels,answer,origin"


@dataclass(frozen=True)
class Bundle:
    """What was written."""

    path: Path
    contract: Contract
    model_sha256: str
    examples: int
    from_data: bool
    """The golden vectors are examples of the recipe's data; otherwise seeded noise."""
    files: tuple[str, ...]
    size_bytes: int

    def to_json(self) -> dict[str, Any]:
        return {
            "bundle": str(self.path),
            "size_bytes": self.size_bytes,
            "model_sha256": self.model_sha256,
            "golden": {"examples": self.examples, "from_data": self.from_data},
            "files": list(self.files),
            "contract": self.contract.to_json(),
        }


def bundle(
    model: Path,
    target: Path,
    *,
    recipe: Recipe | None = None,
    labels: tuple[str, ...] = (),
    examples: int = 3,
    package: str = source.PACKAGE,
    track: Track = quiet,
) -> Bundle:
    """Write the bundle of a model, whole or not at all. The same input gives the same bytes.

    Args:
        model: A .tflite classifier with one input and one output.
        target: The zip.
        recipe: Whose preprocessing and test examples are used; without one the model's metadata and seeded noise.
        labels: Where the model's metadata has none.
        examples: Golden examples.
        package: Of the Java and Kotlin sources.
        track: Follows the examples.

    Raises:
        InputError: as `contract.read`; a package name that is none; data that cannot be read or does not fit the model.
        PipelineError: the runtime gave up, or the target cannot be written.
    """
    source.check_package(package)
    content = flatbuffer.load(model)
    contract = read(inspect(model), recipe.data.preprocess if recipe else None, labels)
    chosen = list(track(_examples(contract, recipe, examples), "golden vectors", total=examples))
    vectors = golden.make(contract, content, chosen)
    digest = hashlib.sha256(content).hexdigest()
    files = {
        model.name: content,
        LABELS: _lines(contract.labels),
        "contract.json": _json(_contract_json(contract, model.name, digest, len(content), vectors, recipe is not None)),
        "README.txt": _readme(contract, model.name, package).encode(),
        **{name: text.encode() for name, text in source.write(contract, model.name, digest, package).items()},
        **_vectors(vectors),
    }
    packed = archive.pack(files)
    write_bytes(target, packed)
    return Bundle(
        target, contract, digest, len(vectors.examples), recipe is not None, tuple(sorted(files)), len(packed)
    )


def _examples(contract: Contract, recipe: Recipe | None, count: int) -> Iterator[tuple[str, Array]]:
    """The first of the test split, or the calibration split where there is none; broken ones as the recipe says."""
    if recipe is None:
        yield from golden.noise(contract, count)
        return
    from pipeline.data import load
    from pipeline.data.examples import CorruptExampleError

    data = load(recipe.data)
    split = next(name for name in ("test", "calibration", *data.splits) if name in data.splits)
    stored = data.split(split)
    given = 0
    for index in range(len(stored)):
        if given == count:
            return
        try:
            raw = only(stored[index])
        except CorruptExampleError:
            if recipe.data.on_corrupt == "fail":
                raise
            continue
        given += 1
        yield f"{split}[{index}]", raw
    if not given:
        raise InputError(f"None of the {len(stored)} examples of the {split} split can be read.")


def _contract_json(
    contract: Contract, file: str, digest: str, size: int, vectors: Golden, from_data: bool
) -> dict[str, Any]:
    examples = []
    for number, example in enumerate(vectors.examples):
        answer = int(np.argmax(example.probabilities))
        examples.append(
            {
                "origin": example.origin,
                **{
                    what: {
                        "file": f"{FOLDER}/{number}.{what}",
                        "shape": list(array.shape),
                        "dtype": str(array.dtype),
                    }
                    for what, array in _arrays(example).items()
                },
                "answer": {
                    "index": answer,
                    "label": contract.labels[answer],
                    "probability": float(example.probabilities[answer]),
                },
            }
        )
    model = {"file": file, "sha256": digest, "size_bytes": size}
    made_by = {
        "pipeline": metadata.version("keras-int8-pipeline"),
        "runtime": f"ai-edge-litert {metadata.version('ai-edge-litert')}, XNNPACK, 1 thread",
        "pillow": metadata.version("Pillow"),
    }
    return contract.to_json() | {
        "model": model,
        "golden": {"from_data": from_data, "made_by": made_by, "examples": examples},
    }


def _arrays(example: golden.Example) -> dict[str, Array]:
    return {
        "stored": example.stored,
        "pixels": example.pixels,
        "input": example.input,
        "output": example.output,
        "scores": example.scores,
        "probabilities": example.probabilities,
    }


def _vectors(vectors: Golden) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    rows = [_CSV_HEAD]
    for number, example in enumerate(vectors.examples):
        for what, array in _arrays(example).items():
            files[f"{FOLDER}/{number}.{what}"] = _raw(array)
        height, width, channels = example.stored.shape if example.stored.ndim == 3 else (1, 1, example.stored.size)
        answer = int(np.argmax(example.probabilities))
        rows.append(f"{number},{example.stored.dtype},{height},{width},{channels},{answer},{example.origin}")
    files[f"{FOLDER}/examples.csv"] = _lines(tuple(rows))
    if vectors.every_pixel is not None:
        files[f"{FOLDER}/every_pixel.input"] = _raw(vectors.every_pixel)
    if vectors.rounding_values is not None and vectors.rounding_stored is not None:
        files[f"{FOLDER}/rounding.values"] = _raw(vectors.rounding_values)
        files[f"{FOLDER}/rounding.stored"] = _raw(vectors.rounding_stored)
    return files


def _raw(array: Array) -> bytes:
    """As every Android device stores it: little-endian."""
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


def _lines(lines: tuple[str, ...]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def _readme(contract: Contract, model_file: str, package: str) -> str:
    exact = (
        "It computes in integers only: under XNNPACK a phone must give golden/N.output byte for byte."
        if contract.bit_exact
        else "It computes in float, at least in part: a device's outputs may differ from golden/N.output a little."
    )
    return f"""{contract.name}: a model, what goes around it, and vectors that prove it.

{model_file}
               the model. {exact}
labels.txt     a class a line
contract.json  preprocessing, types, scales, zero points, postprocessing
golden/        N.stored (the example) -> N.pixels (the model's size and channels) -> N.input (its input tensor)
               -> N.output (its output tensor) -> N.scores and N.probabilities (float32). Raw, little-endian.
               every_pixel.input: what the values 0 to 255 become; rounding.*: halves and limits
java/, kotlin/ the same code in both languages, package {package}: take one.
               main/ goes into src/main/java of an app; test/ into src/test/java, with golden/ and labels.txt in
               src/test/resources; the tests need JUnit 4.
"""
