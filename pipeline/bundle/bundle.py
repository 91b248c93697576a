"""The stage: a model and its data in, one zip out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.bundle import archive
from pipeline.bundle import code_generation as source
from pipeline.bundle import golden_vectors as golden
from pipeline.bundle.contract import Contract
from pipeline.bundle.golden_files import contract_json, files_of, json_lines, text_lines
from pipeline.bundle.read_contract import read
from pipeline.bundle.stored_examples import stored_examples
from pipeline.data import Dataset, load
from pipeline.files import write_bytes
from pipeline.progress import Track, quiet
from pipeline.recipe import Recipe
from pipeline.tasks.task import Task
from pipeline.tflite import flatbuffer
from pipeline.tflite.inspect import inspect
from pipeline.tflite.metadata import located_task

LABELS = "labels.txt"


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
    task: Task | None = None,
    examples: int = 3,
    package: str = source.PACKAGE,
    track: Track = quiet,
) -> Bundle:
    """Write the bundle of a model, whole or not at all. The same input gives the same bytes.

    Args:
        model: A .tflite with any inputs and outputs.
        target: The zip.
        recipe: Whose preprocessing and test examples are used; without one the model's metadata and seeded noise.
        labels: Where the model's metadata has none.
        task: How the outputs are read, where the metadata does not say; by default a single output of scores is a
            classifier's where the data has classes, and where there is no data.
        examples: Golden examples.
        package: Of the Java and Kotlin sources.
        track: Follows the examples.

    Raises:
        InputError: as `read_contract.read`; a package name that is none; data that cannot be read or does not fit the
            model; inputs and outputs too large for so many examples.
        PipelineError: the runtime gave up, or the target cannot be written.
    """
    source.check_package(package)
    content = flatbuffer.load(model)
    data = None if recipe is None else load(recipe.data, trains=recipe.trains)
    said = None if task is None else task.describe()
    located = located_task(said or {})
    contract = read(
        inspect(model),
        content,
        described=None if data is None else described_by(data),
        inputs=None if data is None else data.inputs,
        labels=labels or (() if data is None else data.names_of((located or {}).get("target"))),
        classes=None if data is None else bool(data.class_names),
        task=said,
    )
    golden.check_size(contract, examples)
    found = golden.noise(contract, examples) if data is None else stored_examples(data, contract, examples)
    chosen = list(track(found, "golden vectors", total=examples))
    vectors = golden.make(contract, content, chosen)
    digest = hashlib.sha256(content).hexdigest()
    facts = contract_json(contract, vectors, from_data=data is not None)
    facts["model"] = {"file": model.name, "sha256": digest, "size_bytes": len(content)}
    files = {
        model.name: content,
        **({LABELS: text_lines(contract.labels)} if contract.labels else {}),
        "contract.json": json_lines(facts),
        "README.txt": _readme(contract, model.name, package).encode(),
        **{name: text.encode() for name, text in source.write(contract, model.name, digest, package).items()},
        **files_of(contract, vectors),
    }
    packed = archive.pack(files)
    write_bytes(target, packed)
    return Bundle(target, contract, digest, len(vectors.examples), data is not None, tuple(sorted(files)), len(packed))


def described_by(data: Dataset) -> dict[str, dict[str, Any]]:
    """How the data makes each input, by its own names."""
    return {name: preprocessor.describe() for name, preprocessor in data.preprocessors.items()}


def _readme(contract: Contract, model_file: str, package: str) -> str:
    exact = (
        "It computes in integers only: under XNNPACK a phone must give its golden output byte for byte."
        if contract.bit_exact
        else "It computes in float, at least in part: a device's outputs may differ from the golden ones a little."
    )
    files = [(model_file, f"the model. {exact}")]
    if contract.labels:
        files.append((LABELS, "a class a line"))
    files.append(("contract.json", "preprocessing, types, scales, zero points, postprocessing"))
    listed = "\n".join(f"{name:<15}{text}" if len(name) < 15 else f"{name}\n{'':<15}{text}" for name, text in files)
    how = _SIMPLE_VECTORS if contract.simple else _NAMED_VECTORS
    if contract.located is not None:
        how += _LOCATED_VECTORS + _LOCATED[contract.located.kind]
        if not contract.located.sources:
            how += _NO_CODE
    if contract.simple and contract.inputs[0].kind == "image":
        how += _EVERY_PIXEL
    return f"""{contract.name}: a model, what goes around it, and vectors that prove it.

{listed}
golden/        {how}
java/, kotlin/ the same code in both languages, package {package}: take one.
               main/ goes into src/main/java of an app; test/ into src/test/java, with golden/ and labels.txt in
               src/test/resources; the tests need JUnit 4.
"""


_SIMPLE_VECTORS = """N.stored (the example) -> N.values (what encode takes) -> N.input (its input tensor)
               -> N.output (its output tensor) -> N.scores and N.probabilities (float32). Raw, little-endian.
               rounding.*: halves and limits"""
_EVERY_PIXEL = """
               every_pixel.input: what the pixels 0 to 255 become"""
_LOCATED_VECTORS = """
               answers.csv: photos' sizes and outputs (drawn*: any values), and what is found in them, as """
_LOCATED = {
    "boxes": """N.boxes:
               class, score, top, left, bottom, right in pixels of the photo, float32""",
    "mask": "N.mask: a class a pixel\n               of the photo, 8 bits, 255 where the model did not see it",
    "points": "N.points: y, x in\n               pixels of the photo and a score a point, float32",
}
_NO_CODE = """
               The decoder is a function of your own, for which there is no code: these are what yours must give."""
_NAMED_VECTORS = """of each input N.INPUT.stored (the example) -> N.INPUT.values (what encode takes) ->
               N.INPUT.input (the tensor); of each output N.OUTPUT.output (the tensor) -> N.OUTPUT.real (numbers) and
               N.OUTPUT.probabilities of classes. Raw, little-endian; vectors.csv and contract.json list them.
               rounding.*: halves and limits of each quantized input"""
