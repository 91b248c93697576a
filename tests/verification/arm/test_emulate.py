"""The stage: what it takes, what it refuses, and what it finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.formats import write
from pipeline.tflite import flatbuffer
from pipeline.tflite.runner import Runner
from pipeline.verification.arm.emulate import run_profiles
from pipeline.verification.arm.emulation_result import ProfileResult
from pipeline.verification.arm.machine import GuestError
from pipeline.verification.arm.random_inputs import random_examples
from pipeline.verification.arm.sysroot import Sysroot
from pipeline.workflow.ladder_rungs import inputs_for
from pipeline.workflow.run_folder import Run
from pipeline.workflow.targets import float_beside
from tests import tiny_models
from tests.quantization.networks import examples as images
from tests.quantization.networks import stack
from tests.tiny_models import Graph
from tests.verification.arm import zoo


def formats(target: str, **options: Any) -> bytes:
    content = stack()
    return write(content, target, calibrate(content, [{"x": images()}]), **options)  # type: ignore[arg-type]


def only(results: tuple[ProfileResult, ...]) -> ProfileResult:
    [result] = results
    return result


def messages(result: ProfileResult) -> str:
    return " | ".join(f"{finding.severity}: {finding.message}" for finding in result.findings)


def test_a_network_in_int8_is_proven_and_counted_beside_its_float_model(counting: Sysroot) -> None:
    model = formats("int8")
    results = run_profiles(model, {"x": images(5)}, ["i8mm", "dotprod"], float_model=stack())
    assert [result.profile for result in results] == ["i8mm", "dotprod"]
    [spec] = Runner(model).inputs
    expected = np.concatenate([Runner(model).run(spec.quantize(image[None]))[0] for image in images(5)])
    for result, kind, other in zip(results, ("smmla", "sdot"), ("sdot", "smmla"), strict=True):
        assert result.answers is not None
        np.testing.assert_array_equal(result.answers.stored["dense"], expected)
        assert result.identical
        assert not result.failed
        assert result.findings == ()
        assert result.undone == ()
        assert result.delegated == 1
        counts = result.to_json()["counts"]["by_kind"]
        assert counts[kind] > 0
        assert counts[other] == 0
        beside = result.to_json()["float_counts"]["by_kind"]
        assert beside[kind] == 0
        assert beside["fmla"] > 0


def uint8_layer() -> bytes:
    """The scheme before int8: uint8 weights with a zero point."""
    graph, rng = Graph(), np.random.default_rng(0)
    x = graph.tensor("x", [1, 64], "uint8", scale=0.05, zero_point=128)
    w = graph.tensor("w", [32, 64], "uint8", data=rng.integers(1, 256, (32, 64)), scale=0.01, zero_point=120)
    b = graph.tensor("b", [32], "int32", data=rng.integers(-999, 999, 32), scale=0.0005)
    y = graph.tensor("y", [1, 32], "uint8", scale=0.1, zero_point=100)
    graph.operator("FULLY_CONNECTED", [x, w, b], [y], "FullyConnectedOptions")
    return graph.build([x], [y])


def test_uint8_leaves_the_dot_product_unused_and_says_why(counting: Sysroot) -> None:
    [spec] = Runner(uint8_layer()).inputs
    x = np.random.default_rng(1).integers(0, 256, (3, 64)).astype(np.uint8)
    result = only(run_profiles(uint8_layer(), {"x": spec.dequantize(x)}, ["dotprod"]))
    assert result.counts is not None
    assert result.counts.by_kind["sdot"] == result.counts.by_kind["udot"] == 0
    assert "warning: SDOT unused because FULLY_CONNECTED 0: uint8 activations and weights" in messages(result)


def test_a_step_of_tflites_own_kernel_is_told_from_xnnpacks_work(sysroot: Sysroot) -> None:
    """Softmax of a convolution: what reaches it is the same on ARM, to the last byte."""
    block = zoo.Block()
    content = block.build(block.op("SOFTMAX", [zoo.conv_1x1(block)], [1, 8, 8, 24], "SoftmaxOptions", beta=1.0))
    model = write(content, "int8", calibrate(content, [{"x": x} for x in zoo.calibration()]))
    result = only(run_profiles(model, zoo.named_inputs(model, 12), ["dotprod"]))
    if result.identical:
        pytest.skip("this host's softmax rounds as ARM's does")
    assert result.boundary is not None
    assert result.boundary.differing_bytes == 0
    assert result.boundary.bytes_compared == 12 * 8 * 8 * 24
    assert not result.failed
    assert "All 18432 bytes that XNNPACK hands to SOFTMAX are the host's" in messages(result)


def test_dynamic_range_may_differ_and_is_not_held_to_bytes(sysroot: Sysroot) -> None:
    result = only(run_profiles(formats("dynamic"), {"x": images(2)}, ["dotprod"]))
    assert not result.failed
    assert result.comparison is not None
    assert result.comparison.largest < 1e-3


def test_a_float_model_that_dies_costs_its_count_alone(counting: Sysroot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory runs out, say: the int8 model's verdict stands."""
    from pipeline.verification.arm import emulate as stage

    real = stage.emulate

    def dying(sysroot: Sysroot, profile: Any, jobs: Any, track: Any) -> Any:
        if len(jobs) > 1:
            raise GuestError(1, "the float model does not run: killed by SIGKILL.")
        return real(sysroot, profile, jobs, track)

    monkeypatch.setattr(stage, "emulate", dying)
    result = only(run_profiles(formats("int8"), {"x": images(2)}, ["dotprod"], float_model=stack()))
    assert result.identical
    assert result.float_counts is None
    assert result.undone == ("the float model was not counted: the float model does not run: killed by SIGKILL.",)


