"""The operator that int8 harms is the one that is ranked worst, and the numbers are those of its harm."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.formats import write
from pipeline.quantization.ranges import Ranges
from pipeline.quantization.sensitivity import probe
from pipeline.quantization.sensitivity.algorithm import analyze
from pipeline.quantization.sensitivity.sensitivity_result import OperatorError, Sensitivity
from pipeline.tasks.fidelity_only import Fidelity
from pipeline.tasks.regression import Regression
from pipeline.tflite.runner import Runner
from tests import tiny_models
from tests.answers import answer
from tests.quantization import networks
from tests.quantization.sensitivity.models import FEATURES, chain, classifier, examples, weights

X = examples()
SQUARE, CLASSES = weights(FEATURES, FEATURES), weights(4, FEATURES, seed=1)
COMPUTING = {
    "two_inputs": {"a", "b", "sum", "y"},
    "two_outputs": {"logits", "kind", "value"},
    "sentences": {"masked", "mean", "y"},
    "any_size": {"hidden", "clean"},
    "one_sentence": {"y"},
}
"""The operators that int8 quantizes and that do arithmetic on floats."""
COARSE = (-1e4, 1e4)
"""A range in which values around 1 all become 0."""


def analyzed(content: bytes, x: np.ndarray = X, **ranges: tuple[float, float]) -> Sensitivity:
    """Of a classifier, with min-max ranges but for those given."""
    measured = Ranges({**calibrate(content, [{"x": x}]).pairs, **ranges})
    return analyze(content, measured, [{"x": x}], task=classifier(content))


def of(found: Sensitivity, name: str) -> OperatorError:
    [operator] = [entry for entry in found.operators if entry.name == name]
    return operator


def test_the_ratios_are_those_of_the_int8_model() -> None:
    content, ranges = chain(CLASSES), calibrate(chain(CLASSES), [{"x": X}])
    expected, found = (
        answer(Runner(model), X).astype(np.float64) for model in (content, write(content, "int8", ranges, "float32"))
    )
    [operator] = analyze(content, ranges, [{"x": X}], task=classifier(content)).operators
    sqnr = 10 * math.log10((expected**2).sum() / ((expected - found) ** 2).sum())
    assert operator.sqnr_db == pytest.approx(sqnr, abs=1e-3)
    assert operator.output_sqnr_db == operator.sqnr_db
    cosine = (expected * found).sum() / math.sqrt((expected**2).sum() * (found**2).sum())
    assert operator.cosine == pytest.approx(cosine, abs=1e-6)
    assert operator.changed == (expected.argmax(axis=1) != found.argmax(axis=1)).mean()


def test_a_wild_weight_makes_its_operator_the_worst() -> None:
    """It takes int8's steps from the channel's other weights, and adds nothing where its input is zero."""
    x, wild = X.copy(), weights(FEATURES, FEATURES, seed=2)
    x[:, 0], wild[:, 0] = 0, 1000
    found = analyzed(chain(wild, SQUARE, CLASSES), x)
    assert found.worst_first()[0].name == "dense_0"
    assert of(found, "dense_0").sqnr_db < 1
    assert min(of(found, name).output_sqnr_db for name in ("dense_1", "dense_2")) > 30


def test_a_wild_channel_is_seen_in_the_models_output_not_in_its_own() -> None:
    """It is most of its operator's signal. The next one, which reads it by the same steps, loses as much."""
    first, middle, last = (weights(FEATURES, FEATURES, seed=seed) for seed in range(3))
    middle[0] *= 1000
    last[:, 0] = 0
    found = analyzed(chain(first, middle, last))
    assert {entry.name for entry in found.worst_first()[:2]} == {"dense_1", "dense_2"}
    assert of(found, "dense_1").sqnr_db > 30
    assert of(found, "dense_1").output_sqnr_db < of(found, "dense_0").output_sqnr_db - 20


