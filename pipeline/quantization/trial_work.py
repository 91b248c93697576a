"""What it takes to try a way to quantize, counted in multiply-accumulates: the same on every machine, however busy.

An estimate that orders candidates and bounds their number, not a time. A value that is only read and written counts as
`PER_VALUE` multiplications, a weight that is written to a file as `PER_WEIGHT`.
"""

from __future__ import annotations

import math

from pipeline.quantization.float_reference import EXAMPLES
from pipeline.quantization.im2col import ROWS
from pipeline.quantization.ptq import Settings
from pipeline.quantization.weighted_operators import layers
from pipeline.tflite import flatbuffer
from pipeline.tflite.work import work

PER_VALUE, PER_WEIGHT = 8, 100
_SOLVING = 3
"""Inverting, factorizing and handing on errors, in cubes of a layer's inputs."""


class TrialWork:
    """The work of candidates for one model.

    Args:
        content: A float .tflite file's content; open dimensions count as 1.
        fitted: Examples that ranges are measured on.
        judged: Examples that answers are compared on.
        times: How often all of it is done.
    """

    def __init__(self, content: bytes, fitted: int, judged: int, times: int = 1) -> None:
        self._fitted, self._judged, self._times = fitted, judged, times
        model = flatbuffer.read(content)
        graph = model.subgraphs[0]
        self._pass, self._weights, self._learning = 0, 0, 0
        for place, operator in enumerate(graph.operators):
            values = sum(math.prod(flatbuffer.tensor_shape(graph.tensors[index])) for index in operator.outputs)
            self._pass += work(model, place).macs + PER_VALUE * abs(values)
        for layer in layers(model):
            shape = flatbuffer.tensor_shape(graph.tensors[layer.weights])
            channels = shape[layer.channel_axis]
            weights = math.prod(shape)
            inputs = weights // max(channels, 1)
            self._weights += weights
            # Depthwise layers solve a small problem a channel, the others one for all channels.
            problems = channels if layer.kind == "DEPTHWISE_CONV_2D" else 1
            self._learning += problems * (ROWS * inputs**2 + _SOLVING * inputs**3) + weights * inputs

    def of(self, settings: Settings) -> float:
        """Of measuring ranges, correcting, writing and comparing, in 10⁹ multiply-accumulates."""
        corrected = min(self._fitted, EXAMPLES) if settings.changes_weights else 0
        passes = self._fitted * (2 if settings.equalize else 1) + 2 * corrected + self._judged
        total = passes * self._pass + PER_WEIGHT * self._weights
        if settings.rounding == "learned":
            total += self._learning
        return self._times * total / 1e9