def test_an_int8_model_that_dies_is_never_a_pass(sysroot: Sysroot, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.verification.arm import emulate as stage

    def dying(*_: Any) -> Any:
        raise GuestError(0, "m.tflite does not run: killed by SIGILL.")

    monkeypatch.setattr(stage, "emulate", dying)
    result = only(run_profiles(formats("int8"), {"x": images(2)}, ["dotprod"]))
    assert result.failed
    assert not result.identical
    assert "SIGILL" in result.undone[-1]


def test_without_a_counter_the_bytes_are_proven_and_the_gap_is_told(sysroot: Sysroot) -> None:
    import dataclasses

    from pipeline.verification.arm import emulate as stage

    blind = dataclasses.replace(sysroot, plugin=None, no_plugin="there is no C compiler")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage.sysroots, "ensure", lambda *_: blind)
        result = only(run_profiles(formats("int8"), {"x": images(2)}, ["dotprod"]))
    assert result.identical
    assert result.counts is None
    assert result.undone == ("instructions were not counted: there is no C compiler",)


# What is refused is refused before anything is set up: these need no emulator.


@pytest.mark.parametrize("target", ["float32", "float16", "weight_only"])
def test_a_model_with_nothing_in_int8_is_refused(target: str) -> None:
    with pytest.raises(InputError, match=r"with nothing in int8 to prove\. Give the int8 model"):
        run_profiles(write(stack(), target), {"x": images(2)}, ["dotprod"])  # type: ignore[arg-type]


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(InputError, match="Did you mean 'i8mm'"):
        run_profiles(formats("int8"), {"x": images(2)}, ["i8m"])


def custom_operator() -> bytes:
    model = flatbuffer.read(formats("int8"))
    for code in model.operatorCodes:
        code.builtinCode = code.deprecatedBuiltinCode = 32
        code.customCode = b"MyOwnOperator"
    return flatbuffer.serialize(model)


def test_custom_operators_are_named(tmp_path: Path) -> None:
    path = tmp_path / "custom.tflite"
    path.write_bytes(custom_operator())
    with pytest.raises(InputError, match=r"custom\.tflite has custom operators \(MyOwnOperator\)"):
        run_profiles(path, {"x": images(2)}, ["dotprod"])


def test_inputs_that_do_not_fit_are_refused() -> None:
    model = formats("int8")
    with pytest.raises(InputError, match=r"takes \[batch, 8, 8, 3\] as 'x' and was given \[2, 9, 8, 3\]"):
        run_profiles(model, {"x": np.zeros((2, 9, 8, 3), np.float32)}, ["dotprod"])
    with pytest.raises(InputError, match="has no input 'z'; it has 'x'"):
        run_profiles(model, {"x": images(2), "z": images(2)}, ["dotprod"])
    with pytest.raises(InputError, match="at least 1"):
        run_profiles(model, {"x": images(2)[:0]}, ["dotprod"])
    with pytest.raises(InputError, match="hold NaN"):
        run_profiles(model, {"x": np.full((2, 8, 8, 3), np.nan, np.float32)}, ["dotprod"])
    two = {"first": np.zeros((2, 4)), "second": np.zeros((3, 4))}
    with pytest.raises(InputError, match="different numbers of examples: 'first' 2, 'second' 3"):
        run_profiles(tiny_models.sum_of_two(4, "int8"), two, ["dotprod"])


def test_a_float_model_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match="is not the model that the int8 one was made from"):
        run_profiles(formats("int8"), {"x": images(2)}, ["dotprod"], float_model=zoo.float_block("relu"))


