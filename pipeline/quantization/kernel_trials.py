"""Which operators the installed LiteRT computes in integers, found by trying each alone against its float answers.

The table of what was found is `kernel_table.json`, beside this module and with the runtime's version in it. The writer
and the doctor go by it. After an update of the runtime, `python -m pipeline.quantization.kernel_trials` makes it anew.
A kernel is in it when both sets that a phone runs (XNNPACK, and TFLite's own) answer, over the whole range of
the inputs, what the float operator answers to the same values. A kernel may end the process, so each is tried in one
of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from pipeline.errors import InputError, PipelineError, one_line
from pipeline.files import write_text
from pipeline.quantization.kernel_table import PACKAGE, PATH, Dtype, Found, Scheme, Table
from pipeline.tflite import flatbuffer
from pipeline.tflite.edit import Editor
from pipeline.tflite.kernels import Kernels, open_runner

Array = NDArray[Any]
Range = tuple[float, float]
_Asked = tuple[str, Dtype, bool]

_SETS: tuple[Kernels, ...] = ("xnnpack", "builtin")
"""Those that a phone runs. The reference kernels lack some (ELU), and SUM answers otherwise there."""
_DTYPES: dict[Dtype, tuple[int, int]] = {"int8": (-128, 127), "int16": (-32768, 32767)}
_MOST_STEPS: dict[Dtype, float] = {"int8": 1.5, "int16": 100.0}
"""Largest error, in steps of the output: of int8 one beyond rounding; int16 kernels interpolate in tables."""
_WIDER = 1.3
"""How much wider than the answers the range of an output with a scale of its own is: else it may be the input's."""
_SECONDS = 600.0


@dataclass(frozen=True)
class Trial:
    """One operator to be tried."""

    shapes: tuple[tuple[int, ...], ...] = ((1, 4, 8, 8),)
    """Of the float inputs."""
    output: tuple[int, ...] = (1, 4, 8, 8)
    outputs: int = 1
    gives: str = "float32"
    """Type of the outputs; another one than float32 is an answer about values and stays as it is."""
    options: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    before: tuple[Array, ...] = ()
    """Constant operands that are no values and come before the inputs: axes, conditions."""
    after: tuple[Array, ...] = ()
    """The same behind the inputs."""
    ranges: tuple[Range, ...] = ((-1.0, 1.0), (-0.4, 6.0), (0.0, 3.0))
    """Each is tried for the first input; others have the next one."""
    wide: tuple[Range, ...] = ((-300.0, 500.0), (0.0, 700.0))
    """The same, with scales above 1."""
    version: int = 1
    """Of the operator, the lowest that the runtime has."""
    fixed: Mapping[Dtype, tuple[float, int]] = field(default_factory=dict)
    """Scale and zero point by type, where the kernel demands them."""


def _ints(*values: object) -> Array:
    return np.array(values, np.int32)


_SHAPE = (1, 4, 8, 8)
_TWO = (_SHAPE, _SHAPE)
_NOT_NEGATIVE: tuple[Range, ...] = ((0.0, 0.5), (0.0, 6.0))
_WIDE_NOT_NEGATIVE: tuple[Range, ...] = ((0.0, 700.0),)
_UNIT: dict[Dtype, tuple[float, int]] = {"int8": (1 / 256, -128), "int16": (1 / 32768, 0)}
_SYMMETRIC_UNIT: dict[Dtype, tuple[float, int]] = {"int8": (1 / 128, 0), "int16": (1 / 32768, 0)}
_PADS = _ints([0, 0], [1, 1], [1, 2], [0, 0])


def _reduce() -> Trial:
    return Trial(output=(1, 1, 1, 8), options="ReducerOptions", fields={"keepDims": True}, after=(_ints(1, 2),))


