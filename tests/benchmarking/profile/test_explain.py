"""Why is int8 slow: reasons, by operator."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from pipeline.benchmarking.profile.explain import explain
from pipeline.benchmarking.profile.reasons import reasons
from pipeline.errors import InputError
from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.formats import write
from pipeline.recipe import Keep
from pipeline.tflite import flatbuffer
from pipeline.tflite.inspect import inspect
from pipeline.tflite.work import work
from tests import tiny_models
from tests.quantization import networks

EXAMPLES = networks.examples(10)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("explain")
    content = networks.stack(spread=0.3)
    ranges = calibrate(content, [{"x": EXAMPLES}])
    keep = [Keep.model_validate({"match": "pointwise", "as": "float32"})]
    made = {
        "float": content,
        "int8": write(content, "int8", ranges),
        "mixed": write(content, "int8", ranges, keep=keep),
    }
    for name, written in made.items():
        (folder / f"{name}.tflite").write_bytes(written)
    return {name: folder / f"{name}.tflite" for name in made}


def why(
    path: Path, place: int, *, delegated: bool = True, share: float = 0.5, ratio: float | None = None, int8: str = ""
) -> str:
    model = flatbuffer.read(path)
    operator = inspect(path).operators[place]
    found = reasons(
        model, operator, work(model, place), delegated=delegated, share=share, ratio=ratio, int8=int8.split()
    )
    return "; ".join(found)


def test_every_operator_beside_its_float_counterpart(files: dict[str, Path]) -> None:
    found = explain(files["int8"], files["float"], runs=3)
    assert [op.type for op in found.operators] == [
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "CONV_2D",
        "MEAN",
        "FULLY_CONNECTED",
    ]
    assert all(op.float_us is not None for op in found.operators)
    assert all(op.delegated for op in found.operators)
    assert found.delegated == 1
    assert sum(op.us for op in found.operators) == pytest.approx(found.total_us)
    assert [op.us for op in found.worst_first()] == sorted((op.us for op in found.operators), reverse=True)
    assert found.gains is not None
    assert found.gains["i8mm"] >= found.gains["dotprod"] >= found.gains["armv8.0"]


def test_json(files: dict[str, Path]) -> None:
    content = json.loads(json.dumps(explain(files["int8"], runs=1).to_json(), allow_nan=False))
    assert (content["reference"], content["reference_us"], content["ratio"]) == (None, None, None)
    assert len(content["operators"]) == 5
    assert isinstance(content["host"]["int8_dot_product"], bool)


def test_a_float_file_is_refused(files: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="computes in float: it is float32"):
        explain(files["float"])


def test_a_quantized_reference_is_refused(files: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="is no float model: it is full int8"):
        explain(files["int8"], files["int8"])


def test_a_healthy_fast_operator_has_no_reason(files: dict[str, Path]) -> None:
    assert why(files["int8"], 3, ratio=0.5) == ""


def test_odd_channels(files: dict[str, Path]) -> None:
    said = why(files["int8"], 0, ratio=0.5)
    assert "3 input channels (taken by 4) and 4 output channels (taken by 16)" in said
    assert "81 % of the multiplications are of zeros" in said


def test_depthwise_is_a_reason_only_where_it_is_slow(files: dict[str, Path]) -> None:
    assert why(files["int8"], 1, ratio=1.2).startswith("depthwise:")
    assert why(files["int8"], 1, ratio=0.4) == ""


def test_a_host_without_dot_products_is_the_reason(files: dict[str, Path]) -> None:
    assert "no int8 dot product" in why(files["int8"], 2, ratio=1.1, int8="avx2")
    assert "no int8 dot product" not in why(files["int8"], 2, ratio=1.1, int8="avx2 avx512_vnni")


def test_what_takes_no_time_is_not_explained(files: dict[str, Path]) -> None:
    assert why(files["int8"], 0, share=0.001, ratio=2) == ""


def test_what_is_not_delegated_is_always_named(tmp_path: Path) -> None:
    path = tmp_path / "wide.tflite"
    path.write_bytes(tiny_models.sum_of_two(8, "int16"))
    assert why(path, 0, delegated=False, share=0) == "not delegated: XNNPACK takes no int16 activations"


def test_an_operator_in_float_and_its_conversions(files: dict[str, Path]) -> None:
    names = [op.name for op in inspect(files["mixed"]).operators]
    place = names.index("DEQUANTIZE")
    assert "a conversion between float and integers in the middle" in why(files["mixed"], place)
    assert why(files["mixed"], place + 1).startswith("float: this operator stayed out of int8")


def test_uint8(tmp_path: Path) -> None:
    path = tmp_path / "old.tflite"
    path.write_bytes(tiny_models.sum_of_two(8, "uint8"))
    assert "uint8: XNNPACK has no dot-product kernels" in why(path, 0)


def test_dynamic_range(variant: Callable[[str], Path]) -> None:
    found = explain(variant("dynamic"), variant("float32"), runs=2)
    said = [reason for op in found.operators for reason in op.reasons]
    assert any(reason.startswith("dynamic range: int8 weights") for reason in said)
    assert any(reason.startswith("not delegated: dynamic range") for reason in said)


def test_several_inputs_and_outputs_are_paired_with_the_float_model_s_by_name(tmp_path: Path) -> None:
    model, reference = tmp_path / "int8.tflite", tmp_path / "float.tflite"
    model.write_bytes(tiny_models.joined("int8"))
    reference.write_bytes(tiny_models.joined())
    found = explain(model, reference, runs=3)
    assert [op.name for op in found.operators] == ["both", "logits", "value", "scores"]
    assert all(op.float_us is not None for op in found.operators)


def test_a_model_with_state_is_explained_without_times(tmp_path: Path) -> None:
    tree = flatbuffer.read(tiny_models.linear(np.eye(4), dtype="int8"))
    state = schema.TensorT(name=b"state", shape=[1, 4], type=schema.TensorType.INT8, buffer=0, isVariable=True)
    state.quantization = tree.subgraphs[0].tensors[0].quantization
    tree.subgraphs[0].tensors.append(state)
    path = tmp_path / "state.tflite"
    path.write_bytes(flatbuffer.serialize(tree))
    found = explain(path, runs=2)
    assert found.unprofiled is not None
    assert "state that a model keeps" in found.unprofiled
    assert [(op.type, op.us, op.delegated) for op in found.operators] == [("FULLY_CONNECTED", 0.0, True)]
    assert found.inference_us > 0
    assert found.to_json()["unprofiled"] == found.unprofiled
