"""Each check is silent on a healthy model, and names what was broken in a sick one."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from pipeline.finding import Finding
from pipeline.tflite import metadata
from pipeline.tflite.audit.checks import (
    bias_overflow,
    bias_scale,
    float_islands,
    packed_files,
    per_channel,
    saturation,
    scales,
    zero_points,
    zero_rows,
)
from pipeline.tflite.audit.observe import Observed, observe
from tests import tiny_models
from tests.tflite.audit.bodies import EXAMPLES, Surgery, healthy, subject

STATIC = [scales, bias_scale, bias_overflow, zero_points, zero_rows, per_channel, float_islands]
CONV = "conv/weights"


@pytest.fixture(scope="module")
def body() -> bytes:
    return healthy()


def one(findings: list[Finding]) -> Finding:
    (found,) = findings
    assert found.message.endswith(".")
    assert found.effect
    assert found.remedy
    return found


@pytest.mark.parametrize("module", STATIC, ids=lambda module: module.CHECK)
def test_a_healthy_model_has_no_findings(module: Any, body: bytes) -> None:
    assert module.check(subject(body)) == []


@pytest.mark.parametrize("factor", [0.0, -1.0, np.nan, np.inf])
def test_a_scale_that_is_none(body: bytes, factor: float) -> None:
    found = scales.check(subject(Surgery(body).scale("mean", factor).done()))[0]
    assert (found.severity, "'mean'" in found.message or "mean" in found.message) == ("error", True)


def test_a_scale_beyond_sense(body: bytes) -> None:
    found = one(scales.check(subject(Surgery(body).scale("mean", 1e-9).scale("dense/weights", 1e-9).done()))[:1])
    assert found.severity == "warning"
    assert "'mean'" in found.message


def test_a_layer_that_xnnpack_refuses_for_its_multiplier(body: bytes) -> None:
    found = scales.check(subject(Surgery(body).scale("dense", 1e-6).done()))
    assert [f.severity for f in found if "256 or more" in f.message] == ["error"]


def test_a_multiplier_above_one_is_a_note(body: bytes) -> None:
    layer = subject(body).layers[-1]
    content = Surgery(body).scale("dense", float(layer.multipliers.max()) / 2).done()
    assert [f.severity for f in scales.check(subject(content)) if "is above 1" in f.message] == ["note"]


def test_a_dead_channel_is_a_note(body: bytes) -> None:
    def kill(scale: np.ndarray) -> np.ndarray:
        scale[1] = 1e-20
        return scale

    surgery = Surgery(body)
    parameters = surgery.tensor(CONV).quantization
    parameters.scale = kill(np.array(parameters.scale, np.float32))
    found = one(scales.check(subject(surgery.done())))
    assert (found.severity, "below 2^-32" in found.message) == ("note", True)


def test_a_bias_on_another_scale(body: bytes) -> None:
    found = one(bias_scale.check(subject(Surgery(body).scale("dense/bias", 1.5).done())))
    assert found.severity == "error"
    assert "operator 4 FULLY_CONNECTED 'dense' (50 %)" in found.message


def test_rounding_of_a_bias_scale_is_none(body: bytes) -> None:
    assert bias_scale.check(subject(Surgery(body).scale("dense/bias", 1 + 1e-6).done())) == []


def test_a_bias_of_zeros_may_have_any_scale(body: bytes) -> None:
    content = Surgery(body).scale("dense/bias", 1.5).values("dense/bias", np.zeros_like).done()
    assert bias_scale.check(subject(content)) == []


def test_a_clipped_bias_is_an_error(body: bytes) -> None:
    content = Surgery(body).values("dense/bias", lambda bias: np.full_like(bias, 2**31 - 1)).done()
    found = bias_overflow.check(subject(content))[0]
    assert (found.severity, found.evidence["channels"]) == ("error", {"operator 4 FULLY_CONNECTED 'dense'": 5})


def test_a_clipped_bias_that_the_relu_hides_is_a_note(body: bytes) -> None:
    def clip(bias: np.ndarray) -> np.ndarray:
        bias[0] = -(2**31)
        return bias

    found = one(bias_overflow.check(subject(Surgery(body).values("conv/bias", clip).done())))
    assert (found.severity, found.evidence["channels"]) == ("note", {"operator 0 CONV_2D 'conv'": 1})


def test_a_sum_that_may_wrap_around(body: bytes) -> None:
    content = Surgery(body).values("dense/bias", lambda bias: np.full_like(bias, 2**31 - 1000)).done()
    found = one(bias_overflow.check(subject(content)))
    assert (found.severity, "(2^31.0" in found.message) == ("warning", True)


def test_the_worst_sum_is_what_the_worst_input_gives(body: bytes) -> None:
    layer = subject(body).layers[0]
    zero, weights = layer.input_zero_point, layer.weights.astype(int)
    worst = 0
    for row, bias in zip(weights, layer.bias if layer.bias is not None else [], strict=True):
        for sign in (1, -1):
            x = np.where(sign * row > 0, 127, -128)
            worst = max(worst, abs(int(bias) + int((row * (x - zero)).sum())))
    assert bias_overflow.worst_sum(layer) >= worst


def test_a_relu_that_keeps_steps_for_negative_values(body: bytes) -> None:
    found = one(zero_points.check(subject(Surgery(body).zero_point("conv", 0).done())))
    assert (found.severity, found.evidence["count"]) == ("warning", 1)
    assert "'conv' (50 %)" in found.message
    assert "1.0 of 8 bits" in found.effect


def test_a_relu6_beyond_six(body: bytes) -> None:
    surgery = Surgery(body)
    scale = float(surgery.tensor("conv").quantization.scale[0])
    found = one(zero_points.check(subject(surgery.scale("conv", 12 / 255 / scale).done())))
    assert found.evidence["shares"] == {"conv": pytest.approx(0.5, abs=0.01)}


def test_a_zero_point_outside_of_its_type(body: bytes) -> None:
    found = zero_points.check(subject(Surgery(body).zero_point("mean", 200).done()))[0]
    assert (found.severity, "mean" in found.message) == ("error", True)


def test_weights_that_are_not_symmetric(body: bytes) -> None:
    found = one(zero_points.check(subject(Surgery(body).zero_point("dense/weights", 3).done())))
    assert (found.severity, found.evidence["weights"]) == ("error", ["dense/weights"])


@pytest.mark.parametrize(("rows", "severity"), [(1, "warning"), (5, "error")])
def test_rows_of_zeros(body: bytes, rows: int, severity: str) -> None:
    def clear(weights: np.ndarray) -> np.ndarray:
        weights[:rows] = 0
        return weights

    found = one(zero_rows.check(subject(Surgery(body).values("dense/weights", clear).done())))
    assert (found.severity, f"'dense' ({rows} of 5)" in found.message) == (severity, True)


def test_depthwise_rows_lie_along_their_own_axis(body: bytes) -> None:
    def clear(weights: np.ndarray) -> np.ndarray:
        weights[..., 2] = 0
        return weights

    found = one(zero_rows.check(subject(Surgery(body).values("depthwise/weights", clear).done())))
    assert "'depthwise' (1 of 4)" in found.message


def one_scale(content: bytes, name: str) -> bytes:
    surgery = Surgery(content)
    for each in (f"{name}/weights", f"{name}/bias"):
        parameters = surgery.tensor(each).quantization
        parameters.scale, parameters.zeroPoint = np.array(parameters.scale[:1], np.float32), np.zeros(1, np.int64)
    return surgery.done()


def promising(content: bytes, target: str) -> bytes:
    return metadata.write(content, metadata.Metadata("x", provenance={"format": target}))


def test_one_scale_for_all_channels(body: bytes) -> None:
    found = one(per_channel.check(subject(one_scale(body, "conv"))))
    assert (found.severity, "1 of 4 layers" in found.message) == ("warning", True)


def test_one_scale_against_the_files_own_word(body: bytes) -> None:
    found = one(per_channel.check(subject(promising(one_scale(body, "conv"), "int8"))))
    assert (found.severity, "the file says" in found.message) == ("error", True)


def test_a_file_that_promises_one_scale_keeps_it(body: bytes) -> None:
    assert per_channel.check(subject(promising(one_scale(body, "conv"), "int8_per_tensor"))) == []


def test_scales_that_are_per_channel_in_form_only(body: bytes) -> None:
    surgery = Surgery(body)
    parameters = surgery.tensor(CONV).quantization
    parameters.scale = np.full(4, max(parameters.scale), np.float32)
    found = one(per_channel.check(subject(surgery.done())))
    assert (found.severity, "all of them are the same" in found.message) == ("warning", True)


def test_values_at_an_end(body: bytes) -> None:
    observed = {"dense": Observed(0.03, 0.02, 1000, 256), "x": Observed(0.5, 0.5, 1000, 256)}
    found = one(saturation.check(subject(body, observed)))
    assert (found.severity, found.evidence["shares"]) == ("warning", {"dense": pytest.approx(0.05)})
    assert saturation.check(subject(body, {"dense": Observed(0.2, 0.0, 1000, 256)}))[0].severity == "error"


def test_a_range_that_fits_reaches_its_ends(body: bytes) -> None:
    assert saturation.check(subject(body, {"dense": Observed(0.01, 0.01, 100, 256)})) == []


def test_a_relus_zeros_are_no_saturation(body: bytes) -> None:
    assert saturation.check(subject(body, {"conv": Observed(0.9, 0.0, 1000, 200)})) == []


def test_activations_of_few_steps(body: bytes) -> None:
    found = one(saturation.check(subject(body, {"dense": Observed(0, 0, 1000, 9)})))
    assert "'dense' (9 steps)" in found.message


def test_what_is_observed_is_what_the_model_computes(body: bytes) -> None:
    observed, count = observe(body, [{"x": x} for x in EXAMPLES])
    assert count == len(EXAMPLES)
    assert set(observed) == {"x", "conv", "depthwise", "pointwise", "mean", "dense"}
    assert saturation.check(subject(body, observed)) == []
    narrowed, _ = observe(Surgery(body).scale("dense", 0.2).done(), [{"x": x} for x in EXAMPLES])
    assert narrowed["dense"].at_low + narrowed["dense"].at_high > 0.1
    assert saturation.check(subject(body, narrowed))[0].severity == "error"


def test_checks_bear_a_float_model() -> None:
    from tests.quantization import networks

    float_subject = dataclasses.replace(subject(networks.stack()), observed={})
    assert [finding for module in [*STATIC, saturation] for finding in module.check(float_subject)] == []


def test_activations_are_observed_over_several_inputs() -> None:
    random = np.random.default_rng(0)
    examples = [{"left": random.normal(size=3), "right": random.normal(size=2)} for _ in range(5)]
    observed, count = observe(tiny_models.joined("int8"), examples)
    assert count == 5
    assert [observed[name].values for name in ("left", "right", "both")] == [15, 10, 25]
    assert set(observed) == {"left", "right", "both", "logits", "value", "scores"}


def test_token_inputs_have_no_range_to_be_saturated() -> None:
    observed, _ = observe(tiny_models.of_tokens(), [{"tokens": np.array([1, 2, 3, 4], np.int32)}])
    assert set(observed) == {"rows", "mean"}


def test_a_packed_file_that_was_lost_is_named_and_nothing_is_refused(body: bytes) -> None:
    classes = tuple(f"class {number}" for number in range(subject(body).inspection.outputs[0].shape[-1]))
    packed = metadata.write(body, metadata.Metadata("model", labels=classes))
    assert packed_files.check(dataclasses.replace(subject(packed), lost_file=metadata.lost_file(packed))) == []
    cut = packed[:-30]
    found = one(packed_files.check(dataclasses.replace(subject(cut), lost_file=metadata.lost_file(cut))))
    assert found.severity == "warning"
    assert "'labels.txt'" in found.message