def _pool() -> Trial:
    window = {"padding": 1, "strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2}
    return Trial(output=(1, 2, 4, 8), options="Pool2DOptions", fields=window)


def _resize(options: str) -> Trial:
    return Trial(output=(1, 8, 16, 8), options=options, after=(_ints(8, 16),))


def _place(options: str) -> Trial:
    fields = {"outputType": schema.TensorType.INT64}
    return Trial(output=(1, 4, 8), gives="int64", options=options, fields=fields, after=(np.array(3, np.int32),))


def _compare(options: str) -> Trial:
    return Trial(_TWO, gives="bool", options=options)


TRIALS: dict[str, Trial] = {
    "ABS": Trial(),
    "ADD": Trial(_TWO, options="AddOptions"),
    "ADD_N": Trial(_TWO, options="AddNOptions"),
    "ARG_MAX": _place("ArgMaxOptions"),
    "ARG_MIN": _place("ArgMinOptions"),
    "AVERAGE_POOL_2D": _pool(),
    "BATCH_MATMUL": Trial(((1, 4, 8, 8), (1, 4, 8, 8)), options="BatchMatMulOptions"),
    "BATCH_TO_SPACE_ND": Trial(
        ((4, 2, 4, 8),), (1, 4, 8, 8), options="BatchToSpaceNDOptions", after=(_ints(2, 2), _ints([0, 0], [0, 0]))
    ),
    "BROADCAST_TO": Trial(((1, 1, 8, 8),), options="BroadcastToOptions", version=2, after=(_ints(1, 4, 8, 8),)),
    "CEIL": Trial(),
    "CONCATENATION": Trial(_TWO, (1, 4, 8, 16), options="ConcatenationOptions", fields={"axis": 3}),
    "COS": Trial(),
    "CUMSUM": Trial(options="CumsumOptions", after=(np.array(2, np.int32),)),
    "DEPTH_TO_SPACE": Trial(output=(1, 8, 16, 2), options="DepthToSpaceOptions", fields={"blockSize": 2}),
    "DIV": Trial(_TWO, options="DivOptions"),
    "DYNAMIC_UPDATE_SLICE": Trial(((1, 4, 8, 8), (1, 2, 8, 8)), after=(_ints(0, 1, 0, 0),)),
    "ELU": Trial(),
    "EQUAL": _compare("EqualOptions"),
    "EXP": Trial(wide=((-300.0, 50.0),)),
    "EXPAND_DIMS": Trial(output=(1, 4, 1, 8, 8), options="ExpandDimsOptions", after=(_ints(2)[0],)),
    "FILL": Trial(((),), before=(_ints(1, 4, 8, 8),)),
    "FLOOR": Trial(),
    "GATHER": Trial(output=(1, 4, 3, 8), options="GatherOptions", fields={"axis": 2}, after=(_ints(3, 0, 3),)),
    "GATHER_ND": Trial(output=(2, 8, 8), options="GatherNdOptions", after=(_ints([0, 2], [0, 1]),)),
    "GELU": Trial(options="GeluOptions"),
    "GREATER": _compare("GreaterOptions"),
    "GREATER_EQUAL": _compare("GreaterEqualOptions"),
    "HARD_SWISH": Trial(options="HardSwishOptions"),
    "L2_NORMALIZATION": Trial(options="L2NormOptions", fixed=_SYMMETRIC_UNIT),
    "L2_POOL_2D": _pool(),
    "LEAKY_RELU": Trial(options="LeakyReluOptions", fields={"alpha": 0.2}),
    "LESS": _compare("LessOptions"),
    "LESS_EQUAL": _compare("LessEqualOptions"),
    "LOG": Trial(ranges=_NOT_NEGATIVE),
    "LOG_SOFTMAX": Trial(options="LogSoftmaxOptions", fixed={"int8": (16 / 256, 127)}),
    "LOGISTIC": Trial(fixed=_UNIT),
    "MAXIMUM": Trial(_TWO, options="MaximumMinimumOptions"),
    "MAX_POOL_2D": _pool(),
    "MEAN": _reduce(),
    "MINIMUM": Trial(_TWO, options="MaximumMinimumOptions"),
    "MIRROR_PAD": Trial(output=(1, 6, 11, 8), options="MirrorPadOptions", after=(_PADS,)),
    "MUL": Trial(_TWO, options="MulOptions"),
    "NEG": Trial(options="NegOptions"),
    "NOT_EQUAL": _compare("NotEqualOptions"),
    "PACK": Trial(_TWO, (2, 1, 4, 8, 8), options="PackOptions", fields={"valuesCount": 2, "axis": 0}),
    "PAD": Trial(output=(1, 6, 11, 8), options="PadOptions", after=(_PADS,)),
    "POW": Trial(_TWO, options="PowOptions", ranges=_NOT_NEGATIVE),
    "PRELU": Trial(((1, 4, 8, 8), (1, 1, 8)), options="", ranges=((-1.0, 1.0), (-0.4, 6.0))),
    "REDUCE_MAX": _reduce(),
    "REDUCE_MIN": _reduce(),
    "REDUCE_PROD": _reduce(),
    "RELU": Trial(),
    "RELU6": Trial(),
    "RELU_0_TO_1": Trial(),
    "RELU_N1_TO_1": Trial(),
    "RESHAPE": Trial(output=(1, 32, 8), options="ReshapeOptions", after=(_ints(1, 32, 8),)),
    "RESIZE_BILINEAR": _resize("ResizeBilinearOptions"),
    "RESIZE_NEAREST_NEIGHBOR": _resize("ResizeNearestNeighborOptions"),
    "REVERSE_V2": Trial(options="ReverseV2Options", after=(_ints(2),)),
    "ROUND": Trial(),
    "RSQRT": Trial(ranges=_NOT_NEGATIVE),
    "SELECT": Trial(_TWO, options="SelectOptions", before=(np.arange(256).reshape(_SHAPE) % 3 > 0,)),
    "SELECT_V2": Trial(_TWO, options="SelectV2Options", before=(np.arange(256).reshape(_SHAPE) % 3 > 0,)),
    "SIGN": Trial(),
    "SIN": Trial(),
    "SLICE": Trial(output=(1, 2, 8, 8), options="SliceOptions", after=(_ints(0, 1, 0, 0), _ints(1, 2, 8, 8))),
    "SOFTMAX": Trial(options="SoftmaxOptions", fields={"beta": 1.0}, fixed=_UNIT),
    "SPACE_TO_BATCH_ND": Trial(
        output=(4, 2, 4, 8), options="SpaceToBatchNDOptions", after=(_ints(2, 2), _ints([0, 0], [0, 0]))
    ),
    "SPACE_TO_DEPTH": Trial(output=(1, 2, 4, 32), options="SpaceToDepthOptions", fields={"blockSize": 2}),
    "SPLIT": Trial(
        output=(1, 2, 8, 8), outputs=2, options="SplitOptions", fields={"numSplits": 2}, before=(np.array(1, np.int32),)
    ),
    "SPLIT_V": Trial(
        output=(1, 2, 8, 8),
        outputs=2,
        options="SplitVOptions",
        fields={"numSplits": 2},
        after=(_ints(2, 2), np.array(1, np.int32)),
    ),
    "SQRT": Trial(ranges=_NOT_NEGATIVE),
    "SQUARE": Trial(options="SquareOptions"),
    "SQUARED_DIFFERENCE": Trial(_TWO, options="SquaredDifferenceOptions"),
    "SQUEEZE": Trial(((1, 32, 1, 8),), (1, 32, 8), options="SqueezeOptions", fields={"squeezeDims": _ints(2)}),
    "STRIDED_SLICE": Trial(
        output=(1, 2, 8, 8),
        options="StridedSliceOptions",
        after=(_ints(0, 0, 0, 0), _ints(1, 4, 8, 8), _ints(1, 2, 1, 1)),
    ),
    "SUB": Trial(_TWO, options="SubOptions"),
    "SUM": _reduce(),
    "TANH": Trial(fixed=_SYMMETRIC_UNIT),
    "TILE": Trial(output=(1, 4, 16, 8), options="TileOptions", after=(_ints(1, 1, 2, 1),)),
    "TRANSPOSE": Trial(output=(1, 8, 4, 8), options="TransposeOptions", after=(_ints(0, 2, 1, 3),)),
    "UNPACK": Trial(output=(1, 8, 8), outputs=4, options="UnpackOptions", fields={"num": 4, "axis": 1}),
}
"""What is tried. Layers (convolutions, FULLY_CONNECTED, TRANSPOSE_CONV) are not: whole models are held to those."""


def try_kernels(kinds: Iterable[str] = tuple(TRIALS)) -> Table:
    """Try the kernels of the installed runtime, in processes of their own.

    Args:
        kinds: Of `TRIALS`.

    Returns:
        By operator and type, as `kernel_table.kernel_table`.

    Raises:
        PipelineError: the trials themselves do not run.
    """
    asked = [(kind, dtype, wide) for kind in kinds for dtype in _DTYPES for wide in (False, True)]
    results = _apart(asked)
    return {
        kind: {
            dtype: replace(results[kind, dtype, False], narrow=not results[kind, dtype, True].scheme)
            if results[kind, dtype, False].scheme
            else results[kind, dtype, False]
            for dtype in _DTYPES
        }
        for kind in dict.fromkeys(kind for kind, _, _ in asked)
    }


def _apart(asked: Sequence[_Asked]) -> dict[_Asked, Found]:
    """Each tried in another process, and in a new one after one that ended it."""
    results: dict[_Asked, Found] = {}
    while left := [one for one in asked if one not in results]:
        call = [sys.executable, "-m", "pipeline.quantization.kernel_trials", json.dumps(left)]
        done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=_SECONDS)
        answers = [Found(**json.loads(line)) for line in done.stdout.splitlines()]
        results.update(zip(left, answers, strict=False))
        if done.returncode < 0:
            results[left[len(answers)]] = Found(None, "its kernel ends the process")
        elif len(answers) < len(left):
            raise PipelineError(f"The kernels' trials do not run: {done.stderr[-600:].strip()}")
    return results


