"""One small int8 network, healthy, and ways to break it; made without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.formats import write
from pipeline.tflite import flatbuffer
from pipeline.tflite.audit.observe import Observed
from pipeline.tflite.audit.subject import Subject
from pipeline.tflite.inspect import inspect
from tests.quantization import networks

EXAMPLES = networks.examples(20)


def healthy() -> bytes:
    """conv → depthwise → conv 1x1 (all with ReLU6) → mean → dense, int8 per channel."""
    content = networks.stack(spread=0.3)
    return write(content, "int8", calibrate(content, [{"x": EXAMPLES}]))


def subject(content: bytes, observed: dict[str, Observed] | None = None) -> Subject:
    """Without a measured delegation."""
    return Subject(flatbuffer.read(content), inspect(content), None, observed)


class Surgery:
    """Edits one model in place; `done` gives the bytes."""

    def __init__(self, content: bytes) -> None:
        self.model = flatbuffer.read(content)
        self.graph = self.model.subgraphs[0]

    def tensor(self, name: str) -> Any:
        return next(t for t in self.graph.tensors if flatbuffer.tensor_name(t) == name)

    def values(self, name: str, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Surgery:
        """Change a constant's stored values."""
        tensor = self.tensor(name)
        stored = np.array(flatbuffer.tensor_data(self.model, tensor))
        changed = np.ascontiguousarray(change(stored), stored.dtype)
        self.model.buffers[tensor.buffer].data = np.frombuffer(changed.tobytes(), np.uint8)
        return self

    def scale(self, name: str, factor: float) -> Surgery:
        parameters = self.tensor(name).quantization
        parameters.scale = np.asarray(parameters.scale, np.float32) * np.float32(factor)
        return self

    def zero_point(self, name: str, value: int) -> Surgery:
        parameters = self.tensor(name).quantization
        parameters.zeroPoint = np.full(len(parameters.scale), value, np.int64)
        return self

    def done(self) -> bytes:
        return flatbuffer.serialize(self.model)


def saved(content: bytes, folder: Path) -> Path:
    path = folder / "model.tflite"
    path.write_bytes(content)
    return path
