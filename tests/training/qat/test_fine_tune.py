"""What QAT trained is what the int8 file holds."""

from __future__ import annotations

import numpy as np

from pipeline import recipe
from pipeline.tflite.inspect import inspect
from pipeline.workflow.run_folder import Run
from tests.answers import answer
from tests.training.tasks import digits


def test_the_input_range_is_the_datas_from_the_start_and_stays() -> None:
    from pipeline.data import load
    from pipeline.models.backend import tf_keras
    from pipeline.quantization.ranges import holding_zero
    from pipeline.training.qat.fine_tune import fine_tune
    from pipeline.training.qat.range_variables import input_quantizers, ranges

    layers = [tf_keras.Input((8, 8, 1)), tf_keras.layers.Flatten(), tf_keras.layers.Dense(10, activation="softmax")]
    data = load(recipe.Data.model_validate({"limit": 40, "preprocess": {"scale": "-1..1"}}))
    model = tf_keras.Sequential(layers)
    aware, history = fine_tune(model, data, recipe.Qat(epochs=1), digits(model))
    [name] = input_quantizers(aware).values()
    np.testing.assert_allclose(ranges(aware)[name], holding_zero(-1, 1), rtol=1e-5)
    assert len(history.loss) == 1


def test_the_int8_file_has_a_scale_a_channel_and_the_trained_values(small_run: Run) -> None:
    from pipeline.models.load import load_file
    from pipeline.tflite import flatbuffer

    found = inspect(small_run.path("int8.tflite"))
    weighted = {op.name: op.weights for op in found.operators if op.weights}
    assert {name: weights.scales for name, weights in weighted.items()} == {
        "CONV_2D": 8,
        "DEPTHWISE_CONV_2D": 8,
        "FULLY_CONNECTED": 10,
    }
    model = flatbuffer.read(small_run.path("int8.tflite").read_bytes())
    [dense] = [
        tensor
        for tensor in model.subgraphs[0].tensors
        if flatbuffer.tensor_name(tensor) == weighted["FULLY_CONNECTED"].tensor
    ]
    [kernel] = [w.numpy() for w in load_file(small_run.path("qat.h5")).weights if tuple(w.shape) == (8, 10)]
    quantization = flatbuffer.quantization(dense)
    assert quantization is not None
    np.testing.assert_allclose(quantization.scales, np.abs(kernel).max(0) / 127, rtol=1e-5)
    stored = np.asarray(flatbuffer.tensor_data(model, dense)).reshape(10, 8)
    np.testing.assert_array_equal(stored, np.round(kernel / (np.abs(kernel).max(0) / np.float32(127))).T)


def test_the_saved_qat_model_answers_as_its_flatbuffer(small_run: Run, images: np.ndarray) -> None:
    from pipeline.models.load import load_file
    from pipeline.tflite.runner import Runner

    expected = load_file(small_run.path("qat.h5"))(images).numpy()
    np.testing.assert_allclose(answer(Runner(small_run.path("qat.tflite")), images), expected, atol=0.02)
