"""A model as a caller has it: a path, bytes, a Keras model or a result of this package; opened once."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import InputError
from pipeline.files import write_bytes
from pipeline.tensors import Outputs, Signature, Tensors, show_shape
from pipeline.text_table import text_table

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from pipeline.tasks.registry import Resolved
    from pipeline.tflite.inspect import Inspection
    from pipeline.tflite.runner import Runner
    from pipeline.workflow.given_data import DataSource

_TFLITE = b"TFL3"
_KERAS = (".keras", ".h5", ".hdf5")


class Model:
    """A model that answers, whatever it was made from. A Keras model is converted to float32 for that, once.

    Args:
        source: A `.tflite` or Keras file, a SavedModel, a run folder (its int8 model), the content of a .tflite, or a
            built Keras model.
        name: What tables call it; by default the file's or the Keras model's.
        trust: Whether code that came with a Keras file or SavedModel may run.

    Raises:
        InputError: none of these, or nothing there.

    Example:
        >>> model = load("int8.tflite")  # doctest: +SKIP
        >>> model(x_test).argmax(axis=1)  # doctest: +SKIP
    """

    def __init__(self, source: Any, name: str | None = None, *, trust: bool = False) -> None:
        self.path: Path | None = None
        """The .tflite file that it is read from; None for anything else."""
        self._keras: Any = None
        self._content: bytes | None = None
        self._trust = trust
        if isinstance(source, str | Path):
            self._open(Path(source))
        elif isinstance(source, bytes | bytearray | memoryview):
            self._content = bytes(source)
            if self._content[4:8] != _TFLITE:
                raise InputError("These bytes are no .tflite model: they do not begin as one. Is the file truncated?")
        elif is_keras_model(source):
            self._keras = source
        else:
            raise InputError(
                f"A model is a path, the bytes of a .tflite file or a Keras model, not {type(source).__name__}."
            )
        self.name = name or (self.path.stem if self.path else str(getattr(self._keras, "name", None) or "model"))

    def _open(self, path: Path) -> None:
        from pipeline.workflow.targets import model_file

        if not path.exists():
            raise InputError(f"There is no model '{path}': give a .tflite or Keras file, a SavedModel or a run folder.")
        path = model_file(path)
        if path.is_dir() or path.suffix in _KERAS:
            self._keras = path
        else:
            self.path = path

    @property
    def is_keras(self) -> bool:
        """Whether it is a Keras model or file, and no .tflite yet."""
        return self._keras is not None

    @cached_property
    def content(self) -> bytes:
        """As a .tflite; a Keras model in float32, one that QAT trained with its rounding.

        Raises:
            InputError: it is damaged, or no model that can be converted.
            PipelineError: TensorFlow's converter refuses it.
        """
        if self._content is not None:
            return self._content
        if self.path is not None:
            from pipeline.tflite import flatbuffer

            return flatbuffer.load(self.path)
        from pipeline.conversion.import_float import converted

        return converted(self._keras, trusted=self._trust)

    @cached_property
    def _runner(self) -> Runner:
        from pipeline.tflite.kernels import open_runner

        return open_runner(self.content, batch=8, threads=2)

    @property
    def signature(self) -> Signature:
        """What it takes and gives."""
        return self._runner.signature

    @cached_property
    def inspection(self) -> Inspection:
        """What the flatbuffer is, operator by operator."""
        from pipeline.tflite.inspect import inspect

        return inspect(self.path or self.content)

    def __call__(self, inputs: ArrayLike | Mapping[str, ArrayLike]) -> NDArray[Any] | dict[str, NDArray[Any]]:
        """Answer examples.

        Args:
            inputs: An array [N, …], or one for each input by name, in the units that the model was trained on: an int8
                model quantizes them itself.

        Returns:
            The output in real units, [N, …]; of several outputs one each, by name.

        Raises:
            InputError: the model does not take them.
            PipelineError: it fails on them.
        """
        from pipeline.workflow.given_data import as_batch

        real = self.predict(as_batch(inputs).inputs).real
        return next(iter(real.values())) if len(real) == 1 else real

    def predict(self, inputs: Tensors) -> Outputs:
        """As calling it, with the outputs as they are stored too."""
        return self._runner(inputs)

    def save(self, path: str | Path) -> Path:
        """Write the .tflite, whole or not at all.

        Raises:
            PipelineError: it cannot be written.
        """
        write_bytes(Path(path), self.content)
        return Path(path)

    def to_json(self) -> dict[str, Any]:
        """Name, source and signature."""
        sides = {"inputs": self.signature.inputs, "outputs": self.signature.outputs}
        return {
            "name": self.name,
            "path": str(self.path) if self.path else None,
            "size_bytes": len(self.content),
            **{
                side: [
                    {
                        "name": spec.name,
                        "shape": list(spec.shape),
                        "dtype": str(spec.dtype),
                        "scale": spec.scale,
                        "zero_point": spec.zero_point if spec.scale is not None else None,
                    }
                    for spec in specs
                ]
                for side, specs in sides.items()
            },
        }

    def __str__(self) -> str:
        rows = [
            (
                side,
                spec.name,
                show_shape(spec.shape),
                str(spec.dtype),
                "–" if spec.scale is None else f"{spec.scale:.6g}",
            )
            for side, specs in (("input", self.signature.inputs), ("output", self.signature.outputs))
            for spec in specs
        ]
        what = f"{self.name}: {self.inspection.verdict.text}"
        return f"{what}\n{text_table(['', 'name', 'shape', 'type', 'scale'], rows)}"

    def __repr__(self) -> str:
        return f"<Model {self.name}>"


def is_keras_model(source: Any) -> bool:
    """Whether an object is a model of Keras 2 or 3; nothing is imported to know."""
    return any(
        base.__name__ in ("Model", "Functional", "Sequential")
        and base.__module__.partition(".")[0] in ("keras", "tf_keras", "tensorflow")
        for base in type(source).__mro__
    )


def load(source: Any, name: str | None = None, *, trust: bool = False) -> Model:
    """Open a model to ask it, look at it, or give it to the other functions.

    Args:
        source: As :class:`Model` takes it, or a result of `quantize`; a :class:`Model` itself is taken as it is.
        name: What tables call it.
        trust: Whether code that came with a Keras file or SavedModel may run: Lambda layers, classes of its author's.

    Raises:
        InputError: no model, or nothing there.

    Example:
        >>> print(load("int8.tflite"))  # doctest: +SKIP
    """
    if isinstance(source, Model):
        return source
    own = getattr(source, "model", None)
    return own if isinstance(own, Model) else Model(source, name, trust=trust)


def opened_by_name(models: Any) -> dict[str, Model]:
    """One model, several, or several by name; equal names are numbered.

    Raises:
        InputError: there are none.
    """
    if isinstance(models, Mapping):
        found = {str(name): load(source, str(name)) for name, source in models.items()}
    elif isinstance(models, Sequence) and not isinstance(models, str | bytes | bytearray | memoryview):
        found = {}
        for source in models:
            model = load(source)
            count = sum(name == model.name or name.startswith(f"{model.name} (") for name in found)
            found[f"{model.name} ({count + 1})" if count else model.name] = model
    else:
        model = load(models)
        found = {model.name: model}
    if not found:
        raise InputError("There is no model. Give one, a list of them, or a mapping from names to them.")
    return found


def task_of(section: str | Mapping[str, Any], model: Model, data: DataSource) -> Resolved:
    """The task that a recipe's `task` section means for a model and data, and why.

    Raises:
        InputError: as :func:`pipeline.tasks.registry.resolve`.
    """
    from pipeline.tflite.endings import endings
    from pipeline.workflow.context import task_for

    return task_for(section, data, model.signature, endings(model.content))


@contextlib.contextmanager
def files(models: Mapping[str, Model]) -> Iterator[dict[str, Path]]:
    """The models as .tflite files, for what runs in other processes; temporary where they are none yet."""
    with tempfile.TemporaryDirectory(prefix="pipeline-") as folder:
        paths = {}
        for place, (name, model) in enumerate(models.items()):
            paths[name] = model.path or Path(folder) / str(place) / f"{re.sub('[^A-Za-z0-9._-]', '_', name)}.tflite"
            if model.path is None:
                write_bytes(paths[name], model.content)
        yield paths
