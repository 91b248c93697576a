"""QAT of detectors and segmenters: int8 computes what Keras trained, resized, joined or of several outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

SHAPE = (48, 40, 1)


@dataclass(frozen=True)
class Ended:
    """A model after QAT."""

    aware: Any
    prepared: bytes
    learned: Any
    int8: bytes


def ended(model: Any, x: np.ndarray) -> Ended:
    """Through calibration, one epoch, snapped biases and the writer."""
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.models.backend import tf_keras
    from pipeline.quantization.calibrate import calibrate
    from pipeline.quantization.formats import write
    from pipeline.quantization.learned import take_out_fake_quant
    from pipeline.training import batch_norm
    from pipeline.training.qat import calibrated_start
    from pipeline.training.qat.apply import quantize_aware
    from pipeline.training.qat.schedule import Following
    from pipeline.training.qat.snap import snap

    aware = quantize_aware(model)
    calibrated_start.calibrate(aware, [{"x": x}])
    batch_norm.freeze(aware)
    aware.compile(tf_keras.optimizers.SGD(1e-4), "mse")
    aware.fit(x, model.predict(x, verbose=0), batch_size=8, verbose=0, callbacks=[Following()])
    snap(aware)
    prepared, learned = take_out_fake_quant(to_flatbuffer(aware))
    return Ended(aware, prepared, learned, write(prepared, "int8", learned.over(calibrate(prepared, [{"x": x}]))))


def heads() -> Any:
    """Two levels, the coarser one resized and added to the finer; boxes and scores of both, joined."""
    from pipeline.models.backend import tf_keras

    layers = tf_keras.layers
    tf_keras.utils.set_random_seed(0)
    inputs = tf_keras.Input((12, 12, 3), name="x")
    fine = layers.Conv2D(8, 3, 2, padding="same", activation="relu")(inputs)
    coarse = layers.Conv2D(8, 3, 2, padding="same", activation="relu")(fine)
    fine = layers.Add()([layers.Conv2D(8, 1)(fine), layers.Resizing(6, 6, "bilinear")(coarse)])
    boxes = [layers.Reshape((-1, 4))(layers.Conv2D(8, 1)(level)) for level in (fine, coarse)]
    scores = [layers.Reshape((-1, 3))(layers.Conv2D(6, 1)(level)) for level in (fine, coarse)]
    joined = layers.Concatenate(axis=1, name="logits")(scores)
    outputs = [layers.Concatenate(axis=1, name="boxes")(boxes), layers.Activation("sigmoid", name="scores")(joined)]
    return tf_keras.Model(inputs, outputs)


def test_what_is_reshaped_and_joined_is_rounded_once_and_every_output_is_what_qat_computed() -> None:
    from pipeline.tflite.inspect import inspect
    from pipeline.tflite.runner import Runner

    x = np.random.default_rng(0).uniform(-1, 1, (16, 12, 12, 3)).astype(np.float32)
    done = ended(heads(), x)
    assert not [op for op in inspect(done.int8).operators if op.name == "QUANTIZE"]
    runner = Runner(done.int8)
    answers = runner({"x": x}).real
    expected = dict(zip(done.aware.output_names, done.aware.predict(x, verbose=0), strict=True))
    assert [spec.name for spec in runner.outputs] == ["boxes", "scores"]
    for spec in runner.outputs:
        assert spec.scale is not None
        apart = np.abs(answers[spec.name] - expected[spec.name])
        assert np.mean(apart < spec.scale / 2) > 0.98, spec.name
        assert apart.max() < 2.5 * spec.scale, spec.name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ssd_lite", "centernet", "deeplabv3plus_lite", "u_net"])
def test_every_value_of_the_networks_has_a_learned_range(name: str) -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.models.build import zoo
    from pipeline.models.dense_prediction import Request, build_network
    from pipeline.tflite.inspect import inspect
    from pipeline.training import batch_norm

    tf_keras.utils.set_random_seed(0)
    task = {"anchors": {"strides": [16, 32], "scales": [2.0], "ratios": [1.0]}}
    model = build_network(Request(name, SHAPE, 3, task, alpha=0.35), zoo())
    x = np.random.default_rng(0).uniform(-1, 1, (8, *SHAPE)).astype(np.float32)
    batch_norm.reestimate(model, [{"x": x}])
    done = ended(model, x)
    operators = inspect(done.prepared).operators
    moved = {op.output for op in operators if op.name == "RESHAPE"}
    assert {op.output for op in operators} - moved <= set(done.learned)
    found = inspect(done.int8)
    assert found.verdict.text == "full int8, per-channel", found.verdict.breaks
