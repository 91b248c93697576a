"""A file that is not what it was written as is refused, with the line that helps."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import PipelineError
from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.format_check import audit
from pipeline.quantization.formats import write
from pipeline.quantization.keep import as_options, parse
from pipeline.recipe import Keep
from pipeline.tflite.inspect import inspect
from pipeline.tflite.signature import name_ends
from tests.tiny_models import Graph

X = np.random.default_rng(0).uniform(0.5, 2, (32, 4)).astype(np.float32)


def network(kind: str) -> bytes:
    """FULLY_CONNECTED, then an operator that has no int8 form (SIN), or one that int8 breaks on zeros (DIV)."""
    graph = Graph()
    x, inner, y = (graph.tensor(name, [1, 4], open_batch=True) for name in ("in", "scores/MatMul", "wave/odd;it"))
    weights = graph.tensor("w", [4, 4], data=np.eye(4))
    bias = graph.tensor("bias", [4], data=np.zeros(4))
    graph.operator("FULLY_CONNECTED", [x, weights, bias], [inner], "FullyConnectedOptions")
    if kind == "DIV":
        graph.operator("DIV", [inner, inner], [y], "DivOptions")
    else:
        graph.operator(kind, [inner], [y])
    return name_ends(graph.build([x], [y]), ["x"], ["wave/odd;it"])


def refusal(content: bytes, folder: Path, keep: list[Keep]) -> str | None:
    """Why the int8 file is refused."""
    path, prepared = folder / "int8.tflite", folder / "prepared.tflite"
    prepared.write_bytes(content)
    path.write_bytes(write(content, "int8", calibrate(content, [{"x": X}]), keep=keep))
    try:
        audit({"int8": path}, "int8", keep, prepared)
    except PipelineError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("kind", "said"), [("SIN", "SIN .* computes in float32"), ("DIV", "DIV .* computes in float32")]
)
def test_what_it_says_to_type_helps(kind: str, said: str, tmp_path: Path) -> None:
    why = refusal(network(kind), tmp_path, [])
    assert why is not None
    assert re.search(said, why)
    words = shlex.split(why[why.index("--keep") :])
    rules = [parse(word) for option, word in zip(words[::2], words[1::2], strict=True) if option == "--keep"]
    assert rules
    assert refusal(network(kind), tmp_path, rules) is None
    assert inspect(tmp_path / "int8.tflite").verdict.kind == "mixed"


def test_rules_that_were_given_are_in_the_line_too(tmp_path: Path) -> None:
    given = Keep.model_validate({"type": "FULLY_CONNECTED"})
    why = refusal(network("SIN"), tmp_path, [given])
    assert why is not None
    assert "--keep type:FULLY_CONNECTED=float32 --keep " in why


def test_what_breaks_the_float_model_too_is_not_the_formats_fault(tmp_path: Path) -> None:
    graph = Graph()
    x, table = graph.tensor("x", [1, 2], "int32"), graph.tensor("table", [1, 4], data=np.ones((1, 4)))
    rows, y = graph.tensor("rows", [1, 2, 4]), graph.tensor("y", [1, 2, 4])
    graph.operator("GATHER", [table, x], [rows], "GatherOptions", axis=0)
    graph.operator("RELU", [rows], [y])
    content = name_ends(graph.build([x], [y]), ["x"], ["y"])
    path, prepared = tmp_path / "int8.tflite", tmp_path / "prepared.tflite"
    prepared.write_bytes(content)
    path.write_bytes(write(content, "int8", calibrate(content, [{"x": np.zeros((4, 2), np.int32)}])))
    audit({"int8": path}, "int8", (), prepared)


def test_a_rule_and_its_text_are_the_same() -> None:
    rules = [
        Keep.model_validate({"match": "a b*"}),
        Keep.model_validate({"type": "SOFTMAX", "as": "int16x8"}),
        Keep.model_validate({"match": "head;x", "type": "CONV_2D", "as": "float16"}),
    ]
    assert [parse(str(rule)) for rule in rules] == rules
    assert [parse(word) for word in shlex.split(as_options(rules))[1::2]] == rules
