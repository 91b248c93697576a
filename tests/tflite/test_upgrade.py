"""A float .tflite of any converter becomes the form that today's writes, and answers the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from pipeline.conversion.import_float import import_float
from pipeline.errors import InputError
from pipeline.tflite import flatbuffer
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from pipeline.tflite.upgrade import upgrade
from tests import tiny_models
from tests.tiny_models import Graph

Tree = schema.ModelT
rng = np.random.default_rng(0)
LINEAR = tiny_models.linear(rng.normal(size=(3, 4)), rng.normal(size=3), ending="SOFTMAX")
X = rng.normal(size=(2, 4)).astype(np.float32)


def tree(content: bytes) -> Tree:
    """As the file has it, nothing completed."""
    return Tree.InitFromObj(schema.Model.GetRootAs(content, 0))


def packed(model: Tree) -> bytes:
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def answers(content: bytes) -> np.ndarray:
    [values] = Runner(content)({"x": X}).real.values()
    return values


def codes_in_the_first_field(model: Tree) -> bytes:
    for code in model.operatorCodes:
        code.builtinCode = 0
    return packed(model)


def no_names(model: Tree) -> bytes:
    for tensor in model.subgraphs[0].tensors:
        tensor.name = None
    return packed(model)


def one_name_for_all(model: Tree) -> bytes:
    for tensor in model.subgraphs[0].tensors:
        tensor.name = "tensor"
    return packed(model)


def values_in_buffer_0(model: Tree) -> bytes:
    model.buffers[0].data = np.arange(16, dtype=np.uint8)
    return packed(model)


def a_buffer_for_every_activation(model: Tree) -> bytes:
    for tensor in model.subgraphs[0].tensors:
        if tensor.buffer == 0:
            model.buffers.append(schema.BufferT())
            tensor.buffer = len(model.buffers) - 1
    return packed(model)


def constants_behind_the_flatbuffer(model: Tree) -> bytes:
    outside = [(buffer, bytes(buffer.data)) for buffer in model.buffers if buffer.data is not None]
    for buffer, data in outside:
        buffer.data, buffer.offset, buffer.size = None, 2**31, len(data)
    start = (len(packed(model)) + 15) // 16 * 16
    behind = b""
    for buffer, data in outside:
        buffer.offset = start + len(behind)
        behind += data + bytes(-len(data) % 16)
    return packed(model).ljust(start, b"\0") + behind


OLD = [
    *(codes_in_the_first_field, no_names, one_name_for_all, values_in_buffer_0, a_buffer_for_every_activation),
    constants_behind_the_flatbuffer,
]


@pytest.mark.parametrize("make", OLD)
def test_it_is_read_imported_and_answers_the_same(make: Callable[[Tree], bytes]) -> None:
    old = make(tree(LINEAR))
    assert [operator.name for operator in inspect(old).operators] == ["FULLY_CONNECTED", "SOFTMAX"]
    imported = import_float(old).content
    np.testing.assert_array_equal(answers(imported), answers(LINEAR))
    names = [flatbuffer.tensor_name(tensor) for tensor in flatbuffer.read(imported).subgraphs[0].tensors]
    assert all(names)
    assert len(set(names)) == len(names)
    assert not flatbuffer.is_outdated(imported)


def test_other_tools_find_the_operators_of_an_old_file() -> None:
    """They look at the second field alone: without it every operator is ADD."""
    old = codes_in_the_first_field(tree(LINEAR))
    number = schema.BuiltinOperator.FULLY_CONNECTED
    assert next(code.builtinCode for code in tree(old).operatorCodes) == 0
    assert next(code.builtinCode for code in tree(upgrade(old)).operatorCodes) == number


def test_custom_codes_are_kept() -> None:
    model = tree(LINEAR)
    model.operatorCodes[1].deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    model.operatorCodes[1].customCode = "MyOperator"
    old = codes_in_the_first_field(model)
    assert [operator.name for operator in inspect(upgrade(old)).operators] == ["FULLY_CONNECTED", "MyOperator"]


def test_what_is_so_already_is_given_back_as_it_is() -> None:
    assert upgrade(LINEAR) is LINEAR


@pytest.mark.parametrize("version", [0, 2, 4])
def test_another_schema_is_refused_as_tflite_refuses_it(version: int) -> None:
    model = tree(LINEAR)
    model.version = version
    with pytest.raises(InputError, match=f"version {version} of the TFLite schema"):
        flatbuffer.read(packed(model))


WEIGHTS, OTHER = (rng.normal(size=(3, 4)).astype(np.float16) for _ in range(2))


def half(ways: str) -> bytes:
    """x [B, 4] · W1ᵀ [3, 4] (+ the same again, or with W2), with the weights behind what `ways` says."""
    graph = Graph()
    x = graph.tensor("x", [1, 4], open_batch=True)

    def weight(name: str, values: np.ndarray) -> int:
        stored = graph.tensor(f"{name}/half", [3, 4], "float16", data=values)
        if ways == "reshaped":
            stored = graph.tensor(f"{name}/half", [2, 6], "float16", data=values)
            shape = graph.tensor(f"{name}/shape", [2], "int32", data=np.array([3, 4]))
            reshaped = graph.tensor(f"{name}/reshaped", [3, 4], "float16")
            graph.operator("RESHAPE", [stored, shape], [reshaped], "ReshapeOptions", newShape=[3, 4])
            stored = reshaped
        wide = graph.tensor(f"{name}/wide", [3, 4])
        if ways == "cast":
            graph.operator("CAST", [stored], [wide], "CastOptions", inDataType=10, outDataType=0)
        else:
            graph.operator("DEQUANTIZE", [stored], [wide])
        if ways == "chain":
            negative = graph.tensor(f"{name}/negative", [3, 4])
            graph.operator("NEG", [wide], [negative], "NegOptions")
            wide = graph.tensor(f"{name}/again", [3, 4])
            graph.operator("NEG", [negative], [wide], "NegOptions")
        return wide

    first = weight("w", WEIGHTS)
    second = first if ways == "shared" else weight("v", OTHER)
    parts = []
    for name, kernel in (("a", first), ("b", second)):
        part = graph.tensor(name, [1, 3], open_batch=True)
        graph.operator("FULLY_CONNECTED", [x, kernel, -1], [part], "FullyConnectedOptions")
        parts.append(part)
    y = graph.tensor("y", [1, 3], open_batch=True)
    graph.operator("ADD", parts, [y], "AddOptions")
    return graph.build([x], [y])


@pytest.mark.parametrize("ways", ["dequantize", "cast", "shared", "reshaped", "chain"])
def test_float16_weights_become_float32_ones(ways: str) -> None:
    imported = import_float(half(ways))
    operators = inspect(imported.content).operators
    assert [operator.name for operator in operators] == ["FULLY_CONNECTED", "FULLY_CONNECTED", "ADD"]
    tensors = flatbuffer.read(imported.content).subgraphs[0].tensors
    assert {flatbuffer.tensor_type(tensor) for tensor in tensors} == {"float32"}
    assert len(tensors) == (5 if ways == "shared" else 6)
    both = WEIGHTS.astype(np.float32) + (WEIGHTS if ways == "shared" else OTHER).astype(np.float32)
    np.testing.assert_allclose(answers(imported.content), X @ both.T, rtol=1e-5, atol=1e-5)


def test_a_file_with_float16_weights_is_quantized_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.workflow.export import Request, export

    (tmp_path / "half.tflite").write_bytes(half("shared"))
    np.savez(tmp_path / "data.npz", x=rng.normal(size=(40, 4)).astype(np.float32))
    monkeypatch.setenv("PIPELINE_RUNS", str(tmp_path / "runs"))
    data = str(tmp_path / "data.npz")
    written = export(Request(tmp_path / "half.tflite", ["int8"], None, None, data, (), None))
    assert inspect(written["int8"]).verdict.kind == "int8"
    assert inspect(written["int8"].parent / "float.tflite").verdict.text == "float32"


def test_metadata_whose_packed_labels_are_gone_keeps_nobody_from_the_model() -> None:
    """Tools that rewrite a file drop what is packed behind it."""
    from pipeline.tflite.metadata import Metadata, write

    described = write(LINEAR, Metadata("m", labels=("a", "b", "c")))
    cut = described[: described.index(b"PK\x03\x04")]
    for content in (described, cut, codes_in_the_first_field(tree(cut))):
        imported = import_float(content).content
        np.testing.assert_array_equal(answers(imported), answers(LINEAR))
        assert not flatbuffer.read(imported).metadata


def test_a_version_of_an_operator_that_litert_does_not_have_is_said() -> None:
    model = tree(LINEAR)
    model.operatorCodes[0].version = 99
    with pytest.raises(InputError, match=r"a version of one, that this LiteRT does not have.*FULLY_CONNECTED"):
        Runner(packed(model))
