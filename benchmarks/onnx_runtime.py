"""ONNX Runtime's static quantization as a side of `benchmarks/ptq.py`; needs `pip install '.[peers]'`.

The float flatbuffer goes through tf2onnx, so that every side starts from the same weights and operators. Settings as
ONNX Runtime's documentation advises for CPUs: QDQ, int8 activations and per-channel int8 weights, after its own
pre-processing (shape inference and graph optimization).
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

METHODS = ("MinMax", "Entropy", "Percentile")


def to_onnx(flatbuffer: bytes, path: Path) -> Path:
    """Convert a float .tflite; inputs and outputs keep their layout."""
    from tf2onnx import convert

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        source = Path(folder) / "float.tflite"
        source.write_bytes(flatbuffer)
        logging.disable(logging.WARNING)
        convert.from_tflite(str(source), opset=17, output_path=str(path))
        logging.disable(logging.NOTSET)
    return path


def quantize(model: Path, images: np.ndarray, method: str, path: Path) -> Path:
    """Calibrate on float32 [N, ...] images, one at a time, and write an int8 QDQ model."""
    from onnxruntime import quantization
    from onnxruntime.quantization import shape_inference

    prepared = path.with_suffix(".prepared.onnx")
    logging.disable(logging.WARNING)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        shape_inference.quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(prepared),
            str(path),
            _Reader(_input(prepared), images),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            calibrate_method=getattr(quantization.CalibrationMethod, method),
        )
    logging.disable(logging.NOTSET)
    return path


def answers(model: Path, batches: Iterable[np.ndarray]) -> np.ndarray:
    """The answer to every image, int64 [N]."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: batch})[0].argmax(axis=-1) for batch in batches])


def _input(model: Path) -> str:
    import onnx

    return str(onnx.load(str(model)).graph.input[0].name)


class _Reader:
    """Images one at a time, as `quantize_static` asks for them."""

    def __init__(self, name: str, images: np.ndarray) -> None:
        self._feeds: Iterator[dict[str, np.ndarray]] = ({name: image[None]} for image in images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._feeds, None)
