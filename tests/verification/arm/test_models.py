"""Whole networks: real ARM kernels against the host's, byte by byte, and the instructions that are kept as golden."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import golden_counts
from pipeline import recipe
from pipeline.tensors import OPEN, TensorSpec
from pipeline.tflite import flatbuffer
from pipeline.tflite.runner import Runner
from pipeline.verification.arm.counts import Counts
from pipeline.verification.arm.emulation_result import compare
from pipeline.verification.arm.machine import Answer, Example, Job, emulate
from pipeline.verification.arm.profiles import PROFILES, Profile
from pipeline.verification.arm.sysroot import Sysroot

DATA = Path(__file__).parents[4] / "shared" / "data"
EXAMPLES = 2
NO_DATA = "the optional folder of trained models is not here"


def logits(content: bytes) -> bytes:
    """The same model without its softmax, whose few different answers would hide much of what was computed."""
    model = flatbuffer.read(content)
    graph = model.subgraphs[0]
    last = graph.operators[-1]
    assert flatbuffer.operator_name(model, last) == "SOFTMAX"
    graph.outputs = [last.inputs[0]]
    graph.operators = graph.operators[:-1]
    for signature in model.signatureDefs or []:
        signature.outputs[0].tensorIndex = last.inputs[0]
    return flatbuffer.serialize(model)


def of_recipe() -> bytes:
    """The architecture that `make qat recipe=mobilenet` trains."""
    from pipeline.models.build import build

    wanted = recipe.load("mobilenet")
    size = wanted.data.preprocess.size
    assert size is not None
    inputs = {"x": TensorSpec("x", (OPEN, *size, 3), np.dtype(np.float32))}
    built = build(wanted.model, inputs, {}, [str(digit) for digit in range(10)])
    return golden_counts.keras_int8(golden_counts.with_seeded_weights(built))


def from_file(name: str, images: np.ndarray) -> bytes:
    """A trained network of the optional folder of models."""
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.models.load import load_file
    from pipeline.quantization.calibrate import calibrate
    from pipeline.quantization.formats import write

    content = to_flatbuffer(load_file(DATA / "models" / name))
    return write(content, "int8", calibrate(content, [{"x": images}]))


def examples_of(model: bytes) -> list[Example]:
    """Noise of different levels and contrasts."""
    [spec] = Runner(model).inputs
    rng = np.random.default_rng(3)
    made = []
    for _ in range(EXAMPLES):
        noise = rng.normal(rng.uniform(-90, 90), rng.uniform(20, 60), spec.shape)
        made.append((np.clip(noise, -128, 127).astype(spec.dtype),))
    return made


@pytest.fixture(scope="module")
def models() -> dict[str, bytes]:
    made = {name: make() for name, make in golden_counts.MODELS.items()}
    made["recipe mobilenet"] = logits(of_recipe())
    if DATA.is_dir():
        with np.load(DATA / "cifar10" / "cifar10_dev.npz") as data:
            made["resnet8"] = logits(from_file("resnet8_cifar10.h5", data["x_test"][:12].astype(np.float32)))
    return made


@pytest.fixture(scope="module")
def answers(sysroot: Sysroot, models: dict[str, bytes]) -> dict[str, dict[str, Answer]]:
    """By profile and model; an emulated process a profile."""
    found = {}
    for profile in PROFILES.values():
        jobs = [Job(model, examples_of(model), count=True, name=name) for name, model in models.items()]
        found[profile.name] = dict(zip(models, emulate(sysroot, profile, jobs), strict=True))
    return found


def check_parity(model: bytes, answer: Answer, examples: list[Example]) -> None:
    runner = Runner(model)
    host = tuple(tuple(array.copy() for array in runner.run(*example)) for example in examples)
    arm = tuple(
        tuple(np.frombuffer(raw, np.int8).reshape(like.shape) for raw, like in zip(given, expected, strict=True))
        for given, expected in zip(answer.outputs, host, strict=True)
    )
    found = compare(host, arm, [spec.name for spec in runner.outputs])
    assert found.differing_bytes == 0
    assert found.varied


def check_instructions(profile: Profile, counts: Counts | None) -> None:
    if counts is None:
        pytest.skip("instructions cannot be counted here")
    assert counts.by_kind[profile.expected[0]] > 0
    for other in {"sdot", "udot", "smmla", "ummla", "usmmla", "sme"} - {profile.expected[0]}:
        assert counts.by_kind[other] == 0, other  # type: ignore[index]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
@pytest.mark.parametrize("name", ["mobilenet_v1_0.25_96", "mobilenet_v2_0.35_96", "recipe mobilenet", "resnet8"])
def test_a_network_is_the_same_on_arm_and_takes_the_kernels_it_should(
    name: str, profile: Profile, models: dict[str, bytes], answers: dict[str, dict[str, Answer]]
) -> None:
    if name not in models:
        pytest.skip(NO_DATA)
    answer = answers[profile.name][name]
    check_parity(models[name], answer, examples_of(models[name]))
    check_instructions(profile, answer.counts)


@pytest.mark.parametrize("profile", list(PROFILES))
@pytest.mark.parametrize("name", list(golden_counts.MODELS))
def test_a_models_instructions_are_the_golden_ones(
    name: str, profile: str, counting: Sysroot, answers: dict[str, dict[str, Answer]]
) -> None:
    kept = golden_counts.golden(name)
    if kept["ai_edge_litert"] != (installed := metadata.version("ai-edge-litert")):
        pytest.skip(f"the golden counts are of ai-edge-litert {kept['ai_edge_litert']}, {installed} is installed")
    counts = answers[profile][name].counts
    assert counts is not None
    assert golden_counts.complaints(kept["profiles"][profile], counts) == []


def test_a_worse_graph_shows_in_the_counts(counting: Sysroot) -> None:
    """A layer that stayed in dynamic range."""
    from pipeline.quantization.formats import write
    from tests.verification.arm import zoo

    worse = write(zoo.float_block("dense"), "dynamic")
    measured = golden_counts.measure(counting, PROFILES["dotprod"], {"worse": worse})["worse"]
    found = golden_counts.complaints(golden_counts.golden("block_dense")["profiles"]["dotprod"], measured)
    assert any("SDOT" in complaint for complaint in found)
    assert any("instructions in LiteRT" in complaint for complaint in found)


def test_a_deviation_within_the_tolerance_is_none() -> None:
    kinds: Any = dict.fromkeys((*golden_counts.EXACT, "fmla"), 0)
    counts = Counts(1004, kinds, ())
    assert golden_counts.complaints({"litert_instructions": 1000}, counts) == []
    assert golden_counts.complaints({"litert_instructions": 990}, counts) != []
    assert golden_counts.complaints({"litert_instructions": 1004, "sdot": 1}, counts) == ["SDOT 0, kept 1"]


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "models").is_dir(), reason=NO_DATA)
def test_mobilenet_v1_at_224_is_the_same_on_every_profile(sysroot: Sysroot) -> None:
    from PIL import Image

    files = sorted((DATA / "imagenet_nips17").rglob("*.png"))[:12]
    images = np.stack([np.asarray(Image.open(file).convert("RGB").resize((224, 224)), np.float32) for file in files])
    images = images / 127.5 - 1
    model = logits(from_file("mobilenet_v1_0.25_224_imagenet.h5", images))
    [spec] = Runner(model).inputs
    examples: list[Example] = [(spec.quantize(image[None]),) for image in images[:3]]
    for profile in PROFILES.values():
        [answer] = emulate(sysroot, profile, [Job(model, examples, count=True)])
        check_parity(model, answer, examples)
        check_instructions(profile, answer.counts)
