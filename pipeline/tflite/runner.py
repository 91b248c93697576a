"""Runs a .tflite model: in its own types, or from float images to float scores."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import InputError, PipelineError

Array = NDArray[Any]


@dataclass(frozen=True)
class TensorSpec:
    """What an input or output holds; `real = scale · (stored − zero_point)` where it is quantized."""

    name: str
    shape: tuple[int, ...]
    """As the runner runs it: the batch it was given, 1 for a dimension the model leaves open."""
    dtype: np.dtype[Any]
    scale: float | None
    """None where the tensor is not quantized."""
    zero_point: int

    def quantize(self, x: ArrayLike) -> Array:
        """Float values of any shape in the tensor's own type, as TFLite's QUANTIZE operator converts them.

        `round(x / scale) + zero_point` in float32, halves away from zero, clipped to the type's range.
        A float tensor only casts.

        Raises:
            InputError: x holds NaN, or the tensor is an integer one without quantization parameters.
        """
        real = np.asarray(x, dtype=np.float32)
        if self.dtype.kind == "f":
            return np.asarray(real, self.dtype)
        if np.isnan(real).any():
            raise InputError(
                f"The values given for '{self.name}' hold NaN, which {self.dtype} cannot store. "
                "Look at what prepares the data: a mean or a standard deviation may be wrong."
            )
        limits = np.iinfo(self.dtype)
        with np.errstate(over="ignore"):
            scaled = real / np.float32(self._scale())
        # Clipping to whole numbers before rounding gives the same as after it, and bears infinity.
        scaled = np.clip(scaled, limits.min - self.zero_point, limits.max - self.zero_point)
        whole = np.trunc(scaled)
        # np.round takes halves to even, and floor(x + 0.5) is off by one just below a half in float32.
        rounded = whole + np.copysign(np.abs(scaled - whole) >= 0.5, scaled)
        return np.asarray(rounded + self.zero_point, self.dtype)

    def dequantize(self, stored: Array) -> NDArray[np.float32]:
        """Stored values of any shape as float32.

        Raises:
            InputError: the tensor is an integer one without quantization parameters.
        """
        if self.dtype.kind == "f":
            return stored.astype(np.float32)
        return (stored.astype(np.int32) - self.zero_point).astype(np.float32) * np.float32(self._scale())

    def _scale(self) -> float:
        if self.scale is None:
            raise InputError(
                f"'{self.name}' holds {self.dtype} without a scale and zero point, so float values have no "
                "meaning there. Use a model with float or quantized inputs and outputs."
            )
        return self.scale


class Runner:
    """One model, loaded and ready.

    Args:
        model: The file, or its content.
        threads: CPU threads for the kernels that can use several.
        batch: Examples in one call: the first dimension of every input is resized to it, and one trial run
            shows that the model can. By default the batch the model was written with, or 1 where it is open.
        shapes: The whole shape of every input instead, for a model that leaves more than its batch open.
        xnnpack: Let the XNNPACK delegate take the operators it can; without it, TFLite's own kernels run.
        reference: Run TFLite's reference kernels instead, the plain loops that its specification is tested by.

    Raises:
        InputError: no such file, not a (whole) .tflite model, an operator this runtime does not have, or a
            model that cannot run with this batch. A whole graph that makes no sense, such as int8 without
            scales, may still end the process: LiteRT checks some things by aborting.
    """

    def __init__(
        self,
        model: Path | bytes,
        *,
        threads: int = 1,
        batch: int | None = None,
        shapes: Sequence[Sequence[int]] | None = None,
        xnnpack: bool = True,
        reference: bool = False,
    ) -> None:
        if threads < 1:
            raise InputError(f"A model runs on at least 1 thread, not {threads}.")
        if batch is not None and batch < 1:
            raise InputError(f"A batch holds at least 1 example, not {batch}.")
        self._name = f"The model {model}" if isinstance(model, Path) else f"The given model of {len(model)} bytes"
        with without_chatter():
            self._interpreter = self._load(model, threads, _resolver(xnnpack, reference))
            details = self._interpreter.get_input_details()
            resized = batch is not None and shapes is None and any(tuple(i["shape"])[:1] != (batch,) for i in details)
            if resized:
                self._resize(details, [[batch, *entry["shape"][1:]] for entry in details], batch)
            elif shapes is not None:
                self._resize(details, shapes, None)
            self._allocate(batch if resized else None)
        details = self._interpreter.get_input_details()
        self._input_indices = [int(i["index"]) for i in details]
        self.inputs: tuple[TensorSpec, ...] = tuple(_spec(i) for i in details)
        if resized:
            self._try_batch(batch)
        details = self._interpreter.get_output_details()
        self._output_indices = [int(i["index"]) for i in details]
        self.outputs: tuple[TensorSpec, ...] = tuple(_spec(i) for i in details)

    def feed(self, *arrays: Array) -> None:
        """Set the inputs, in the model's order, types and shapes; they stay set over calls of `invoke`.

        Raises:
            InputError: not as many arrays as inputs, or an array of another shape or type.
        """
        if len(arrays) != len(self.inputs):
            raise InputError(f"{self._name} takes {self._list_inputs()}; {len(arrays)} arrays were given.")
        for spec, index, array in zip(self.inputs, self._input_indices, arrays, strict=True):
            if array.shape != spec.shape or array.dtype != spec.dtype:
                raise InputError(
                    f"{self._name} takes {spec.dtype} {_show(spec.shape)} as '{spec.name}' and was given "
                    f"{array.dtype} {_show(array.shape)}."
                )
            self._interpreter.set_tensor(index, array)

    def invoke(self) -> None:
        """Run once on what the inputs hold.

        Raises:
            PipelineError: the runtime gave up.
        """
        try:
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise PipelineError(f"{self._name} failed while it ran: {_one_line(error)}") from error

    def run(self, *arrays: Array) -> list[Array]:
        """Outputs for the inputs, all in the model's own order, types and shapes.

        Raises:
            InputError: as `feed`.
            PipelineError: as `invoke`.
        """
        self.feed(*arrays)
        self.invoke()
        return [self._interpreter.get_tensor(index) for index in self._output_indices]

    def views(self) -> list[Array]:
        """What `invoke` left in the outputs, without a copy: read-only use, and gone with the next `invoke`."""
        return [self._interpreter.tensor(index)() for index in self._output_indices]

    def predict(self, x: ArrayLike) -> NDArray[np.float32]:
        """Scores for any number of examples, through a model with one input and one output.

        Args:
            x: float32 [B, ...], in the units the model was trained on; quantized here for a quantized input.

        Returns:
            float32 [B, ...], dequantized: [B, C] for a classifier.

        Raises:
            InputError: as `answer`, or an output of integers without a scale.
            PipelineError: as `invoke`.
        """
        stored = self.answer(x)
        return self.outputs[0].dequantize(stored)

    def answer(self, x: ArrayLike) -> Array:
        """As `predict`, but what the output stores, in the model's own type.

        The examples go through in pieces of the runner's batch; the last piece is filled up with copies of
        its last example, whose scores are dropped.

        Raises:
            InputError: several inputs or outputs, x of another shape, NaN for a quantized input, or an output
                that does not hold one entry for each example.
            PipelineError: as `invoke`.
        """
        if len(self.inputs) != 1 or len(self.outputs) != 1:
            raise InputError(
                f"{self._name} takes {self._list_inputs()} and gives {len(self.outputs)} outputs; scores "
                "need a model with one input and one output."
            )
        (source,), (target,) = self.inputs, self.outputs
        examples = np.asarray(x, dtype=np.float32)
        if not source.shape or examples.ndim == 0 or examples.shape[1:] != source.shape[1:]:
            raise InputError(
                f"{self._name} takes [batch, {', '.join(map(str, source.shape[1:]))}] and was given "
                f"{_show(examples.shape)}. The preprocessing's size and channels must be the model's."
            )
        batch = source.shape[0]
        pieces = []
        for start in range(0, len(examples), batch):
            piece = examples[start : start + batch]
            missing = batch - len(piece)
            if missing:
                piece = np.concatenate([piece, np.repeat(piece[-1:], missing, axis=0)])
            (stored,) = self.run(source.quantize(piece))
            if stored.shape[:1] != (batch,):
                raise InputError(
                    f"{self._name} gives {_show(stored.shape)} for {batch} examples, not one entry for each."
                )
            pieces.append(stored[: batch - missing])
        return np.concatenate(pieces) if pieces else np.empty((0, *target.shape[1:]), target.dtype)

    @property
    def delegated(self) -> float:
        """Share of the main graph's operators that a delegate (XNNPACK) runs, 0 to 1."""
        count, taken = self.partitions
        return sum(map(len, taken)) / count if count else 0.0

    @property
    def partitions(self) -> tuple[int, tuple[tuple[int, ...], ...]]:
        """How many operators the main graph has, and which of them each of the delegate's partitions runs."""
        nodes = self._interpreter._get_ops_details()
        own = [node for node in nodes if node["op_name"] != "DELEGATE"]
        maker = {int(tensor): place for place, node in enumerate(own) for tensor in node["outputs"]}
        partitions = []
        # The list keeps the nodes a delegate replaced. They are those between its outputs and its inputs.
        for delegate in (node for node in nodes if node["op_name"] == "DELEGATE"):
            taken: set[int] = set()
            seen = {int(tensor) for tensor in delegate["inputs"]}
            open_ = [int(tensor) for tensor in delegate["outputs"]]
            while open_:
                tensor = open_.pop()
                if tensor in seen:
                    continue
                seen.add(tensor)
                if tensor in maker:
                    taken.add(maker[tensor])
                    open_.extend(int(before) for before in own[maker[tensor]]["inputs"])
            partitions.append(tuple(sorted(taken)))
        return len(own), tuple(partitions)

    def _load(self, model: Path | bytes, threads: int, resolver: OpResolverType) -> Any:
        if isinstance(model, Path) and not model.is_file():
            raise InputError(f"There is no file {model}. Give the path of a .tflite model.")
        source = {"model_path": str(model)} if isinstance(model, Path) else {"model_content": model}
        try:
            return Interpreter(**source, num_threads=threads, experimental_op_resolver_type=resolver)
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"{self._name} is not a .tflite model, or is cut short or damaged. Make or copy it again. "
                f"(LiteRT: {_one_line(error)})"
            ) from error

    def _resize(self, details: list[dict[str, Any]], shapes: Sequence[Sequence[Any]], batch: int | None) -> None:
        for entry, shape in zip(details, shapes, strict=True):
            if batch is not None and len(entry["shape"]) == 0:
                raise InputError(f"{self._name} has no batch: its input '{entry['name']}' is a single number.")
            try:
                self._interpreter.resize_tensor_input(entry["index"], list(shape))
            except (ValueError, RuntimeError) as error:
                raise self._refused(batch, _one_line(error)) from error

    def _allocate(self, batch: int | None) -> None:
        try:
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            if batch is not None:
                raise self._refused(batch, _one_line(error)) from error
            raise InputError(
                f"{self._name} cannot be made ready: an operator is unknown to LiteRT or its tensors do not "
                f"fit. (LiteRT: {_one_line(error)})"
            ) from error

    def _try_batch(self, batch: int | None) -> None:
        """Some models take a batch and fail at the first run, or fold it into another dimension."""
        self.feed(*(np.zeros(spec.shape, spec.dtype) for spec in self.inputs))
        try:
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise self._refused(batch, _one_line(error)) from error
        for output in self._interpreter.get_output_details():
            shape = self._interpreter.get_tensor(output["index"]).shape
            if shape[:1] != (batch,):
                raise self._refused(batch, f"the output '{output['name']}' becomes {_show(shape)}")

    def _refused(self, batch: int | None, why: str) -> InputError:
        if batch is None:
            return InputError(f"{self._name} cannot take inputs of the shape that it was given ({why}).")
        return InputError(
            f"{self._name} cannot run {batch} examples at a time: its graph fixes the batch ({why}). "
            "Run it with the batch it was written with."
        )

    def _list_inputs(self) -> str:
        listed = ", ".join(f"'{spec.name}' {spec.dtype} {_show(spec.shape)}" for spec in self.inputs)
        return f"{len(self.inputs)} input{'s' * (len(self.inputs) != 1)} ({listed})"