def try_kernel(kind: str, dtype: Dtype, wide: bool = False) -> Found:
    """Try one operator in this process, which its kernel may end; `wide`: on inputs with scales above 1 (int8)."""
    trial = TRIALS[kind]
    if wide:
        trial = replace(trial, ranges=_WIDE_NOT_NEGATIVE if trial.ranges == _NOT_NEGATIVE else trial.wide)
    schemes: Sequence[Scheme] = ("fixed",) if trial.fixed else ("own", "same")
    found = Found(None, f"no {dtype} kernel")
    if trial.fixed and dtype not in trial.fixed:
        return found
    for scheme in schemes:
        found = _try(kind, trial, dtype, scheme)
        if found.scheme:
            break
    return found


def _try(kind: str, trial: Trial, dtype: Dtype, scheme: Scheme) -> Found:
    worst, where = 0.0, ""
    for first, pair in enumerate(trial.ranges):
        following = trial.ranges[(first + 1) % len(trial.ranges)] if scheme != "same" else pair
        given = [pair, *(following for _ in trial.shapes[1:])]
        sources = [_parameters(one, dtype) for one in given]
        stored = list(_inputs(trial, dtype, sources))
        values = [
            (array.astype(np.float64) - zero_point) * scale
            for array, (scale, zero_point) in zip(stored, sources, strict=True)
        ]
        expected = _answers(_model(kind, trial, "float32", (), None), [v.astype(np.float32) for v in values], "builtin")
        finite = [one[np.isfinite(one)] for one in expected]
        low, high = min(float(one.min()) for one in finite), max(float(one.max()) for one in finite)
        target = _target(trial, dtype, scheme, sources[0], (low, high))
        content = _model(kind, trial, dtype, sources, target)
        for kernels in _SETS:
            try:
                answered = _answers(content, stored, kernels)
            except (InputError, PipelineError) as error:
                return Found(None, f"{kernels}: {_told(error)}")
            for own, other in zip(expected, answered, strict=True):
                if trial.gives != "float32":
                    steps = float(np.abs(own.astype(np.int64) - other.astype(np.int64)).max()) * 1000
                else:
                    steps = _error(own, other, dtype, *target)
                worst, where = max((worst, where), (steps, kernels))
    if worst > _MOST_STEPS[dtype]:
        return Found(None, f"{where}: up to {worst:.0f} steps from the float operator's answers", round(worst, 2))
    scale, zero_point = trial.fixed[dtype] if scheme == "fixed" else (None, 0)
    return Found(scheme, steps=round(worst, 2), scale=scale, zero_point=zero_point)


