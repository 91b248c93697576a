"""The golden vectors as files, and what `contract.json` says of them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import numpy as np

from pipeline.bundle.contract import Contract, Output
from pipeline.bundle.golden_vectors import FOLDER, Answer, Array, Example, Golden, InputVectors, OutputVectors

_SIMPLE_HEAD = "number,type,height,width,channels,answer,origin"
_NAMED_HEAD = "number,file,side,kind,type,height,width,channels,name"
_ROUNDING_HEAD = "file,name"
_ANSWERS_HEAD = "file,height,width,outputs"


def contract_json(contract: Contract, vectors: Golden, *, from_data: bool) -> dict[str, Any]:
    """The contract, and which golden files there are."""
    names = file_names(contract)
    described = _simple_example if contract.simple else _named_example
    made_by = {
        "pipeline": metadata.version("keras-int8-pipeline"),
        "runtime": f"ai-edge-litert {metadata.version('ai-edge-litert')}, XNNPACK, 1 thread",
        "pillow": metadata.version("Pillow"),
    }
    examples = [described(contract, names, number, example) for number, example in enumerate(vectors.examples)]
    golden: dict[str, Any] = {"from_data": from_data, "made_by": made_by, "examples": examples}
    if vectors.answers:
        golden["answers"] = [_located(names, answer) for answer in vectors.answers]
    return contract.to_json() | {"golden": golden}


def files_of(contract: Contract, vectors: Golden) -> dict[str, bytes]:
    """The files by their path in the bundle."""
    return _simple_files(vectors) if contract.simple else _named_files(contract, vectors)


def file_names(contract: Contract) -> dict[str, str]:
    """What files call each input and output: its name, as far as file systems take it; no two the same."""
    found: dict[str, str] = {}
    for spec in (*(one.tensor for one in contract.inputs), *(one.tensor for one in contract.outputs)):
        plain = re.sub(r"[^A-Za-z0-9_-]+", "_", spec.name) or "tensor"
        name, number = plain, 1
        while name.lower() in (taken.lower() for key, taken in found.items() if key != spec.name):
            number += 1
            name = f"{plain}_{number}"
        found.setdefault(spec.name, name)
    return found


def text_lines(lines: Sequence[str]) -> bytes:
    """A line each."""
    return "".join(f"{line}\n" for line in lines).encode()


def json_lines(content: dict[str, Any]) -> bytes:
    """As the bundle holds JSON."""
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def _simple_example(contract: Contract, names: dict[str, str], number: int, example: Example) -> dict[str, Any]:
    entries = {what: _entry(f"{number}.{what}", array) for what, array in _simple_arrays(example).items()}
    (vectors,), (target,) = example.outputs.values(), contract.outputs
    return {"origin": example.origin, **entries, "answer": _answer(target, vectors)}


def _named_example(contract: Contract, names: dict[str, str], number: int, example: Example) -> dict[str, Any]:
    inputs = {
        name: {what: _entry(f"{number}.{names[name]}.{what}", array) for what, array in _of_input(vectors).items()}
        for name, vectors in example.inputs.items()
    }
    outputs: dict[str, Any] = {}
    for target in contract.outputs:
        name, vectors = target.tensor.name, example.outputs[target.tensor.name]
        outputs[name] = {
            what: _entry(f"{number}.{names[name]}.{what}", array) for what, array in _of_output(vectors).items()
        }
        if target.reading == "classes":
            outputs[name]["answer"] = _answer(target, vectors)
    return {"origin": example.origin, "inputs": inputs, "outputs": outputs}


def _located(names: dict[str, str], answer: Answer) -> dict[str, Any]:
    outputs = {name: _entry(f"{answer.name}.{names[name]}.output", array) for name, array in answer.outputs.items()}
    found = {what: _entry(f"{answer.name}.{what}", array) for what, array in answer.found.items()}
    return {"drawn": answer.drawn, "photo": list(answer.photo), "outputs": outputs, **found}


def _answer(target: Output, vectors: OutputVectors) -> dict[str, Any]:
    assert vectors.probabilities is not None
    best = int(np.argmax(vectors.probabilities))
    return {
        "index": best,
        "label": target.labels[best] if target.labels else None,
        "probability": float(vectors.probabilities[best]),
    }


def _entry(name: str, array: Array) -> dict[str, Any]:
    return {"file": f"{FOLDER}/{name}", "shape": list(array.shape), "dtype": str(array.dtype)}


def _simple_arrays(example: Example) -> dict[str, Array]:
    (source,), (target,) = example.inputs.values(), example.outputs.values()
    assert target.probabilities is not None
    return {
        "stored": source.stored,
        "values": source.values,
        "input": source.input,
        "output": target.output,
        "scores": target.real,
        "probabilities": target.probabilities,
    }


def _of_input(vectors: InputVectors) -> dict[str, Array]:
    return {"stored": vectors.stored, "values": vectors.values, "input": vectors.input}


def _of_output(vectors: OutputVectors) -> dict[str, Array]:
    shares = {} if vectors.probabilities is None else {"probabilities": vectors.probabilities}
    return {"output": vectors.output, "real": vectors.real, **shares}


def _simple_files(vectors: Golden) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    rows = [_SIMPLE_HEAD]
    for number, example in enumerate(vectors.examples):
        arrays = _simple_arrays(example)
        files |= {f"{FOLDER}/{number}.{what}": _raw(array) for what, array in arrays.items()}
        answer = int(np.argmax(arrays["probabilities"]))
        rows.append(f"{number},{arrays['stored'].dtype},{_sides(arrays['stored'])},{answer},{example.origin}")
    files[f"{FOLDER}/examples.csv"] = text_lines(rows)
    for pixels in vectors.every_pixel.values():
        files[f"{FOLDER}/every_pixel.input"] = _raw(pixels)
    for rounding in vectors.rounding.values():
        files[f"{FOLDER}/rounding.values"] = _raw(rounding.values)
        files[f"{FOLDER}/rounding.stored"] = _raw(rounding.stored)
    return files


def _named_files(contract: Contract, vectors: Golden) -> dict[str, bytes]:
    names = file_names(contract)
    files: dict[str, bytes] = {}
    rows = [_NAMED_HEAD]
    for number, example in enumerate(vectors.examples):
        for source in contract.inputs:
            name, one = source.tensor.name, example.inputs[source.tensor.name]
            files |= {f"{FOLDER}/{number}.{names[name]}.{what}": _raw(array) for what, array in _of_input(one).items()}
            kind = "integers" if source.as_integers else source.kind if source.kind in ("image", "audio") else "numbers"
            rows.append(f"{number},{names[name]},input,{kind},{one.values.dtype},{_sides(one.stored)},{name}")
        for target in contract.outputs:
            name, given = target.tensor.name, example.outputs[target.tensor.name]
            files |= {
                f"{FOLDER}/{number}.{names[name]}.{what}": _raw(array) for what, array in _of_output(given).items()
            }
            kind = "integers" if target.as_integers else "numbers" if target.reading == "values" else "classes"
            rows.append(f"{number},{names[name]},output,{kind},{given.real.dtype},{_sides(given.output)},{name}")
    files[f"{FOLDER}/vectors.csv"] = text_lines(rows)
    for name, rounding in vectors.rounding.items():
        files[f"{FOLDER}/rounding.{names[name]}.values"] = _raw(rounding.values)
        files[f"{FOLDER}/rounding.{names[name]}.stored"] = _raw(rounding.stored)
    files[f"{FOLDER}/rounding.csv"] = text_lines(
        [_ROUNDING_HEAD, *(f"{names[name]},{name}" for name in vectors.rounding)]
    )
    return files | (_answer_files(names, vectors.answers) if vectors.answers else {})


def _answer_files(names: dict[str, str], answers: Sequence[Answer]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    rows = [_ANSWERS_HEAD]
    for answer in answers:
        outputs = {f"{answer.name}.{names[name]}": array for name, array in answer.outputs.items()}
        if answer.drawn:
            files |= {f"{FOLDER}/{file}.output": _raw(array) for file, array in outputs.items()}
        files |= {f"{FOLDER}/{answer.name}.{what}": _raw(array) for what, array in answer.found.items()}
        rows.append(f"{answer.name},{answer.photo[0]},{answer.photo[1]},{' '.join(outputs)}")
    files[f"{FOLDER}/answers.csv"] = text_lines(rows)
    return files


def _sides(stored: Array) -> str:
    """Height, width and channels of an image; the size alone of all else."""
    height, width, channels = stored.shape if stored.ndim == 3 else (1, 1, stored.size)
    return f"{height},{width},{channels}"


def _raw(array: Array) -> bytes:
    """As every Android device stores it: little-endian."""
    return array.astype(array.dtype.newbyteorder("<")).tobytes()