def _resolver(xnnpack: bool, reference: bool) -> OpResolverType:
    if reference:
        return OpResolverType.BUILTIN_REF
    return OpResolverType.AUTO if xnnpack else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES


def _spec(details: dict[str, Any]) -> TensorSpec:
    parameters = details["quantization_parameters"]
    quantized = len(parameters["scales"]) == 1
    return TensorSpec(
        name=str(details["name"]),
        shape=tuple(int(size) for size in details["shape"]),
        dtype=np.dtype(details["dtype"]),
        scale=float(parameters["scales"][0]) if quantized else None,
        zero_point=int(parameters["zero_points"][0]) if quantized else 0,
    )


def _show(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


_redirecting = threading.Lock()


@contextmanager
def without_chatter() -> Iterator[None]:
    """Keep the runtime's INFO lines off the terminal.

    They come from C++ straight on file descriptor 2 and no setting turns them off, so what is written there
    meanwhile is caught, and passed on without those lines.
    """
    with _redirecting, tempfile.TemporaryFile() as caught:
        try:
            terminal = os.dup(2)
        except OSError:  # a process without a stderr
            yield
            return
        sys.stderr.flush()
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            caught.seek(0)
            for line in caught:
                if not line.startswith(b"INFO: "):
                    os.write(terminal, line)
            os.close(terminal)
