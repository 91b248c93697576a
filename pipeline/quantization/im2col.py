"""What a layer multiplies its weights with: rows of inputs, taken at some positions of its activations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from ai_edge_litert.schema_py_generated import OperatorT, Padding
from numpy.typing import NDArray

ROWS = 4096
"""Positions that are looked at, spread over all examples."""


class Im2col:
    """Rows of a layer's inputs, float32 [rows, height × width × input channels] in the weights' own order.

    Args:
        kind: CONV_2D, DEPTHWISE_CONV_2D or FULLY_CONNECTED.
        operator: For its strides, dilation and padding.
        weights_shape: As the layer stores its weights.
        rows: How many to keep, at most.
        pieces: How many times `add` will be called.
    """

    def __init__(
        self, kind: str, operator: OperatorT, weights_shape: Sequence[int], pieces: int, rows: int = ROWS
    ) -> None:
        self._depthwise = kind == "DEPTHWISE_CONV_2D"
        self._options: Any = None if kind == "FULLY_CONNECTED" else operator.builtinOptions
        self._kernel = (1, 1) if self._options is None else (int(weights_shape[1]), int(weights_shape[2]))
        self._inputs = int(weights_shape[-1])
        self._each = max(1, -(-rows // max(pieces, 1)))
        self._rng = np.random.default_rng(0)
        self._found: list[NDArray[np.float32]] = []

    def add(self, activations: NDArray[np.float32]) -> None:
        """Take some rows of one piece, float32 [B, height, width, channels] or [B, …, inputs]."""
        if self._options is None:
            rows = activations.reshape(-1, self._inputs)
            self._found.append(rows[self._some(len(rows))].copy())
            return
        windows = self._windows(activations)  # [B, out height, out width, channels, kernel height, kernel width]
        positions = np.unravel_index(self._some(int(np.prod(windows.shape[:3]))), windows.shape[:3])
        self._found.append(windows[positions].transpose(0, 2, 3, 1).astype(np.float32))

    def groups(self, channels: int) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Output channels that see the same inputs, and those inputs, float32 [rows, inputs]."""
        found = np.concatenate(self._found)
        if self._options is None:
            yield slice(None), found
            return
        inputs = found.shape[-1]
        if self._depthwise:
            multiplier = max(channels // inputs, 1)
            for channel in range(inputs):
                members = slice(channel * multiplier, (channel + 1) * multiplier)
                yield members, found[..., channel].reshape(len(found), -1)
            return
        groups = max(inputs // self._inputs, 1)
        for group in range(groups):
            members = slice(group * channels // groups, (group + 1) * channels // groups)
            own = found[..., group * self._inputs : (group + 1) * self._inputs]
            yield members, own.reshape(len(found), -1)

    def _some(self, count: int) -> NDArray[np.int64]:
        if count <= self._each:
            return np.arange(count)
        return np.sort(self._rng.choice(count, self._each, replace=False))

    def _windows(self, activations: NDArray[np.float32]) -> NDArray[np.float32]:
        options = self._options
        strides = (options.strideH, options.strideW)
        dilation = (options.dilationHFactor, options.dilationWFactor)
        reach = [(size - 1) * step + 1 for size, step in zip(self._kernel, dilation, strict=True)]
        if options.padding == Padding.SAME:
            around = [_same(activations.shape[1 + i], reach[i], strides[i]) for i in range(2)]
            activations = np.pad(activations, ((0, 0), *around, (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(activations, reach, axis=(1, 2))
        return windows[:, :: strides[0], :: strides[1], :, :: dilation[0], :: dilation[1]]


def _same(size: int, reach: int, stride: int) -> tuple[int, int]:
    missing = max((-(-size // stride) - 1) * stride + reach - size, 0)
    return missing // 2, missing - missing // 2
