"""LiteRT's profiler through the C API of its wheel: every operator's time, inside the XNNPACK delegate too.

The Python interpreter has no profiler. `libLiteRt.so`, which the wheel brings, has one; its C API is called through
ctypes. It is not frozen: every symbol is looked for, and `profiler_self_test` proves the layout of what comes back
on a model whose profile is known. All of it runs in a process of its own (`pipeline.benchmarking.profile.
measure`), so that a library that does otherwise ends that process and not this one.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import ai_edge_litert
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import PipelineError

OPERATOR, DELEGATED = 2, 8
"""Types of events: an operator on TFLite's own kernels, and one inside a delegate."""
_INVOKE = 1
_MAIN_GRAPH = 0
_CPU = 1
_WRITE = 1  # LiteRtTensorBufferLockMode
_RANK_MASK = 127
REFUSED = "LiteRT's profiler cannot be used on this model"
"""How the message begins where it is the model that it does not take."""
_TYPE_WORDS = 128  # LiteRtRankedTensorType is well under 512 bytes
_PROFILING = b"enable_profiling = true\n"
_SYMBOLS = (
    "LiteRtCreateEnvironment",
    "LiteRtCreateModelFromFile",
    "LiteRtCreateOptions",
    "LiteRtSetOptionsHardwareAccelerators",
    "LiteRtCreateOpaqueOptions",
    "LiteRtAddOpaqueOptions",
    "LiteRtCreateCompiledModel",
    "LiteRtGetModelSignature",
    "LiteRtGetNumSignatureInputs",
    "LiteRtGetNumSignatureOutputs",
    "LiteRtGetSignatureInputTensorByIndex",
    "LiteRtGetSignatureOutputTensorByIndex",
    "LiteRtGetRankedTensorType",
    "LiteRtGetCompiledModelInputBufferRequirements",
    "LiteRtGetCompiledModelOutputBufferRequirements",
    "LiteRtCreateManagedTensorBufferFromRequirements",
    "LiteRtLockTensorBuffer",
    "LiteRtUnlockTensorBuffer",
    "LiteRtGetTensorBufferPackedSize",
    "LiteRtRunCompiledModel",
    "LiteRtCompiledModelGetProfiler",
    "LiteRtResetProfiler",
    "LiteRtStartProfiler",
    "LiteRtStopProfiler",
    "LiteRtGetNumProfilerEvents",
    "LiteRtGetProfilerEvents",
)

_Pointer, _Size = ctypes.c_void_p, ctypes.c_size_t


class _Memory(ctypes.Structure):
    _fields_ = [("total", _Size), ("arena", _Size), ("used", _Size)]