def _told(error: Exception) -> str:
    """What LiteRT said, without what it says of the model and the node."""
    text = one_line(error, 400)
    for start in ("(LiteRT: ", "failed while it ran: "):
        text = text.partition(start)[2] or text
    return text.partition("Node number")[0].rstrip(".)")


def _error(expected: Array, answered: Array, dtype: Dtype, scale: float, zero_point: int) -> float:
    finite = np.isfinite(expected)
    exact = np.clip(expected[finite] / scale + zero_point, *_DTYPES[dtype])
    return float(np.abs(answered[finite] - exact).max(initial=0))


def _target(trial: Trial, dtype: Dtype, scheme: Scheme, source: tuple[float, int], answers: Range) -> tuple[float, int]:
    if scheme == "fixed":
        return trial.fixed[dtype]
    return source if scheme == "same" else _parameters((answers[0] * _WIDER, answers[1] * _WIDER), dtype)


def _parameters(pair: Range, dtype: Dtype) -> tuple[float, int]:
    low, high = min(pair[0], 0.0), max(pair[1], 0.0)
    if dtype == "int16":
        return max(-low, high, 1e-6) / 32767, 0
    scale = max(high - low, 1e-6) / 255
    return scale, int(np.clip(round(-128 - low / scale), -128, 127))


