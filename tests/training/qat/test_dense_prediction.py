"""QAT of detectors and segmenters: int8 computes what Keras trained, resized, joined or of several outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

SHAPE = (48, 40, 1)


def network(name: str) -> Any:
    from pipeline.models.backend import tf_keras
    from pipeline.models.build import zoo
    from pipeline.models.dense_prediction import Request, build_network

    tf_keras.utils.set_random_seed(0)
    task = {"anchors": {"strides": [16, 32], "scales": [2.0], "ratios": [1.0]}}
    return build_network(Request(name, SHAPE, 3, task, alpha=0.35), zoo())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ssd_lite", "centernet", "deeplabv3plus_lite", "u_net"])
def test_every_output_of_int8_is_what_qat_computed(name: str) -> None:
    from pipeline.conversion.convert import to_flatbuffer
    from pipeline.models.backend import tf_keras
    from pipeline.quantization.calibrate import calibrate
    from pipeline.quantization.formats import write
    from pipeline.quantization.learned import take_out_fake_quant
    from pipeline.tflite.inspect import inspect
    from pipeline.tflite.runner import Runner
    from pipeline.training import batch_norm
    from pipeline.training.qat import calibrated_start
    from pipeline.training.qat.apply import quantize_aware
    from pipeline.training.qat.schedule import Following
    from pipeline.training.qat.snap import snap

    model = network(name)
    x = np.random.default_rng(0).uniform(-1, 1, (8, *SHAPE)).astype(np.float32)
    batch_norm.reestimate(model, [{"x": x}])
    aware = quantize_aware(model)
    calibrated_start.calibrate(aware, [{"x": x}])
    batch_norm.freeze(aware)
    aware.compile(tf_keras.optimizers.SGD(1e-4), "mse")
    aware.fit(x, model.predict(x, verbose=0), epochs=1, batch_size=8, verbose=0, callbacks=[Following()])
    snap(aware)

    simulated = to_flatbuffer(aware)
    prepared, learned = take_out_fake_quant(simulated)
    moved = {op.output for op in inspect(prepared).operators if op.name == "RESHAPE"}
    ranges = learned.over(calibrate(prepared, [{"x": x}]))
    assert {op.output for op in inspect(prepared).operators} - moved <= set(learned)
    int8 = write(prepared, "int8", ranges)
    found = inspect(int8)
    assert found.verdict.text == "full int8, per-channel", found.verdict.breaks
    assert not [op for op in found.operators if op.name == "QUANTIZE"]  # nothing is rounded a second time
    runner = Runner(int8)
    answers = runner({"x": x}).real
    expected = dict(zip(aware.output_names, as_list(aware.predict(x, verbose=0)), strict=True))
    assert set(answers) == set(expected)
    for spec in runner.outputs:
        # Where a sum lies between two steps, one of the two may round it otherwise, and a deep network carries that on.
        assert spec.scale is not None
        assert np.mean(np.abs(answers[spec.name] - expected[spec.name]) < spec.scale / 2) > 0.9, spec.name


def as_list(answers: Any) -> list[Any]:
    return answers if isinstance(answers, list) else [answers]
