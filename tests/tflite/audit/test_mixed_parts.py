"""An int8 file whose one scale serves boxes and scores is told, with the steps that are left."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.finding import Finding
from pipeline.quantization.mends import mend
from pipeline.quantization.ptq import Settings, prepare, quantize
from pipeline.recipe import MixedRanges
from pipeline.tasks.fidelity_only import Fidelity
from pipeline.tflite import metadata
from pipeline.tflite.audit.checks import float_islands, mixed_parts, score_steps
from pipeline.tflite.audit.observe import observe
from pipeline.tflite.metadata import Metadata
from tests.mixed_heads import INPUT, X, branches, yolo
from tests.tflite.audit.bodies import subject
from tests.tiny_models import Graph


def written(content: bytes, how: MixedRanges = "int8") -> bytes:
    def batches() -> Sequence[dict[str, np.ndarray]]:
        return [{INPUT: X}]

    model = prepare(content, batches, Settings())
    rules = mend(model, batches, Settings(), task=Fidelity(), how=how).rules
    return quantize(model, "int8", batches, Settings(), keep=rules)[0]


def found(content: bytes) -> list[Finding]:
    return mixed_parts.check(subject(content))


def test_lost_scores_are_an_error_with_names_ranges_and_steps() -> None:
    [finding] = found(written(yolo()))
    assert finding.severity == "error"
    assert "'scores' (0 to 0.9961) keeps less than half a step" in finding.message
    assert "'out'" in finding.message
    lost = [part for part in finding.evidence["parts"] if part["lost"]]
    assert [part["tensor"] for part in lost] == ["scores"]


@pytest.mark.parametrize("content", [yolo(largest=1.0), branches(widest=1.0)], ids=["boxes as shares", "like branches"])
def test_like_ranges_are_none(content: bytes) -> None:
    assert found(written(content)) == []


def test_inside_the_model_it_is_a_warning() -> None:
    assert [finding.severity for finding in found(written(branches()))] == ["warning"]


def test_what_is_joined_in_float_is_none() -> None:
    assert found(written(yolo(), "float")) == []


def test_parts_without_a_scale_of_their_own_are_judged_on_data() -> None:
    """Converters write a layer straight into the joined scale: the file alone does not show that its range is small."""
    graph = Graph()
    x = graph.tensor("x", [1, 4], "int8", scale=1.0)
    wide, narrow, joined = (
        graph.tensor(name, [1, width], "int8", scale=2.5) for name, width in (("wide", 4), ("narrow", 4), ("joined", 8))
    )
    for name, output, gain in (("w", wide, 2.5), ("v", narrow, 0.02)):
        weights = graph.tensor(name, [4, 4], "int8", data=127 * np.eye(4), scale=gain / 127)
        bias = graph.tensor(f"{name}/bias", [4], "int32", data=np.zeros(4), scale=gain / 127)
        graph.operator("FULLY_CONNECTED", [x, weights, bias], [output], "FullyConnectedOptions")
    graph.operator("CONCATENATION", [wide, narrow], [joined], "ConcatenationOptions", axis=1)
    content = graph.build([x], [joined])
    assert found(content) == []
    examples = [{"x": np.random.default_rng(seed).uniform(-100, 100, 4).astype(np.float32)} for seed in range(16)]
    [finding] = mixed_parts.check(subject(content, observe(content, examples)[0]))
    assert [part["tensor"] for part in finding.evidence["parts"] if part["lost"]] == ["narrow"]


def test_the_float_tail_says_why_it_is() -> None:
    provenance = {"format": "int8", "keep": ["joined=float32"], "mixed_ranges": ["joined"]}
    content = metadata.write(written(yolo(), "float"), Metadata("model", provenance=provenance))
    [finding] = float_islands.check(subject(content))
    assert finding.severity == "note"
    assert "one int8 scale would leave parts of 'joined' without steps" in finding.remedy


@pytest.mark.parametrize(("threshold", "step"), [(0.25, 64), (0.3, 77), (0.001, 1)])
def test_a_threshold_is_told_in_steps(threshold: float, step: int) -> None:
    content = metadata.write(written(yolo(), "float"), Metadata("model", task={"score_threshold": threshold}))
    [finding] = score_steps.check(subject(content))
    assert finding.evidence["step"] == step
    assert f"{step / 256:.4g} ({step - 128} as int8) is the least score that passes" in finding.message


def test_without_a_threshold_nothing_is_said() -> None:
    assert score_steps.check(subject(written(yolo(), "float"))) == []


@pytest.mark.parametrize(("length", "severities"), [(300, ["warning"]), (200, [])])
def test_a_softmax_over_more_values_than_steps(length: int, severities: list[str]) -> None:
    graph = Graph()
    x = graph.tensor("x", [1, 2, length], "int8", scale=0.1)
    y = graph.tensor("y", [1, 2, length], "int8", scale=1 / 256, zero_point=-128)
    graph.operator("SOFTMAX", [x], [y], "SoftmaxOptions", beta=1.0)
    assert [finding.severity for finding in score_steps.check(subject(graph.build([x], [y])))] == severities