def _inputs(trial: Trial, dtype: Dtype, sources: Sequence[tuple[float, int]]) -> Iterator[Array]:
    """Every int8 step of the first input's range, random ones of the others; zero among them, and none below zero
    where the operator's domain ends there."""
    rng = np.random.default_rng(0)
    first, last = _DTYPES[dtype]
    for place, (shape, (_, zero_point)) in enumerate(zip(trial.shapes, sources, strict=True)):
        lowest = zero_point if trial.ranges in (_NOT_NEGATIVE, _WIDE_NOT_NEGATIVE) else first
        size = int(np.prod(shape))
        steps = rng.integers(lowest, last + 1, size)
        steps[:3] = [zero_point, lowest, last][:size]
        if place == 0 and dtype == "int8" and size > 1:
            steps = np.clip(np.arange(size) + first, lowest, last)
        yield steps.reshape(shape).astype(dtype)


def _model(
    kind: str, trial: Trial, dtype: str, sources: Sequence[tuple[float, int]], target: tuple[float, int] | None
) -> bytes:
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.operatorCodes, model.buffers, model.subgraphs = 3, [], [schema.BufferT()], [graph]
    graph.tensors, graph.operators = [], []
    editor = Editor(model)
    scales: Sequence[tuple[float, int] | tuple[()]] = sources or [()] * len(trial.shapes)
    graph.inputs = [
        editor.tensor(f"x{place}", shape, dtype, *own)
        for place, (shape, own) in enumerate(zip(trial.shapes, scales, strict=True))
    ]
    around = [[editor.constant("constant", v) for v in side] for side in (trial.before, trial.after)]
    made = dtype if trial.gives == "float32" else trial.gives
    scale = target if target is not None and trial.gives == "float32" else ()
    graph.outputs = [editor.tensor(f"y{place}", trial.output, made, *scale) for place in range(trial.outputs)]
    options = (trial.options, dict(trial.fields)) if trial.options else None
    code = getattr(schema.BuiltinOperator, kind)
    editor.operator(code, [*around[0], *graph.inputs, *around[1]], graph.outputs, options)
    model.operatorCodes[0].version = trial.version
    return flatbuffer.serialize(model)


def _answers(content: bytes, inputs: Sequence[Array], kernels: Kernels) -> list[Array]:
    return [np.array(one) for one in open_runner(content, kernels).run(*inputs)]


def _plain(found: Found) -> dict[str, Any]:
    """As the table has it: what is not as by default."""
    default = vars(Found(None))
    return {key: value for key, value in vars(found).items() if key == "scheme" or value != default[key]}


def main(asked: Sequence[str]) -> None:
    """Make the table anew; or, given a JSON list of [operator, type, wide], print a line of what is found of each."""
    if asked:
        for kind, dtype, wide in json.loads(asked[0]):
            print(json.dumps(vars(try_kernel(kind, dtype, wide))), flush=True)
        return
    found = try_kernels()
    operators = {kind: {dtype: _plain(one) for dtype, one in by_type.items()} for kind, by_type in found.items()}
    content = {"runtime": {PACKAGE: metadata.version(PACKAGE)}, "operators": operators}
    write_text(PATH, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
