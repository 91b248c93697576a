"""A probe is the float model but for one operator, which is int8 and has its float copy beside it."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.formats import write
from pipeline.quantization.ranges import Ranges
from pipeline.quantization.sensitivity.probe import Probe, Probes
from pipeline.quantization.tap import tap
from pipeline.tflite.inspect import inspect
from pipeline.tflite.runner import Runner
from tests import tiny_models
from tests.quantization import networks
from tests.quantization.sensitivity.models import FEATURES, chain, examples, weights

STACK = networks.stack()
X = networks.examples(4)
RANGES = calibrate(STACK, [{"x": X}])
NAMES = ["conv", "depthwise", "pointwise", "mean", "dense"]
SQUARE = weights(FEATURES, FEATURES)


def probe(content: bytes, ranges: Ranges, name: str) -> Probe:
    probes = Probes(content, ranges)
    [probed] = [entry for entry in probes.operators() if entry.name == name]
    return probes.write(probed)


def integer_operators(content: bytes) -> list[str]:
    return [entry.output for entry in inspect(content).operators if entry.compute == "int8"]


def ends(content: bytes) -> tuple[str, ...]:
    return tuple(Probes(content, Ranges({"x": (-1, 1)})).logits.values())


@pytest.mark.parametrize("name", NAMES)
def test_exactly_one_operator_is_int8(name: str) -> None:
    assert len(integer_operators(probe(STACK, RANGES, name).content)) == 1


@pytest.mark.parametrize("name", NAMES)
def test_its_twin_gives_what_the_float_model_gives(name: str) -> None:
    made = probe(STACK, RANGES, name)
    outputs = Runner(made.content, batch=4).run(X)
    names, tapped = tap(STACK)
    expected = Runner(tapped, batch=4).run(X)[names.index(name)]
    np.testing.assert_allclose(outputs[made.exact[0]], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_operator_itself_is_rounded_to_its_range(name: str) -> None:
    made = probe(STACK, RANGES, name)
    outputs = Runner(made.content, batch=4).run(X)
    low, high = min(RANGES[name][0], 0), max(RANGES[name][1], 0)
    found, step = outputs[made.quantized[0]], (high - low) / 255
    np.testing.assert_allclose(found / step, np.round(found / step), atol=0.01)
    error = np.abs(found - outputs[made.exact[0]])
    assert 0 < error.max() < 0.1 * (high - low)


def test_where_every_operator_is_int8_the_probe_of_the_only_one_is_the_int8_model() -> None:
    content, x = chain(SQUARE), examples(4)
    ranges = calibrate(content, [{"x": x}])
    [out] = Runner(write(content, "int8", ranges, "float32"), batch=4).run(x)
    made = probe(content, ranges, "dense_0")
    np.testing.assert_array_equal(Runner(made.content, batch=4).run(x)[made.quantized[0]], out)


def test_the_model_goes_on_from_the_rounded_values() -> None:
    """The end is what the float rest makes of the int8 operator's output."""
    content, x = chain(SQUARE, SQUARE), examples(4)
    made = probe(content, calibrate(content, [{"x": x}]), "dense_0")
    outputs = Runner(made.content, batch=4).run(x)
    rounded = outputs[made.quantized[0]]
    np.testing.assert_allclose(outputs[made.logits["dense_1"]], rounded @ SQUARE.T, rtol=1e-5, atol=1e-6)


def test_a_constant_that_operators_share_is_int8_for_one_only() -> None:
    content, x = chain(SQUARE, SQUARE), examples(4)
    for name in ("dense_0", "dense_1"):
        made = probe(content, calibrate(content, [{"x": x}]), name)
        assert len(integer_operators(made.content)) == 1
        assert Runner(made.content, batch=4).run(x)[made.exact[0]].any()


def test_the_end_of_a_classifier_are_its_logits() -> None:
    assert ends(tiny_models.linear(SQUARE, ending="SOFTMAX")) == ("y",)
    assert ends(tiny_models.linear(SQUARE, ending="LOGISTIC")) == ("y",)
    assert ends(tiny_models.linear(SQUARE)) == ("y",)


def test_logits_are_found_behind_a_reshape_too() -> None:
    graph = tiny_models.Graph()
    x, y, z = (graph.tensor(name, [1, FEATURES]) for name in "xyz")
    shape = graph.tensor("shape", [2], "int32", data=np.array([1, FEATURES]))
    graph.operator("SOFTMAX", [x], [y], "SoftmaxOptions", beta=1.0)
    graph.operator("RESHAPE", [y, shape], [z], "ReshapeOptions", newShape=[1, FEATURES])
    assert ends(graph.build([x], [z])) == ("x",)


def test_an_operator_has_part_in_the_ends_after_it_only() -> None:
    content = chain(SQUARE, SQUARE, every_output=True)
    ranges = calibrate(content, [{"x": examples()}])
    assert Probes(content, ranges).logits == {"dense_0": "dense_0", "dense_1": "dense_1"}
    assert set(probe(content, ranges, "dense_0").logits) == {"dense_0", "dense_1"}
    assert set(probe(content, ranges, "dense_1").logits) == {"dense_1"}
    behind = chain(SQUARE, ending="SOFTMAX")
    last = probe(behind, calibrate(behind, [{"x": examples()}]), "end")
    assert (set(last.logits), set(last.answers)) == (set(), {"end"})


def test_what_only_moves_values_is_no_operator_of_the_analysis() -> None:
    content = tiny_models.digits()
    found = Probes(content, Ranges({"x": (0, 1)})).operators()
    assert [(entry.index, entry.name, entry.type) for entry in found] == [(1, "y", "FULLY_CONNECTED")]


def test_making_probes_leaves_the_model_as_it_was() -> None:
    probes = Probes(STACK, RANGES)
    before = probes.plain()
    first, *_ = [probes.write(probed) for probed in probes.operators()]
    assert probes.plain() == before
    assert probes.write(probes.operators()[0]) == first


def test_a_quantized_model_and_anothers_ranges_are_refused() -> None:
    with pytest.raises(InputError, match="quantized already"):
        Probes(write(STACK, "int8", RANGES), RANGES)
    with pytest.raises(InputError, match="another model"):
        Probes(STACK, Ranges({"nothing": (0, 1)}))