class _Event(ctypes.Structure):
    """ProfiledEventData of LiteRT 2.x; `first` is the operator's place, `second` its subgraph."""

    _fields_ = [
        ("tag", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("start_us", ctypes.c_uint64),
        ("elapsed_us", ctypes.c_uint64),
        ("begin_memory", _Memory),
        ("end_memory", _Memory),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
        ("source", ctypes.c_int),
    ]


@dataclass(frozen=True)
class Event:
    """One operator's run."""

    tag: str
    """The operator's name: `SOFTMAX`, or XNNPACK's own, `Convolution (NHWC, QC8) IGEMM`."""
    delegated: bool
    place: int
    """The operator's place in the graph, or, where delegated, in its piece of the delegate."""
    us: int
    """Whole microseconds, cut off."""


@dataclass(frozen=True)
class Inference:
    """One profiled inference."""

    events: tuple[Event, ...]
    """In the order they ran."""
    total_us: int
    """Of the whole invocation, what is between the operators included."""


class Library:
    """The wheel's libLiteRt.so, checked for what is needed.

    Raises:
        PipelineError: it is not there or lacks a symbol.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or Path(ai_edge_litert.__file__).parent / "libLiteRt.so"
        try:
            self._library = ctypes.CDLL(str(self.path))
        except OSError as error:
            raise PipelineError(
                f"LiteRT's library {self.path} cannot be loaded, which has the profiler: {error}."
            ) from error
        missing = [name for name in _SYMBOLS if not hasattr(self._library, name)]
        if missing:
            raise PipelineError(
                f"LiteRT {metadata.version('ai-edge-litert')} has no {', '.join(missing[:3])} in {self.path.name}: its "
                "C API is not the one that the profile is taken with. Install the version in constraints.txt."
            )

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function that gives a LiteRtStatus.

        Raises:
            PipelineError: the status is not 0.
        """
        function = getattr(self._library, name)
        function.restype = ctypes.c_int
        status = function(*arguments)
        if status:
            raise PipelineError(
                f"{REFUSED}: {name} gave status {status}. It takes no state that a model keeps between inferences (an "
                "LSTM's), for one."
            )


class Profiled:
    """A model, compiled for the CPU with the profiler on; one thread.

    Args:
        library: See there.
        model: The .tflite file, with a signature.
        inputs: Arrays for its inputs, in the signature's order; each batch is the one it is compiled with.

    Raises:
        PipelineError: LiteRT refuses it.
    """

    def __init__(self, library: Library, model: Path, inputs: Sequence[NDArray[Any]]) -> None:
        call = self._call = library.call
        environment, handle, options, opaque = _Pointer(), _Pointer(), _Pointer(), _Pointer()
        self._compiled, self._signature, self._profiler = _Pointer(), _Pointer(), _Pointer()
        call("LiteRtCreateEnvironment", ctypes.c_int(0), None, ctypes.byref(environment))
        call("LiteRtCreateModelFromFile", environment, os.fsencode(model), ctypes.byref(handle))
        call("LiteRtCreateOptions", ctypes.byref(options))
        call("LiteRtSetOptionsHardwareAccelerators", options, ctypes.c_int(_CPU))
        # LiteRT keeps both for as long as the options live, and calls the second to free the first.
        self._payload = ctypes.create_string_buffer(_PROFILING)
        self._free = ctypes.CFUNCTYPE(None, _Pointer)(lambda _: None)
        call("LiteRtCreateOpaqueOptions", b"runtime_options_string", self._payload, self._free, ctypes.byref(opaque))
        call("LiteRtAddOpaqueOptions", options, opaque)
        call("LiteRtCreateCompiledModel", environment, handle, options, ctypes.byref(self._compiled))
        call("LiteRtGetModelSignature", handle, _Size(0), ctypes.byref(self._signature))
        self._environment = environment
        self._inputs, self._outputs = self._buffers("Input"), self._buffers("Output")
        if len(inputs) != len(self._inputs):
            raise PipelineError(f"{model} has {len(self._inputs)} inputs for LiteRT's C API, not {len(inputs)}.")
        for buffer, array in zip(self._inputs, inputs, strict=True):
            self._fill(buffer, array)
        self.run()
        call("LiteRtCompiledModelGetProfiler", self._compiled, ctypes.byref(self._profiler))
        if not self._profiler.value:
            raise PipelineError("LiteRT gave no profiler: this build of it was made without one.")

    def run(self) -> None:
        """One inference, not profiled after the profiler was stopped."""
        self._call(
            "LiteRtRunCompiledModel",
            self._compiled,
            _Size(0),
            _Size(len(self._inputs)),
            self._inputs,
            _Size(len(self._outputs)),
            self._outputs,
        )

    def profile(self) -> Inference:
        """One inference, profiled by itself: LiteRT's log of events has an end."""
        self._call("LiteRtResetProfiler", self._profiler)
        self._call("LiteRtStartProfiler", self._profiler)
        self.run()
        self._call("LiteRtStopProfiler", self._profiler)
        count = ctypes.c_int()
        self._call("LiteRtGetNumProfilerEvents", self._profiler, ctypes.byref(count))
        if count.value <= 0:
            raise PipelineError("LiteRT's profiler logged nothing.")
        # Room to spare: a longer structure than expected then does not write beyond the end.
        events = (_Event * (2 * count.value))()
        self._call("LiteRtGetProfilerEvents", self._profiler, ctypes.c_int(count.value), events)
        found = [
            Event(
                (event.tag or b"").decode("ascii", "replace"),
                event.type == DELEGATED,
                int(event.first),
                int(event.elapsed_us),
            )
            for event in events[: count.value]
            # What runs in the body of a loop or a branch counts to the WHILE or IF of the main graph.
            if event.type in (OPERATOR, DELEGATED) and event.second == _MAIN_GRAPH
        ]
        total = [
            int(event.elapsed_us)
            for event in events[: count.value]
            if event.type == _INVOKE and event.tag == b"Invoke" and event.second == _MAIN_GRAPH
        ]
        return Inference(tuple(found), sum(total))

    def _buffers(self, kind: str) -> Any:
        count = _Size()
        self._call(f"LiteRtGetNumSignature{kind}s", self._signature, ctypes.byref(count))
        buffers = (_Pointer * count.value)()
        for index in range(count.value):
            tensor, requirements, buffer = _Pointer(), _Pointer(), _Pointer()
            self._call(f"LiteRtGetSignature{kind}TensorByIndex", self._signature, _Size(index), ctypes.byref(tensor))
            ranked = (ctypes.c_int32 * _TYPE_WORDS)()
            self._call("LiteRtGetRankedTensorType", tensor, ranked)
            for side in range(ranked[1] & _RANK_MASK):
                if ranked[2 + side] < 0:  # an open dimension; LiteRT compiled it as 1
                    ranked[2 + side] = 1
            self._call(
                f"LiteRtGetCompiledModel{kind}BufferRequirements",
                self._compiled,
                _Size(0),
                _Size(index),
                ctypes.byref(requirements),
            )
            self._call(
                "LiteRtCreateManagedTensorBufferFromRequirements",
                self._environment,
                ranked,
                requirements,
                ctypes.byref(buffer),
            )
            buffers[index] = buffer
        return buffers

    def _fill(self, buffer: Any, array: NDArray[Any]) -> None:
        size, address = _Size(), _Pointer()
        stored = np.ascontiguousarray(array)
        self._call("LiteRtGetTensorBufferPackedSize", _Pointer(buffer), ctypes.byref(size))
        if size.value != stored.nbytes:
            raise PipelineError(f"LiteRT's C API wants {size.value} bytes for an input of {stored.nbytes}.")
        self._call("LiteRtLockTensorBuffer", _Pointer(buffer), ctypes.byref(address), ctypes.c_int(_WRITE))
        ctypes.memmove(address, stored.ctypes.data, stored.nbytes)
        self._call("LiteRtUnlockTensorBuffer", _Pointer(buffer))
