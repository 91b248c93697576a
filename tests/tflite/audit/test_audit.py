"""The whole audit, with what XNNPACK takes measured on this host."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.formats import write
from pipeline.recipe import Keep
from pipeline.tflite import delegation, flatbuffer
from pipeline.tflite.audit.audit import CHECKS, audit
from pipeline.tflite.delegation import measure, why_not
from tests import tiny_models
from tests.quantization import networks
from tests.tflite.audit.bodies import EXAMPLES, Surgery, healthy, saved
from tests.tiny_models import Graph

SHARED = Path(__file__).parents[4] / "shared/data/models/resnet8_cifar10_mlperf_int8.tflite"


def test_a_healthy_model(tmp_path: Path) -> None:
    found = audit(saved(healthy(), tmp_path), examples=[{"x": x} for x in EXAMPLES])
    assert found.findings == ()
    assert found.checked == tuple(CHECKS)
    assert found.left_out == ()
    assert found.delegation is not None
    assert (found.delegation.share, len(found.delegation.partitions)) == (1, 1)


def test_without_data_saturation_is_left_out(tmp_path: Path) -> None:
    found = audit(saved(healthy(), tmp_path))
    assert "saturation" not in found.checked
    assert found.left_out == ("saturation: it takes data (--data, or --recipe)",)


def test_the_worst_comes_first_and_fails(tmp_path: Path) -> None:
    sick = Surgery(healthy()).zero_point("conv", 0).scale("dense/bias", 1.5).done()
    found = audit(saved(sick, tmp_path))
    assert [finding.severity for finding in found.findings] == ["error", "warning"]
    assert found.failed
    content = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert content["xnnpack"]["partitions"] == [[0, 1, 2, 3, 4]]


def test_a_model_that_kills_the_process_is_still_audited(tmp_path: Path) -> None:
    found = audit(saved(tiny_models.sum_of_two(4, "int8", scale=None), tmp_path))
    assert found.delegation is None
    assert any("XNNPACK: " in reason and "SIGABRT" in reason for reason in found.left_out)
    [finding] = [finding for finding in found.findings if finding.severity == "error"]
    assert finding.check == "plausible inputs"
    assert "does not run at all, it ends the process that loads it: operator 0 ADD ('sum') gives up" in finding.message


def test_a_custom_operator_is_an_error_where_nothing_brings_it(tmp_path: Path) -> None:
    surgery = Surgery(healthy())
    place = surgery.graph.operators[3].opcodeIndex
    code = surgery.model.operatorCodes[place]
    code.builtinCode, code.deprecatedBuiltinCode, code.customCode = 32, 32, b"MyPool"
    found = audit(saved(surgery.done(), tmp_path))
    assert found.delegation is None
    (custom,) = [finding for finding in found.findings if finding.check == "custom operators"]
    assert (custom.severity, custom.evidence["operators"]) == ("error", {"MyPool": 1})


def test_no_examples(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no examples"):
        audit(saved(healthy(), tmp_path), examples=[])


def test_an_operator_kept_in_float_is_an_island(tmp_path: Path) -> None:
    content = networks.stack(spread=0.3)
    ranges = calibrate(content, [{"x": EXAMPLES}])
    mixed = write(content, "int8", ranges, keep=[Keep.model_validate({"match": "pointwise", "as": "float32"})])
    (island,) = [f for f in audit(saved(mixed, tmp_path)).findings if f.check == "float islands"]
    assert (island.severity, island.evidence["islands"]) == ("warning", 1)
    assert "1 operator in float, in 1 place (1 CONV_2D)" in island.message
    assert "2 QUANTIZE and DEQUANTIZE" in island.effect


def unary(kind: str, dtype: str) -> bytes:
    scale = None if dtype == "float32" else 0.05
    out = {"SOFTMAX": (1 / 256, -128), "LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}.get(kind, (scale, 0))
    graph = Graph()
    x = graph.tensor("x", [1, 4, 4, 8], dtype, scale=scale)
    y = graph.tensor("y", [1, 4, 4, 8], dtype, scale=None if scale is None else out[0], zero_point=out[1])
    options = {"SOFTMAX": ("SoftmaxOptions", {"beta": 1.0}), "GELU": ("GeluOptions", {})}.get(kind, ("", {}))
    graph.operator(kind, [x], [y], options[0], **options[1])
    return graph.build([x], [y])


@pytest.mark.parametrize("kind", ["SOFTMAX", "HARD_SWISH", "GELU", "EXP", "RELU", "NEG"])
def test_what_xnnpack_is_said_to_take_in_float_only_is_so(kind: str, tmp_path: Path) -> None:
    assert kind in delegation.FLOAT_ONLY
    assert measure(saved(unary(kind, "float32"), tmp_path)).share == 1
    path = saved(unary(kind, "int8"), tmp_path)
    assert measure(path).share == 0
    assert why_not(flatbuffer.read(path), 0) == f"XNNPACK takes {kind} in float only, not in int8"


@pytest.mark.parametrize("kind", ["LOGISTIC", "TANH", "ELU"])
def test_what_xnnpack_takes_in_int8_has_no_reason(kind: str, tmp_path: Path) -> None:
    assert kind not in delegation.FLOAT_ONLY | delegation.NEVER
    assert measure(saved(unary(kind, "int8"), tmp_path)).share == 1


def test_the_reason_for_int16(tmp_path: Path) -> None:
    path = saved(tiny_models.sum_of_two(4, "int16"), tmp_path)
    assert measure(path).share == 0
    assert why_not(flatbuffer.read(path), 0) == "XNNPACK takes no int16 activations"


def test_the_reason_for_dynamic_range(variant: Callable[[str], Path]) -> None:
    path = variant("dynamic")
    model = flatbuffer.read(path)
    left = set(range(len(model.subgraphs[0].operators))) - measure(path).taken
    assert left
    assert any(why_not(model, place).startswith("dynamic range") for place in left)


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes(tiny_models.linear(np.eye(3))[:-8])
    with pytest.raises(InputError, match=r"cut\.tflite"):
        measure(path)


def test_the_published_resnet8() -> None:
    if not SHARED.exists():
        pytest.skip(f"needs {SHARED}")
    found = audit(SHARED)
    by_check = {finding.check: finding for finding in found.findings}
    assert set(by_check) == {"per channel", "XNNPACK"}
    assert by_check["XNNPACK"].evidence["partitions"] == 2
    assert "AVERAGE_POOL_2D in float only" in by_check["XNNPACK"].message
