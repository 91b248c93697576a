"""Damaged flatbuffers, by a number each: bits, ends, tables, graphs and metadata that no writer wrote."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from ai_edge_litert.schema_py_generated import BufferT, BuiltinOperator, MetadataT, ModelT, OperatorT, TensorType

from pipeline.tflite import flatbuffer, metadata

Random = np.random.Generator

NUMBERS = (-1, 0, 1, 2, 3, 127, 255, 256, 65_535, 2**31 - 1, -(2**31), 2**20)
"""What stands where an index, a count or a side should."""
SCALES = (0.0, -1.0, float("nan"), float("inf"), 1e-45, 1e38, 1.0)
TEXTS = (b"", b"\xff\xfe\x00", b"\x1b]0;title\x07\x1b[31m", b"a" * 10_000, "é".encode(), b"\n\r\x08")
VALUES: tuple[Any, ...] = (
    None, True, -1, 2**70, 1e308, "", "\x1b[2J", [], {}, [[[]]], {"a": {}}, "x" * 5000, ["y"] * 50, {"scale": "0..1"},
    {"mean": "a"}, float("nan"),
)  # fmt: skip


def damaged(content: bytes, number: int) -> bytes:
    """One damaged form of a .tflite file; the same for the same number."""
    random = np.random.default_rng(number)
    return _one_of(KINDS, random)(content, random)


def flipped(content: bytes, random: Random) -> bytes:
    """One to a few bits."""
    found = bytearray(content)
    for _ in range(int(random.integers(1, 6))):
        place = int(random.integers(len(found)))
        found[place] ^= 1 << int(random.integers(8))
    return bytes(found)


def cut(content: bytes, random: Random) -> bytes:
    """Without its end, or with the end of something else."""
    kept = content[: int(random.integers(len(content)))]
    return kept + random.bytes(int(random.integers(64))) if random.integers(2) else kept


def spliced(content: bytes, random: Random) -> bytes:
    """A run of bytes overwritten by others of the same file."""
    found, length = bytearray(content), int(random.integers(1, 64))
    source, target = (int(place) for place in random.integers(0, len(content) - length, 2))
    found[target : target + length] = content[source : source + length]
    return bytes(found)


def appended(content: bytes, random: Random) -> bytes:
    """With something behind its end: noise, itself, half an archive, zeros."""
    packed = _archive(random)
    behind = [random.bytes(int(random.integers(1, 200))), content, packed[: len(packed) // 2], bytes(100_000)]
    return content + _one_of(behind, random)


def edited(content: bytes, random: Random) -> bytes:
    """A well-formed flatbuffer with one to three values that make no sense."""
    model = flatbuffer.read(content)
    for _ in range(int(random.integers(1, 4))):
        places = list(_places(model))
        owner, key = _one_of(places, random)
        _put(owner, key, random)
    return _packed(model, content, random)


def rewired(content: bytes, random: Random) -> bytes:
    """A well-formed graph that cannot be: operators in a circle or out of order, without inputs, of another kind."""
    model = flatbuffer.read(content)
    for _ in range(int(random.integers(1, 3))):
        _one_of(_REWIRINGS, random)(model, random)
    return _packed(model, content, random)


def _another_input(model: ModelT, random: Random) -> None:
    graph, operator = _an_operator(model, random)
    if operator.inputs:
        place = int(random.integers(len(operator.inputs)))
        operator.inputs[place] = _one_of([-1, *range(len(graph.tensors)), *operator.outputs], random)


def _another_output(model: ModelT, random: Random) -> None:
    graph, operator = _an_operator(model, random)
    if operator.outputs:
        place = int(random.integers(len(operator.outputs)))
        operator.outputs[place] = _one_of([*range(len(graph.tensors)), *operator.inputs], random)


def _fewer_or_more(model: ModelT, random: Random) -> None:
    _, operator = _an_operator(model, random)
    name = _one_of(["inputs", "outputs"], random)
    there = list(getattr(operator, name))
    setattr(operator, name, _one_of([[], there[:-1], [*there, *there], there[::-1], [*there, -1]], random))


def _another_order(model: ModelT, random: Random) -> None:
    graph, _ = _an_operator(model, random)
    graph.operators = _one_of(
        [graph.operators[::-1], graph.operators * 2, graph.operators[1:], graph.operators[:-1], []], random
    )


def _another_operator(model: ModelT, random: Random) -> None:
    code = _one_of(model.operatorCodes, random)
    code.builtinCode = _one_of([number for number in vars(BuiltinOperator).values() if isinstance(number, int)], random)
    code.deprecatedBuiltinCode = min(code.builtinCode, BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)
    code.version = _one_of([1, 1, 1, 2, 5, 1000], random)


def _others_options(model: ModelT, random: Random) -> None:
    (_, one), (_, other) = _an_operator(model, random), _an_operator(model, random)
    one.builtinOptions, one.builtinOptionsType = other.builtinOptions, other.builtinOptionsType


def _other_ends(model: ModelT, random: Random) -> None:
    graph, _ = _an_operator(model, random)
    name, count = _one_of(["inputs", "outputs"], random), len(graph.tensors)
    setattr(graph, name, [int(random.integers(count)) for _ in range(int(random.integers(1, 4)))])


def _into_each_other(model: ModelT, random: Random) -> None:
    """IF, WHILE and CALL_ONCE that call the graph they stand in, or one that is not there."""
    _, operator = _an_operator(model, random)
    if operator.builtinOptions is not None:
        for name in vars(operator.builtinOptions):
            if name.endswith("SubgraphIndex"):
                setattr(operator.builtinOptions, name, _one_of([0, 1, 2, 3, -1, 2**31 - 1], random))
    if random.integers(2):
        model.subgraphs.append(_one_of(model.subgraphs, random))


_REWIRINGS = (
    _another_input, _another_output, _fewer_or_more, _another_order, _another_operator, _others_options, _other_ends,
    _into_each_other,
)  # fmt: skip


def resized(content: bytes, random: Random) -> bytes:
    """A well-formed flatbuffer whose tensors are not what their values are: sides, types, buffers, scales."""
    model = flatbuffer.read(content)
    for _ in range(int(random.integers(1, 3))):
        _one_of(_RESIZINGS, random)(model, random)
    return _packed(model, content, random)


def _another_shape(model: ModelT, random: Random) -> None:
    tensor = _a_tensor(model, random)
    sides = [] if tensor.shape is None else [int(side) for side in tensor.shape]
    if sides:
        sides[int(random.integers(len(sides)))] = _one_of(
            [0, 2, 3, 1000, 2**16, 2**20, 2**28, 2**30, 2**31 - 1], random
        )
    shapes = [sides, sides[::-1], sides[:-1], [*sides, 1], [1] * 9, [2**16, 2**15], [2**10, 2**10, 2**9], []]
    tensor.shape = np.array(_one_of([sides, sides, *shapes], random), np.int32)
    if random.integers(2):
        open_ = [-1 if random.integers(2) else side for side in tensor.shape]
        tensor.shapeSignature = np.array(_one_of([open_, open_[:-1], [-1] * 5, [-7] * len(open_)], random), np.int32)


def _another_type(model: ModelT, random: Random) -> None:
    types = [number for number in vars(TensorType).values() if isinstance(number, int)]
    _a_tensor(model, random).type = _one_of(types, random)


def _another_buffer(model: ModelT, random: Random) -> None:
    _a_tensor(model, random).buffer = int(random.integers(len(model.buffers)))


def _another_length(model: ModelT, random: Random) -> None:
    buffer = _one_of(model.buffers, random)
    there = b"" if buffer.data is None else bytes(np.asarray(buffer.data, np.uint8))
    new = _one_of([there[:-1], there[: len(there) // 2], there * 2, there + b"\0", b"", bytes(1 << 20)], random)
    buffer.data = np.frombuffer(new, np.uint8)


def _other_numbers(model: ModelT, random: Random) -> None:
    """Axes, shapes, orders, paddings and strides: the integer constants that kernels compute addresses from."""
    constants = [
        tensor
        for graph in model.subgraphs
        for tensor in graph.tensors
        if flatbuffer.tensor_type(tensor) in ("int32", "int64") and flatbuffer.is_constant(model, tensor)
    ]
    if constants:
        tensor = _one_of(constants, random)
        buffer = model.buffers[tensor.buffer]
        values = np.frombuffer(bytes(np.asarray(buffer.data, np.uint8)), flatbuffer.tensor_type(tensor)).copy()
        for _ in range(int(random.integers(1, 3))):
            values[int(random.integers(values.size))] = _one_of([*NUMBERS, -2, -7, 4, 5, 64, 2**30], random)
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)


def _other_scales(model: ModelT, random: Random) -> None:
    parameters = _a_tensor(model, random).quantization
    if parameters is not None and parameters.scale is not None:
        count = _one_of([0, 1, 2, 4, 10, 1000], random)
        parameters.scale = np.array([_one_of([*SCALES, 0.5, 0.5], random) for _ in range(count)], np.float32)
        parameters.zeroPoint = np.array([_one_of([0, 0, *NUMBERS], random)] * _one_of([0, 1, count], random), np.int64)
        parameters.quantizedDimension = _one_of([0, 0, 1, 3, -1, 100], random)


def _variable(model: ModelT, random: Random) -> None:
    _a_tensor(model, random).isVariable = True


_RESIZINGS = (
    _another_shape, _another_shape, _another_type, _another_buffer, _another_length, _other_numbers, _other_numbers,
    _other_scales, _variable,
)  # fmt: skip


def _one_of(choices: Any, random: Random) -> Any:
    return choices[int(random.integers(len(choices)))]


def _an_operator(model: ModelT, random: Random) -> Any:
    graphs = [graph for graph in model.subgraphs if graph.operators]
    if not graphs:  # an earlier change took them all
        graphs = model.subgraphs
        graphs[0].operators = [OperatorT()]
        graphs[0].operators[0].inputs, graphs[0].operators[0].outputs = [], []
    graph = _one_of(graphs, random)
    return graph, _one_of(graph.operators, random)


def _a_tensor(model: ModelT, random: Random) -> Any:
    return _one_of(_one_of(model.subgraphs, random).tensors, random)


def _packed(model: ModelT, content: bytes, random: Random) -> bytes:
    try:
        return flatbuffer.serialize(model)
    except Exception:  # what cannot even be packed is another bit flip
        return flipped(content, random)


def _places(model: Any) -> Iterator[tuple[Any, Any]]:
    """Every attribute and entry of the object tree that may be changed."""
    waiting: list[Any] = [model]
    while waiting:
        owner = waiting.pop()
        items = enumerate(owner) if isinstance(owner, list) else vars(owner).items()
        for key, value in items:
            yield owner, key
            if isinstance(value, list) or (hasattr(value, "__dict__") and type(value).__name__.endswith("T")):
                waiting.append(value)


def _put(owner: Any, key: Any, random: Random) -> None:
    value = owner[key] if isinstance(owner, list) else getattr(owner, key)
    new: Any
    if isinstance(value, np.ndarray) and value.size:
        new = value.copy()
        choices = SCALES if value.dtype.kind == "f" else NUMBERS
        with np.errstate(all="ignore"):
            new.flat[int(random.integers(value.size))] = np.array(choices[int(random.integers(len(choices)))]).astype(
                value.dtype
            )
        if random.integers(4) == 0:
            new = new.ravel()[: int(random.integers(value.size))]
    elif isinstance(value, bytes | str):
        new = TEXTS[int(random.integers(len(TEXTS)))]
    elif isinstance(value, bool):
        new = not value
    elif isinstance(value, float):
        new = SCALES[int(random.integers(len(SCALES)))]
    elif isinstance(value, int):
        new = NUMBERS[int(random.integers(len(NUMBERS)))]
    elif isinstance(value, list) and value:
        new = [value[:-1], [*value, value[0]], []][int(random.integers(3))]
    else:
        new = None
    if isinstance(owner, list):
        owner[key] = new
    else:
        setattr(owner, key, new)


def described(content: bytes, random: Random) -> bytes:
    """Metadata that nobody wrote: entries of another type, no JSON, a damaged archive, labels that are no text."""
    fields: dict[str, Any] = {
        "name": "a", "description": "", "version": "1", "labels": ["a", "b"],
        "preprocessing": {"scale": "0..1", "size": [8, 8], "mean": [0.0], "std": [1.0], "shape": [8, 8, 1]},
        "task": {"name": "classification"}, "provenance": {"golden": {"input": "a", "output": "b"}, "keep": []},
    }  # fmt: skip
    for _ in range(int(random.integers(1, 4))):
        where = fields if random.integers(2) else fields["preprocessing" if random.integers(2) else "provenance"]
        if isinstance(where, dict) and where:
            where[list(where)[int(random.integers(len(where)))]] = VALUES[int(random.integers(len(VALUES)))]
    text = json.dumps(fields).encode()
    if random.integers(8) == 0:
        text = b"[" * 50_000
    if random.integers(6) == 0:
        text = flipped(text, random)
    model = flatbuffer.read(content)
    for name in (metadata.OUR_BUFFER, metadata.STANDARD_BUFFER):
        if name == metadata.OUR_BUFFER or random.integers(2):
            model.metadata = [*(model.metadata or []), MetadataT(name=name, buffer=len(model.buffers))]
            model.buffers.append(BufferT(data=np.frombuffer(text, np.uint8)))
    return flatbuffer.serialize(model) + _archive(random)


def archived(content: bytes, random: Random) -> bytes:
    """Files that are packed behind it as no writer packs them."""
    return content + _archive(random)


def _archive(random: Random) -> bytes:
    packed = io.BytesIO()
    names = [
        "labels.txt",
        "labels.txt",
        "../../labels.txt",
        "/etc/labels.txt",
        "a" * 300,
        "l\x1b[31m.txt",
        "labels.txt/",
    ]
    methods = [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one name twice
        with zipfile.ZipFile(packed, "w", _one_of(methods, random)) as file:
            for name in ["labels.txt", *(_one_of(names, random) for _ in range(int(random.integers(3))))]:
                file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), _one_of([*TEXTS, b"\n" * 100_000], random))
            if random.integers(3) == 0:
                file.writestr(zipfile.ZipInfo("padding.bin", (1980, 1, 1, 0, 0, 0)), bytes(10 << 20))
    made = packed.getvalue()
    return flipped(made, random) if random.integers(3) == 0 else made


KINDS: tuple[Callable[[bytes, Random], bytes], ...] = (
    flipped, cut, spliced, appended, edited, edited, edited, rewired, rewired, resized, resized, described, archived,
)  # fmt: skip
