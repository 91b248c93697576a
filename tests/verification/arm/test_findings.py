"""What is said of a difference, by what the model is."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.formats import write
from pipeline.recipe import Keep
from pipeline.tflite.inspect import Inspection, inspect
from pipeline.verification.arm.counts import Counts
from pipeline.verification.arm.emulation_result import Comparison, compare
from pipeline.verification.arm.findings import examine
from pipeline.verification.arm.instructions import INSTRUCTIONS, Instruction
from pipeline.verification.arm.profiles import PROFILES
from tests.quantization.networks import examples as images
from tests.quantization.networks import stack
from tests.verification.arm import zoo


def differing(steps: int) -> Comparison:
    host = tuple((np.array([[value, 0]], np.int8),) for value in (1, 2))
    arm = tuple((np.array([[value, steps]], np.int8),) for value in (1, 2))
    return compare(host, arm, ["y"])


def counts(**ran: int) -> Counts:
    kinds: dict[Instruction, int] = {name: ran.get(name, 0) for name in INSTRUCTIONS}
    return Counts(1000, kinds, ())


def test_int8_that_differs_under_xnnpack_is_an_error() -> None:
    [finding] = examine(
        PROFILES["dotprod"], inspect(zoo.int8_block("conv 1x1")), differing(1), counts(sdot=9), frozenset()
    )
    assert finding.severity == "error"
    assert "2 of 4 output bytes are not the host's; the largest difference is 1" in finding.message
    assert "at [0, 1]: 0 on the host, 1 on ARM" in finding.message


@pytest.mark.parametrize(("steps", "severity"), [(1, "warning"), (2, "error")])
def test_tflites_own_kernels_may_be_one_step_apart_and_no_more(steps: int, severity: str) -> None:
    model = inspect(zoo.int8_block("softmax"))
    found = examine(PROFILES["dotprod"], model, differing(steps), None, frozenset({0}))
    assert found[0].severity == severity
    if severity == "warning":
        assert "XNNPACK does not take SOFTMAX" in found[0].effect


def test_an_instruction_that_the_core_does_not_have_is_an_error() -> None:
    model = inspect(zoo.int8_block("conv 1x1"))
    found = examine(PROFILES["dotprod"], model, differing(0), counts(sdot=5, smmla=1), frozenset())
    assert [(finding.severity, finding.check) for finding in found] == [("error", "instructions")]
    assert "SMMLA ran, which a Cortex-A76 does not have" in found[0].message


def test_other_kernels_than_expected_are_named() -> None:
    from pipeline.verification.arm.counts import Kernel

    model = inspect(zoo.int8_block("conv 1x1"))
    ran = Counts(100, counts(sdot=5).by_kind, (Kernel("xnn_…__neondot", "neondot", 90),))
    [finding] = examine(PROFILES["i8mm"], model, differing(0), ran, frozenset())
    assert finding.message == "SMMLA unused because XNNPACK chose other kernels (neondot)."


def kept(*rules: dict[str, str]) -> Inspection:
    """The network of `stack` in int8, but for what the rules keep in float."""
    content = stack()
    keep = [Keep.model_validate({**rule, "as": "float32"}) for rule in rules]
    return inspect(write(content, "int8", calibrate(content, [{"x": images()}]), keep=keep))


def test_int16_activations_leave_it_unused() -> None:
    content = stack()
    model = inspect(write(content, "int16x8", calibrate(content, [{"x": images()}])))
    [finding] = examine(PROFILES["i8mm"], model, differing(0), counts(), frozenset(range(9)))
    assert finding.message.startswith("SMMLA unused because CONV_2D 0, CONV_2D 2, FULLY_CONNECTED 4: int16 activations")


def test_a_float_layer_in_an_int8_model_is_pointed_out() -> None:
    [finding] = examine(PROFILES["dotprod"], kept({"match": "dense"}), differing(0), counts(sdot=9), frozenset())
    assert finding.severity == "warning"
    assert "1 of 3 matrix operators (33 %) do not run in int8 kernels: FULLY_CONNECTED" in finding.message
    assert "computes in float32" in finding.message


def test_where_all_matrix_layers_are_float_nothing_is_used() -> None:
    model = kept({"type": "CONV_2D"}, {"type": "FULLY_CONNECTED"})
    [finding] = examine(PROFILES["dotprod"], model, differing(0), counts(), frozenset())
    assert finding.message.startswith("SDOT unused because CONV_2D")
    assert finding.message.endswith("computes in float32.")


def test_a_model_without_matrices_has_nothing_to_use() -> None:
    [finding] = examine(PROFILES["dotprod"], inspect(zoo.int8_block("relu")), differing(0), counts(), frozenset({0}))
    assert finding.severity == "note"
    assert "No SDOT: the model has no convolution or fully connected operator" in finding.message


def test_one_answer_to_everything_proves_little() -> None:
    same = (np.array([[1, 2]], np.int8),)
    model = inspect(zoo.int8_block("conv 1x1"))
    [finding] = examine(
        PROFILES["dotprod"], model, compare((same, same), (same, same), ["y"]), counts(sdot=1), frozenset()
    )
    assert (finding.severity, finding.message) == ("warning", "All examples gave one and the same answer.")


def test_what_was_not_counted_is_not_judged() -> None:
    assert examine(PROFILES["dotprod"], inspect(zoo.int8_block("conv 1x1")), differing(0), None, frozenset()) == ()