@pytest.mark.parametrize("activation", ["dense_0", "dense_1", "dense_2"])
def test_a_range_much_too_wide_makes_its_operator_the_worst(activation: str) -> None:
    content = chain(SQUARE, SQUARE, CLASSES)
    found = analyzed(content, **{activation: COARSE})
    assert of(found, activation).output_sqnr_db == pytest.approx(0)  # zeros: the noise is the signal
    assert of(found, activation).sqnr_db == pytest.approx(0)
    assert of(found, activation).cosine == 0
    unconcerned = [
        entry
        for entry in found.operators
        if entry.name != activation and entry.index != of(found, activation).index + 1  # which reads it
    ]
    assert all(entry.output_sqnr_db > 30 for entry in unconcerned)


def test_each_operator_is_measured_with_the_others_in_float() -> None:
    good, bad = analyzed(chain(SQUARE, CLASSES)), analyzed(chain(SQUARE, CLASSES), dense_1=COARSE)
    assert of(good, "dense_0") == of(bad, "dense_0")


def test_changed_answers_are_counted() -> None:
    """All scores become zero, the answer class 0: whoever had another one changes."""
    found = analyzed(chain(CLASSES, ending="SOFTMAX"), dense_0=COARSE)
    share = ((X @ CLASSES.T).argmax(axis=1) != 0).mean()
    assert 0 < share < 1
    assert of(found, "dense_0").changed == pytest.approx(share)
    assert of(found, "end").changed == pytest.approx(share)  # it reads the zeros


def test_one_sigmoid_unit_is_two_classes() -> None:
    found = analyzed(chain(CLASSES[:1], ending="LOGISTIC"), dense_0=COARSE)
    share = (X @ CLASSES[:1].T > 0).mean()
    assert 0 < share < 1
    assert of(found, "dense_0").changed == pytest.approx(share)
    assert of(found, "end").changed == pytest.approx(share)


def test_without_a_task_only_the_noise_is_measured() -> None:
    found = analyze(chain(CLASSES), calibrate(chain(CLASSES), [{"x": X}]), [{"x": X}])
    assert of(found, "dense_0").changed is None
    assert math.isfinite(of(found, "dense_0").output_sqnr_db)
    assert "top1_changed" not in found.to_json()["operators"][0]


def test_of_values_it_is_what_is_left_of_the_agreement() -> None:
    """All of them become zero."""
    content = chain(CLASSES)
    task = Regression(output=Runner(content).signature.outputs[0])
    ranges = Ranges({**calibrate(content, [{"x": X}]).pairs, "dense_0": COARSE})
    [operator] = analyze(content, ranges, [{"x": X}], task=task).operators
    assert operator.changed == pytest.approx(1)


def test_a_classifiers_changes_keep_the_name_that_they_had() -> None:
    [entry] = analyzed(chain(CLASSES), dense_0=COARSE).to_json()["operators"]
    assert entry["top1_changed"] == entry["changed"] > 0


def test_what_comes_after_the_logits_does_not_change_them() -> None:
    found = analyzed(chain(CLASSES, ending="SOFTMAX"))
    assert found.outputs == ("dense_0",)
    assert of(found, "end").output_sqnr_db == math.inf
    assert math.isfinite(of(found, "end").sqnr_db)


@pytest.mark.parametrize("seed", range(4))
def test_of_several_outputs_the_worst_counts(seed: int) -> None:
    last = weights(3, FEATURES, seed=seed)
    content = chain(SQUARE, last, every_output=True)
    found = analyze(content, calibrate(content, [{"x": X}]), [{"x": X}])
    assert found.outputs == ("dense_0", "dense_1")
    second_alone = of(analyzed(chain(SQUARE, last)), "dense_0").output_sqnr_db
    first_alone = of(found, "dense_0").sqnr_db
    assert abs(first_alone - second_alone) > 0.01
    assert of(found, "dense_0").output_sqnr_db == pytest.approx(min(first_alone, second_alone), abs=1e-3)
    assert of(found, "dense_1").output_sqnr_db == of(found, "dense_1").sqnr_db


