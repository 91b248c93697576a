"""Runs a .tflite model: named inputs of any number of examples in, named outputs out; or once, in its own types."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from pipeline.errors import InputError, PipelineError, one_line
from pipeline.supervision import note_running
from pipeline.tensors import OPEN, Array, Outputs, Signature, Tensors, TensorSpec, batch_size, bind, show_shape
from pipeline.tflite import flatbuffer, guard
from pipeline.tflite.delegated_nodes import of_interpreter
from pipeline.tflite.dry_run import content_of, path_for_litert
from pipeline.tflite.dry_run_process import ALLOCATING, LOADING, NAMING, RESIZING
from pipeline.tflite.refusals import fixed_batch, refusal
from pipeline.tflite.runtime_messages import without_messages


class Call(NamedTuple):
    """What one call of a model is given."""

    arrays: tuple[Array, ...]
    """In the model's own order, types and shapes."""
    batch: int
    """Examples that they hold."""
    kept: int
    """How many of them are not there to fill the batch; they come first."""


class Runner:
    """One model, loaded and ready; with its first examples only, where it leaves sizes open and cannot run at size 1.

    Args:
        model: The file, or its content.
        threads: CPU threads for the kernels that can use several.
        batch: Examples in one call: the first dimension of every input is resized to it, and one trial run
            shows that the model can. By default the batch the model was written with, or 1 where it is open.
        shapes: The whole shape of every input instead, for a model that leaves more than its batch open.
        xnnpack: Let the XNNPACK delegate take the operators it can; without it, TFLite's own kernels run.
        reference: Run TFLite's reference kernels instead, the plain loops that its specification is tested by.

    Raises:
        NoReferenceKernelError: an :class:`InputError`, only with `reference`.
        InputError: no such file, not a (whole) .tflite model, an operator this runtime does not have, a
            model that cannot run with this batch, or one that ends the process that loads it or runs it on plausible
            inputs, which is tried in another one (:mod:`pipeline.tflite.guard`).
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
        self._model = model
        self._kernels = "reference" if reference else "xnnpack" if xnnpack else "builtin"
        self._check_file(model)
        tried = guard.check(
            model, self._name, kernels=self._kernels, batch=batch if shapes is None else None, shapes=shapes
        )
        with without_messages():
            self._interpreter = self._load(model, threads, _resolver(xnnpack, reference))
            # Before resizing, which changes what they say of a file that fixes its shapes.
            details, given = self._ends()
            resized = batch is not None and shapes is None and any(tuple(i["shape"])[:1] != (batch,) for i in details)
            if resized:
                self._resize(details, [[batch, *entry["shape"][1:]] for entry in details], batch)
            elif shapes is not None:
                self._resize(details, shapes, None)
            self._refusal: InputError | None = None
            """Why it could not be made ready at size 1 in open dimensions; None as soon as it is ready."""
            if tried is not None and tried.refused is not None:
                self._refusal = self._refused(tried.refused.at, tried.refused.why)
            else:
                self._allocate(batch if resized else None)
        self._names = _signature_names(self._interpreter)
        self._describe()
        if batch is not None and resized and self._refusal is None:
            self._try_batch(batch)
            self._describe()
        self.signature = Signature(
            _as_in_the_file(_specs(details, self._names[0]), details),
            _as_in_the_file(_specs(given, self._names[1]), given),
        )
        """As the file has it: `OPEN` for dimensions that it leaves open."""

    def _describe(self) -> None:
        """Read off the interpreter what its inputs and outputs are now."""
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self._input_indices = [int(i["index"]) for i in inputs]
        self._output_indices = [int(i["index"]) for i in outputs]
        self.inputs: tuple[TensorSpec, ...] = _specs(inputs, self._names[0])
        self.outputs: tuple[TensorSpec, ...] = _specs(outputs, self._names[1])

    def feed(self, *arrays: Array) -> None:
        """Set the inputs, in the model's order, types and shapes; they stay set over calls of `invoke`.

        Raises:
            InputError: not as many arrays as inputs, or an array of another shape or type.
        """
        if self._refusal is not None:
            raise self._refusal
        if len(arrays) != len(self.inputs):
            raise InputError(f"{self._name} takes {self._list_inputs()}; {len(arrays)} arrays were given.")
        for spec, index, array in zip(self.inputs, self._input_indices, arrays, strict=True):
            if array.shape != spec.shape or array.dtype != spec.dtype:
                raise InputError(
                    f"{self._name} takes {spec.dtype} {show_shape(spec.shape)} as '{spec.name}' and was given "
                    f"{array.dtype} {show_shape(array.shape)}."
                )
            self._interpreter.set_tensor(index, array)

    def invoke(self) -> None:
        """Run once on what the inputs hold; what an LSTM kept of the run before is forgotten.

        Raises:
            PipelineError: the runtime gave up.
        """
        note_running(self._name)
        try:
            self._interpreter.reset_all_variables()
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise PipelineError(f"{self._name} failed while it ran: {one_line(error)}") from error

    def run(self, *arrays: Array) -> list[Array]:
        """Outputs for the inputs, all in the model's own order, types and shapes.

        Raises:
            InputError: as `feed`.
            PipelineError: as `invoke`.
        """
        self.feed(*arrays)
        self.invoke()
        return [self._stored(place) for place in range(len(self.outputs))]

    def views(self) -> list[Array]:
        """What `invoke` left in the outputs, without a copy: read-only use, and gone with the next `invoke`."""
        return [self._stored(place, copied=False) for place in range(len(self.outputs))]

    def __call__(self, inputs: Tensors) -> Outputs:
        """Answer any number of examples.

        They go through in pieces of the runner's batch; the last piece is filled up with copies of its last example,
        whose answers are dropped. Open dimensions beyond the batch take the sizes of what is given. A model whose
        inputs have no batch dimension answers one example after the other.

        Args:
            inputs: By input name (one array stands for the one input whatever it is called), [B, …] in the units that
                the model was trained on: quantized here for quantized inputs, integers and booleans as they are.

        Returns:
            Each output as the model stores it, [B, …].

        Raises:
            InputError: names, shapes or values that the model does not take, or an output that does not hold one entry
                for each example.
            PipelineError: as `invoke`.
        """
        return self.gather((self.run(*call.arrays), call) for call in self.calls(inputs))

    def calls(self, inputs: Tensors) -> Iterator[Call]:
        """What `run` is to be given, call by call, for any number of examples; open dimensions are resized to them.

        For whoever runs the same model elsewhere: an emulated CPU, a phone.

        Raises:
            InputError: names, shapes or values that the model does not take.
        """
        given = bind(inputs, self.inputs)
        count = batch_size(given)
        alone = {spec.name for spec in self.inputs if given[spec.name].ndim == len(spec.shape) + 1}
        self._fit(given, alone)
        batch = 1 if alone or not self.inputs else self.inputs[0].shape[0]
        for start in range(0, count, batch):
            yield Call(
                tuple(self._piece(spec, given[spec.name], start, batch, spec.name in alone) for spec in self.inputs),
                batch,
                min(batch, count - start),
            )

    def gather(self, answers: Iterable[tuple[Sequence[Array], Call]]) -> Outputs:
        """The outputs of single calls, in the model's order, as answers to all of the examples.

        Raises:
            InputError: an output that does not hold one entry for each example.
        """
        parts: dict[str, list[Array]] = {spec.name: [] for spec in self.outputs}
        for answer, call in answers:
            for spec, stored in zip(self.outputs, answer, strict=True):
                parts[spec.name].append(self._examples(spec, stored, call.batch)[: call.kept])
        specs = {spec.name: spec for spec in self.outputs}
        empty = {spec.name: np.empty((0, *spec.shape[1:]), spec.dtype) for spec in self.outputs}
        return Outputs({name: np.concatenate(found) if found else empty[name] for name, found in parts.items()}, specs)

    def _fit(self, given: dict[str, Array], alone: set[str]) -> None:
        """Check the arrays' shapes, the batch aside, and resize open dimensions to them."""
        shapes, resized = [], False
        for own, spec in zip(self.signature.inputs, self.inputs, strict=True):
            array = given[spec.name]
            shape = array.shape[1:]
            now = spec.shape if spec.name in alone else spec.shape[1:]
            wanted = own.shape if spec.name in alone else own.shape[1:]
            if array.ndim == 0 or len(shape) != len(now) or not _fits(shape, wanted):
                raise InputError(
                    f"{self._name} takes {show_shape(('batch', *wanted))} as '{spec.name}' and was given "
                    f"{show_shape(array.shape)}. The preprocessing must give the model's shape."
                )
            resized |= shape != now
            shapes.append(shape if spec.name in alone else (spec.shape[0], *shape))
        if self._refusal is not None:
            self._get_ready(shapes, alone)
        elif resized:
            self._open_to(shapes)

    def _get_ready(self, shapes: Sequence[tuple[int, ...]], alone: set[str]) -> None:
        """The first examples say how large the open dimensions are; the batch is the model's own if it refuses this."""
        self._refusal, own = None, [spec.shape[0] for spec in self.inputs if spec.name not in alone]
        batch = own[0] if own else 1
        try:
            self._open_to(shapes)
            if batch > 1:
                self._try_batch(batch)
                self._describe()
        except InputError:
            if batch == 1:
                raise
            self._open_to(
                [
                    shape if spec.name in alone else (1, *shape[1:])
                    for spec, shape in zip(self.inputs, shapes, strict=True)
                ]
            )

    def _open_to(self, shapes: Sequence[tuple[int, ...]]) -> None:
        guard.check(self._model, self._name, kernels=self._kernels, shapes=shapes)
        self._resize(self._interpreter.get_input_details(), shapes, None)
        with without_messages():
            self._allocate(None)
        self._describe()

    def _piece(self, spec: TensorSpec, array: Array, start: int, batch: int, alone: bool) -> Array:
        if alone:
            return spec.quantize(array[start])
        piece = array[start : start + batch]
        if len(piece) < batch:
            piece = np.concatenate([piece, np.repeat(piece[-1:], batch - len(piece), axis=0)])
        return spec.quantize(piece)

    def _examples(self, spec: TensorSpec, stored: Array, batch: int) -> Array:
        """An output with one entry for each of the batch's examples."""
        if stored.shape[:1] == (batch,):
            return stored
        if batch == 1:
            return stored[None]
        raise InputError(
            f"{self._name} gives {show_shape(stored.shape)} as '{spec.name}' for {batch} examples, not one entry for "
            "each."
        )

    @property
    def delegated(self) -> float:
        """Share of the main graph's operators that a delegate (XNNPACK) runs, 0 to 1."""
        count, taken = self.partitions
        return sum(map(len, taken)) / count if count else 0.0

    @property
    def partitions(self) -> tuple[int, tuple[tuple[int, ...], ...]]:
        """How many operators the main graph has, and which of them each of the delegate's partitions runs."""
        return of_interpreter(self._interpreter)

    def _check_file(self, model: Path | bytes) -> None:
        if isinstance(model, Path):
            if not model.is_file():
                raise InputError(f"There is no file {model}. Give the path of a .tflite model.")
            flatbuffer.check_header(model)

    def _load(self, model: Path | bytes, threads: int, resolver: OpResolverType) -> Any:
        path = path_for_litert(model)
        source = {"model_content": content_of(model)} if path is None else {"model_path": path}
        try:
            return Interpreter(**source, num_threads=threads, experimental_op_resolver_type=resolver)
        except (ValueError, RuntimeError) as error:
            raise self._refused(LOADING, error) from error

    def _ends(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """What LiteRT says of the inputs and of the outputs."""
        try:
            return self._interpreter.get_input_details(), self._interpreter.get_output_details()
        except UnicodeDecodeError as error:
            raise self._refused(NAMING, error) from error

    def _resize(self, details: list[dict[str, Any]], shapes: Sequence[Sequence[Any]], batch: int | None) -> None:
        for entry, shape in zip(details, shapes, strict=True):
            if batch is not None and len(entry["shape"]) == 0:
                raise InputError(f"{self._name} has no batch: its input '{entry['name']}' is a single number.")
            try:
                self._interpreter.resize_tensor_input(entry["index"], list(shape))
            except (ValueError, RuntimeError) as error:
                raise self._refused(RESIZING, error, batch) from error

    def _allocate(self, batch: int | None) -> None:
        try:
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise self._refused(ALLOCATING, error, batch) from error

    def _try_batch(self, batch: int) -> None:
        """Some models take a batch and fail at the first run, or fold it into another dimension."""
        self.feed(*(np.zeros(spec.shape, spec.dtype) for spec in self.inputs))
        try:
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise fixed_batch(self._name, batch, one_line(error)) from error
        for place, output in enumerate(self._interpreter.get_output_details()):
            shape = self._stored(place).shape
            if shape[:1] != (batch,):
                raise fixed_batch(self._name, batch, f"the output '{output['name']}' becomes {show_shape(shape)}")

    def _stored(self, place: int, *, copied: bool = True) -> Array:
        """What the last run left in an output."""
        index = self._output_indices[place]
        try:
            stored: Array = self._interpreter.get_tensor(index) if copied else self._interpreter.tensor(index)()
        except ValueError as error:
            raise InputError(
                f"{self._name} leaves nothing in its output '{self.outputs[place].name}': no operator computes it. The "
                f"file is damaged; make or copy it again. (LiteRT: {one_line(error)})"
            ) from error
        return stored

    def _refused(self, at: str, why: object, batch: int | None = None) -> InputError:
        return refusal(self._name, at, why, kernels=self._kernels, batch=batch, resized=batch is not None)

    def _list_inputs(self) -> str:
        listed = ", ".join(f"'{spec.name}' {spec.dtype} {show_shape(spec.shape)}" for spec in self.inputs)
        return f"{len(self.inputs)} input{'s' * (len(self.inputs) != 1)} ({listed})"


def _resolver(xnnpack: bool, reference: bool) -> OpResolverType:
    if reference:
        return OpResolverType.BUILTIN_REF
    return OpResolverType.AUTO if xnnpack else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES


def _specs(details: Sequence[dict[str, Any]], names: Mapping[int, str]) -> tuple[TensorSpec, ...]:
    """The signature's names, else the tensors'; two of one name get the place behind it."""
    found: list[TensorSpec] = []
    for place, entry in enumerate(details):
        name = names.get(int(entry["index"]), str(entry["name"]))
        if any(spec.name == name for spec in found):
            name = f"{name}_{place}"
        parameters = entry["quantization_parameters"]
        quantized = len(parameters["scales"]) == 1
        found.append(
            TensorSpec(
                name=name,
                shape=tuple(int(size) for size in entry["shape"]),
                dtype=np.dtype(entry["dtype"]),
                scale=float(parameters["scales"][0]) if quantized else None,
                zero_point=int(parameters["zero_points"][0]) if quantized else 0,
            )
        )
    return tuple(found)


def _signature_names(interpreter: Any) -> tuple[dict[int, str], dict[int, str]]:
    """Names of inputs and outputs by tensor index, by the first signature of the main graph."""
    for key in interpreter.get_signature_list():
        try:
            signature = interpreter.get_signature_runner(key)
            inputs, outputs = signature.get_input_details(), signature.get_output_details()
        except (ValueError, RuntimeError):
            continue
        if getattr(signature, "_subgraph_index", 0) == 0:
            named = ({int(entry["index"]): name for name, entry in side.items()} for side in (inputs, outputs))
            return next(named), next(named)
    return {}, {}


def _as_in_the_file(specs: tuple[TensorSpec, ...], details: list[dict[str, Any]]) -> tuple[TensorSpec, ...]:
    shapes = [tuple(int(side) for side in entry["shape_signature"]) for entry in details]
    return tuple(
        replace(spec, shape=shape) if len(shape) == len(spec.shape) else spec
        for spec, shape in zip(specs, shapes, strict=True)
    )


def _fits(given: Sequence[int], wanted: Sequence[int]) -> bool:
    return all(side in (OPEN, own) for own, side in zip(given, wanted, strict=True))