def two_of_each() -> bytes:
    """int8, int32 token ids and booleans in; an int8 sum, the ids and the flags, changed, out. Height is open."""
    graph = Graph()
    a = graph.tensor("a", [1, 1, 4], "int8", scale=0.5)
    total = graph.tensor("total", [1, 1, 4], "int8", scale=1.0)
    ids, flags = graph.tensor("ids", [1, 3], "int32"), graph.tensor("flags", [1, 2], "bool")
    doubled, inverted = graph.tensor("doubled", [1, 3], "int32"), graph.tensor("inverted", [1, 2], "bool")
    graph.operator("ADD", [a, a], [total], "AddOptions")
    graph.operator("ADD", [ids, ids], [doubled], "AddOptions")
    graph.operator("LOGICAL_NOT", [flags], [inverted])
    content = graph.build([a, ids, flags], [total, doubled, inverted])
    model = flatbuffer.read(content)
    for tensor in model.subgraphs[0].tensors:
        if flatbuffer.tensor_name(tensor) in ("a", "total"):
            tensor.shapeSignature = [1, -1, 4]
    return flatbuffer.serialize(model)


def test_inputs_and_outputs_of_any_number_type_and_size(sysroot: Sysroot) -> None:
    rng = np.random.default_rng(0)
    inputs = {
        "ids": rng.integers(0, 99, (3, 3)),
        "a": np.round(2 * rng.uniform(-30, 30, (3, 5, 4))) / 2,
        "flags": rng.integers(0, 2, (3, 2)).astype(bool),
    }
    result = only(run_profiles(two_of_each(), inputs, ["armv8.0"]))
    assert result.comparison is not None
    assert result.comparison.by_output == {"total": 0, "doubled": 0, "inverted": 0}
    assert result.identical
    assert result.answers is not None
    np.testing.assert_array_equal(result.answers.real["total"], np.clip(2 * inputs["a"], -128, 127))
    np.testing.assert_array_equal(result.answers.stored["doubled"], 2 * inputs["ids"])
    np.testing.assert_array_equal(result.answers.stored["inverted"], ~inputs["flags"])
    assert result.to_json()["examples"] == 3


def test_a_batch_that_is_not_full_is_filled_and_its_answers_dropped(sysroot: Sysroot) -> None:
    graph = Graph()
    x, y = (graph.tensor(name, [2, 4], "int8", scale=scale) for name, scale in (("x", 0.5), ("y", 1.0)))
    graph.operator("ADD", [x, x], [y], "AddOptions")
    given = np.round(np.random.default_rng(0).uniform(-30, 30, (3, 4)))
    result = only(run_profiles(graph.build([x], [y]), {"x": given}, ["dotprod"]))
    assert result.answers is not None
    np.testing.assert_array_equal(result.answers.real["y"], 2 * given)


def test_random_examples_fit_every_input() -> None:
    model = two_of_each()
    given = random_examples(model, 3)
    assert {name: array.shape for name, array in given.items()} == {"a": (3, 1, 4), "ids": (3, 3), "flags": (3, 2)}
    assert len(np.unique(given["a"], axis=0)) > 1
    calls = list(Runner(model).calls(given))
    assert [array.dtype.name for array in calls[0].arrays] == ["int8", "int32", "bool"]
    # They reach the ends of what the input stores, and come back as they were stored.
    sums = random_examples(tiny_models.sum_of_two(500, "int8"), 1)["first"]
    assert (sums.min(), sums.max()) == (-64, 63.5)


def test_a_run_brings_its_own_examples_and_float_model(tmp_path: Path) -> None:
    run = Run(tmp_path / "digits")
    data = {"source": "digits", "limit": 40, "preprocess": {"scale": "0..1"}}
    run.describe(recipe={"name": "digits", "model": {}, "data": data})
    for name in ("float", "int8"):
        run.path(f"{name}.tflite").write_bytes(tiny_models.digits())
    [x] = inputs_for(run.path("int8.tflite"), 3).values()
    assert x.shape == (3, 8, 8, 1)
    assert 0 <= x.min() < x.max() <= 1
    assert float_beside(run.path("int8.tflite")) == run.path("float.tflite")
    assert float_beside(run.path("float.tflite")) is None


def test_a_float_model_that_lies_beside_by_chance_is_not_taken(tmp_path: Path) -> None:
    for name in ("float", "int8"):
        (tmp_path / f"{name}.tflite").write_bytes(tiny_models.digits())
    assert float_beside(tmp_path / "int8.tflite") is None