def test_a_fixed_batch_gives_what_an_open_one_gives() -> None:
    ranges = calibrate(chain(SQUARE, CLASSES), [{"x": X}])
    by_fours = analyze(chain(SQUARE, CLASSES), ranges, [{"x": X}])
    fixed = chain(SQUARE, CLASSES, open_batch=False)
    one_by_one = analyze(fixed, Ranges({**ranges.pairs, "flat": ranges["x"]}), [{"x": X.reshape(-1, FEATURES // 2, 2)}])
    for ours, theirs in zip(by_fours.operators, one_by_one.operators, strict=True):
        assert ours.name == theirs.name
        assert ours.output_sqnr_db == pytest.approx(theirs.output_sqnr_db, abs=0.01)
        assert ours.changed == theirs.changed


@pytest.mark.parametrize("sizes", [[1] * 13, [4, 4, 5], [3, 10], [0, 13, 0]], ids=str)
def test_the_batches_make_no_difference(sizes: list[int]) -> None:
    content = chain(SQUARE, CLASSES)
    ranges = calibrate(content, [{"x": X}])
    whole = analyze(content, ranges, [{"x": X}])
    split = analyze(content, ranges, [{"x": part} for part in np.split(X, np.cumsum(sizes)[:-1])])
    assert split.examples == whole.examples == 13
    for one, other in zip(split.operators, whole.operators, strict=True):
        assert one.output_sqnr_db == pytest.approx(other.output_sqnr_db, abs=1e-3)
        assert one.changed == other.changed


def test_a_convolutional_network_in_the_graphs_order() -> None:
    found = analyzed(networks.stack(), networks.examples(9))
    assert [entry.name for entry in found.operators] == ["conv", "depthwise", "pointwise", "mean", "dense"]
    assert [entry.index for entry in found.operators] == [0, 1, 2, 3, 4]
    assert all(15 < entry.sqnr_db < 70 and 0.9 < entry.cosine < 1 for entry in found.operators)


def test_no_operator_is_refused() -> None:
    with pytest.raises(InputError, match="no operator that int8 quantizes"):
        analyze(tiny_models.fixed_batch(6), Ranges({"x": (-1, 1)}), [X.reshape(-1, 3, 2)])


def test_a_quantized_model_is_refused() -> None:
    content = chain(CLASSES)
    ranges = calibrate(content, [{"x": X}])
    with pytest.raises(InputError, match="quantized already"):
        analyze(write(content, "int8", ranges), ranges, [{"x": X}])


@pytest.mark.parametrize("network", networks.NETWORKS)
def test_any_inputs_and_outputs(network: str) -> None:
    content, x = networks.NETWORKS[network](), networks.inputs_of(network)
    answers = Runner(content)(x)
    found = analyze(content, calibrate(content, [x]), [x], task=Fidelity())
    assert found.examples == 40
    assert {entry.name for entry in found.operators} == COMPUTING[network]
    for entry in found.operators:
        assert 20 < entry.sqnr_db < 70
        assert entry.changed is not None
        assert 0 < entry.changed < 0.1
    assert set(answers.stored) <= {*found.outputs, "kind"}


def test_an_output_is_changed_by_what_it_depends_on_and_no_other() -> None:
    content, x = networks.two_outputs(), networks.inputs_of("two_outputs")
    value = Regression(output=Runner(content).signature.output("value"))
    found = analyze(content, calibrate(content, [x]), [x], task=value)
    assert of(found, "value").changed > 0  # type: ignore[operator]
    assert of(found, "logits").changed == of(found, "kind").changed == 0


def test_an_operator_of_several_outputs_is_judged_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SPLIT only moves values; it stands for those that do not."""
    monkeypatch.setattr(probe, "MOVES_VALUES", probe.MOVES_VALUES - {"SPLIT"})
    content, x = networks.two_outputs(), networks.inputs_of("two_outputs")
    ranges = calibrate(content, [x])
    found = of(analyze(content, ranges, [x]), "first")
    assert math.isfinite(found.sqnr_db)
    coarse = Ranges({**ranges.pairs, "x": COARSE})
    assert of(analyze(content, coarse, [x]), "first").sqnr_db == pytest.approx(0)


@pytest.mark.parametrize("sizes", [[(7, 6)], [(7, 6), (5, 9), (7, 6)]], ids=str)
def test_open_sizes_follow_the_examples(sizes: list[tuple[int, int]]) -> None:
    rng = np.random.default_rng(0)
    batches = [{"image": rng.normal(size=(2, *size, 1)).astype(np.float32)} for size in sizes]
    content = networks.any_size()
    found = analyze(content, calibrate(content, batches), batches, task=Fidelity())
    assert found.examples == 2 * len(sizes)
    assert all(20 < entry.output_sqnr_db < 70 for entry in found.operators)


@pytest.mark.parametrize("batches", [[], [{"x": X[:0]}]], ids=["no batch", "an empty batch"])
def test_no_examples_are_refused(batches: list[np.ndarray]) -> None:
    with pytest.raises(InputError, match="no examples"):
        analyze(chain(CLASSES), calibrate(chain(CLASSES), [{"x": X}]), batches)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_data_that_is_not_finite_is_refused(value: float) -> None:
    broken = X.copy()
    broken[7, 2] = value
    with pytest.raises(InputError, match="examples 4 to 7"):
        analyze(chain(CLASSES), calibrate(chain(CLASSES), [{"x": X}]), [{"x": broken}])


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("ending", [None, "SOFTMAX", "LOGISTIC"])
def test_weights_that_are_not_finite_are_refused(value: float, ending: str | None) -> None:
    broken = CLASSES.copy()
    broken[1, 2] = value
    ranges = calibrate(chain(CLASSES, ending=ending), [{"x": X}])
    with pytest.raises(InputError, match="NaN or infinite values at 'dense_0'"):
        analyze(chain(broken, ending=ending), ranges, [{"x": X}])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_not_finite_is_refused_behind_a_sigmoid_too(value: float) -> None:
    """A sigmoid in between makes 1 of infinity."""
    hidden = CLASSES.copy()
    hidden[1, 2] = value
    graph = tiny_models.Graph()
    x, y, z = (graph.tensor(name, [1, size], open_batch=True) for name, size in (("x", FEATURES), ("y", 4), ("z", 4)))
    w = graph.tensor("hidden_weights", [4, FEATURES], data=hidden)
    graph.operator("FULLY_CONNECTED", [x, w, -1], [y], "FullyConnectedOptions")
    graph.operator("LOGISTIC", [y], [z])
    last = graph.tensor("last", [1, 1], open_batch=True)
    graph.operator(
        "FULLY_CONNECTED", [z, graph.tensor("ones", [1, 4], data=np.ones((1, 4))), -1], [last], "FullyConnectedOptions"
    )
    ranges = Ranges(dict.fromkeys(["x", "y", "z", "last"], (-4.0, 4.0)))
    with pytest.raises(InputError, match="'last'" if np.isnan(value) else "'hidden_weights'"):
        analyze(graph.build([x], [last]), ranges, [{"x": np.abs(X)}])


def test_an_answer_that_int8_makes_infinite_is_lost() -> None:
    """The logarithm, in float, of what int8 rounds to zero."""
    graph = tiny_models.Graph()
    x, y, z = (graph.tensor(name, [1, FEATURES], open_batch=True) for name in "xyz")
    graph.operator("LOGISTIC", [x], [y])
    graph.operator("LOG", [y], [z])
    ranges = Ranges({"x": (-20.0, 20.0), "y": (0.0, 1.0), "z": (-20.0, 0.0)})
    found = analyze(graph.build([x], [z]), ranges, [{"x": 20 * X}])
    assert of(found, "y").output_sqnr_db == -math.inf
    assert of(found, "y").sqnr_db > 30
    assert found.worst_first()[0].name == "y"
