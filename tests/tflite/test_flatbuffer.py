from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.tflite import flatbuffer
from tests import tiny_models

Variant = Callable[[str], Path]


def test_reads_and_writes_the_same_model(variant: Variant) -> None:
    model = flatbuffer.read(variant("int8"))
    data = flatbuffer.serialize(model)
    assert flatbuffer.serialize(flatbuffer.read(data)) == data
    assert [flatbuffer.operator_name(model, op) for op in model.subgraphs[0].operators] == [
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "CONV_2D",
        "MEAN",
        "FULLY_CONNECTED",
        "SOFTMAX",
    ]


def test_constants_are_aligned_to_16_bytes(variant: Variant) -> None:
    data = flatbuffer.serialize(flatbuffer.read(variant("int8")))
    constants = [buffer.data for buffer in flatbuffer.read(data).buffers if buffer.data is not None]
    largest = max(constants, key=len)
    start = largest.ctypes.data - data.index(largest.tobytes())
    assert {(constant.ctypes.data - start) % 16 for constant in constants} == {0}


@pytest.mark.parametrize("name", ["float32", "int8"])
def test_cut_anywhere_is_an_input_error(variant: Variant, name: str, tmp_path: Path) -> None:
    data = variant(name).read_bytes()
    cut = tmp_path / "cut.tflite"
    points = random.Random(0).sample(range(1, len(data)), 10)
    for point in [1, 4, 8, 9, 32, *points, len(data) - 1]:
        cut.write_bytes(data[:point])
        with pytest.raises(InputError, match=r"truncated|not a TFLite model"):
            flatbuffer.read(cut)


def test_overwritten_bytes_never_crash(variant: Variant) -> None:
    data = variant("int8").read_bytes()
    generator = random.Random(0)
    refused = 0
    for _ in range(50):
        spoilt = bytearray(data)
        for _ in range(20):
            spoilt[generator.randrange(8, len(spoilt))] = generator.randrange(256)
        try:
            flatbuffer.read(bytes(spoilt))
        except InputError:
            refused += 1
    assert refused


def test_index_out_of_range_is_corrupt(variant: Variant) -> None:
    model = flatbuffer.read(variant("int8"))
    model.subgraphs[0].operators[0].inputs[0] = 9999
    with pytest.raises(InputError, match="operator input 9999"):
        flatbuffer.read(flatbuffer.serialize(model))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"This is a text file.\n", "not a TFLite model"), (b"TF", "not a TFLite model")],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        flatbuffer.read(path)
    assert str(path) in str(caught.value)
    with pytest.raises(InputError, match=message):
        flatbuffer.read(content)


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        flatbuffer.read(tmp_path / "absent.tflite")
    with pytest.raises(InputError, match="is a folder"):
        flatbuffer.read(tmp_path)


def test_bytes_after_the_flatbuffer_are_left_alone(variant: Variant) -> None:
    model = flatbuffer.read(variant("int8").read_bytes() + b"a packed file")
    assert len(model.subgraphs[0].operators) == 6


def test_constants_and_scales_give_the_float_weights(variant: Variant) -> None:
    exact, model = flatbuffer.read(variant("float32")), flatbuffer.read(variant("int8"))
    for i in range(3):
        wanted = flatbuffer.tensor_data(exact, exact.subgraphs[0].tensors[exact.subgraphs[0].operators[i].inputs[1]])
        tensor = model.subgraphs[0].tensors[model.subgraphs[0].operators[i].inputs[1]]
        stored, quantized = flatbuffer.tensor_data(model, tensor), flatbuffer.quantization(tensor)
        assert wanted is not None
        assert stored is not None
        assert quantized is not None
        assert flatbuffer.tensor_type(tensor) == stored.dtype.name == "int8"
        assert quantized.axis == (3 if i == 1 else 0)
        assert len(quantized.scales) == stored.shape[quantized.axis]
        assert not quantized.zero_points.any()
        along = [1] * stored.ndim
        along[quantized.axis] = -1
        step = quantized.scales.reshape(along)
        assert np.all(np.abs(stored * step - wanted) <= step * 0.5001)


def test_activations_have_no_data_and_one_scale(variant: Variant) -> None:
    model = flatbuffer.read(variant("int8"))
    tensor = model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]]
    quantized = flatbuffer.quantization(tensor)
    assert flatbuffer.tensor_data(model, tensor) is None
    assert quantized is not None
    assert (len(quantized.scales), quantized.axis) == (1, None)


def test_a_constant_of_the_wrong_size_is_an_input_error(variant: Variant) -> None:
    model = flatbuffer.read(variant("int8"))
    tensor = model.subgraphs[0].tensors[model.subgraphs[0].operators[0].inputs[1]]
    model.buffers[tensor.buffer].data = np.zeros(3, np.uint8)
    with pytest.raises(InputError, match="from its 3 bytes"):
        flatbuffer.tensor_data(model, tensor)


def test_producers_and_consumers_follow_the_chain(variant: Variant) -> None:
    graph = flatbuffer.read(variant("int8")).subgraphs[0]
    written, readers = flatbuffer.producers(graph), flatbuffer.consumers(graph)
    assert graph.inputs[0] not in written
    assert readers[graph.inputs[0]] == [0]
    assert written[graph.outputs[0]] == 5
    assert graph.outputs[0] not in readers


def test_operator_names_of_old_and_custom_codes(variant: Variant) -> None:
    model = flatbuffer.read(variant("int8"))
    operator = model.subgraphs[0].operators[0]
    code = model.operatorCodes[operator.opcodeIndex]
    code.builtinCode = 0  # as files from before the second field have it
    assert flatbuffer.operator_name(model, operator) == "CONV_2D"
    code.builtinCode, code.customCode = 32, b"MyOperator"
    assert flatbuffer.operator_name(model, operator) == "MyOperator"


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, pipeline.tflite.inspect;"
        "print([name for name in ('tensorflow', 'keras', 'tf_keras') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_zero_points_that_fit_no_scales_are_damage() -> None:
    model = flatbuffer.read(tiny_models.linear(np.eye(3), dtype="int8"))
    weights = model.subgraphs[0].tensors[1]
    weights.quantization.zeroPoint = [0, 0]
    with pytest.raises(InputError, match="'w' has 1 scales and 2 zero points: the file is damaged"):
        flatbuffer.quantization(weights)
