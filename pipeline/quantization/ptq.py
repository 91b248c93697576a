"""Post-training quantization in one place: equalize → measure ranges → round and correct → write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pipeline.errors import InputError
from pipeline.progress import Track, quiet
from pipeline.quantization.calibrate import calibrate
from pipeline.quantization.correct import Corrected, Rounding, correct
from pipeline.quantization.equalize import Equalized, equalize
from pipeline.quantization.float_reference import Reference
from pipeline.quantization.formats import write
from pipeline.quantization.keep import BASE, kept_in_float
from pipeline.quantization.layerwise import activation_scales
from pipeline.quantization.observers import Estimator
from pipeline.quantization.quantized_weights import WeightScales
from pipeline.quantization.ranges import Ranges
from pipeline.quantization.tap import Inputs, activations
from pipeline.quantization.write_weights import write_int8_weights
from pipeline.recipe import Format, IoType, Keep, Quantize
from pipeline.tflite import flatbuffer

Activations = Literal["asymmetric", "symmetric"]

CORRECTED: frozenset[Format] = frozenset({"int8", "int8_per_tensor", "int16x8", "dynamic", "weight_only"})
"""Formats with int8 weights."""


@dataclass(frozen=True)
class Settings:
    """How a model is quantized after training; the recipe's `quantize` section says what each is."""

    estimator: Estimator = "min_max"
    percentile: float = 99.99
    """For the estimator of that name."""
    activations: Activations = "asymmetric"
    equalize: bool = False
    weight_scales: WeightScales = "max"
    rounding: Rounding = "nearest"
    bias_correction: bool = True

    def __str__(self) -> str:
        """In words, for tables."""
        estimator = self.estimator.replace("_", "-")
        parts = [f"{estimator} {self.percentile:g}" if estimator == "percentile" else estimator]
        parts += ["symmetric"] * (self.activations == "symmetric")
        parts += ["equalized"] * self.equalize
        parts += ["MSE weight scales"] * (self.weight_scales == "mse")
        parts += ["learned rounding"] * (self.rounding == "learned")
        parts += ["bias correction"] * self.bias_correction
        return " + ".join(parts)

    @classmethod
    def of(cls, section: Quantize) -> Settings:
        """A recipe's settings; what it leaves to auto is as simple as can be."""
        return cls(
            estimator="min_max" if section.calibration == "auto" else section.calibration,
            percentile=section.percentile,
            activations=section.activations,
            equalize=bool(section.equalize),
            weight_scales=section.weight_scales,
            rounding=section.rounding or "nearest",
            bias_correction=section.bias_correction,
        )

    def shape(self, ranges: Ranges) -> Ranges:
        """The ranges as the activations take them."""
        return ranges.symmetric() if self.activations == "symmetric" else ranges

    @property
    def changes_weights(self) -> bool:
        """Whether anything is done to the layers beyond what the writer does by itself."""
        return self.bias_correction or self.rounding != "nearest" or self.weight_scales != "max"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


AFTER_QAT = Settings(bias_correction=False)
"""Nothing is corrected: the training made up for rounding already."""


@dataclass(frozen=True, eq=False)
class FloatModel:
    """What every format is written from."""

    content: bytes
    """A float flatbuffer, equalized where that was asked for."""
    ranges: Ranges
    equalized: tuple[Equalized, ...] = ()


def prepare(
    content: bytes,
    inputs: Inputs,
    settings: Settings,
    *,
    given: Ranges | None = None,
    examples: int | None = None,
    threads: int = 2,
    track: Track = quiet,
) -> FloatModel:
    """Equalize a float flatbuffer where the settings say so, and measure its activation ranges.

    Args:
        content: A float .tflite file's content.
        inputs: The calibration examples.
        settings: How.
        given: Ranges that are known already; of the model before equalization.
        examples: How many examples there are, for the progress bar.
        threads: Interpreter threads.
        track: Progress.

    Raises:
        InputError: as `calibrate`; the given ranges know none of the model's activations.
    """
    equalized: tuple[Equalized, ...] = ()
    if settings.equalize:
        content, equalized = equalize(content, inputs(), threads=threads, track=track)
    if given is not None:
        missing = [name for name in activations(content) if name not in given]
        if len(missing) == len(activations(content)):
            raise InputError("The given ranges know none of this model's activations: they are another model's.")
        if not missing:
            return FloatModel(content, settings.shape(given), equalized)
    percentile = settings.percentile if settings.estimator == "percentile" else None
    ranges = calibrate(
        content,
        inputs(),
        estimator=settings.estimator,
        percentile=percentile,
        examples=examples,
        threads=threads,
        track=track,
    )
    return FloatModel(content, settings.shape(given.over(ranges) if given is not None else ranges), equalized)


class Quantizer:
    """Writes the formats of one prepared float model. What several have in common is computed once.

    Args:
        prepared: See :func:`prepare`.
        inputs: The calibration examples, which the corrections are computed on.
        settings: What is corrected.
        threads: Interpreter threads.
        track: Progress of the corrections.
        reference: Of the prepared float model's content, where one has been made before.
    """

    def __init__(
        self,
        prepared: FloatModel,
        inputs: Inputs,
        settings: Settings,
        *,
        threads: int = 2,
        track: Track = quiet,
        reference: Reference | None = None,
    ) -> None:
        self.prepared = prepared
        self._settings, self._track = settings, track
        self._reference = reference or Reference(prepared.content, inputs, threads=threads)
        self._for_float_activations: Corrected | None = None

    def __call__(
        self, target: Format, io_type: IoType = "int8", keep: Sequence[Keep] = ()
    ) -> tuple[bytes, Corrected | None]:
        """Write one format, its weights and biases made up for what rounding does to them.

        Returns:
            The .tflite content, and what was corrected; None for formats and settings that correct nothing.

        Raises:
            InputError: as `formats.write` and `correct`.
            PipelineError: as `formats.write`.
        """
        prepared = self.prepared
        if target not in CORRECTED or not self._settings.changes_weights:
            return write(prepared.content, target, prepared.ranges, io_type, keep), None
        corrected = self._corrected(target, io_type, keep)
        written = write(corrected.apply(prepared.content), target, prepared.ranges, io_type, keep)
        return write_int8_weights(written, corrected.weights), corrected

    @property
    def how(self) -> str:
        """The settings in words; after QAT, that nothing was calibrated."""
        return str(self._settings) if self._settings.changes_weights else self.prepared.ranges.method

    def _corrected(self, target: Format, io_type: IoType, keep: Sequence[Keep]) -> Corrected:
        prepared = self.prepared
        if target in BASE and target != "int16x8":
            activations = activation_scales(write(prepared.content, target, prepared.ranges, "int8", keep))
            if keep and io_type == "float32":
                # With float inputs, kept operators that read them see them as they are.
                written = write(prepared.content, target, prepared.ranges, io_type, keep)
                activations = {n: scale for n, scale in activations.items() if n not in _float_inputs(written)}
            per_channel = target != "int8_per_tensor"
            return self._correct(activations, per_channel, kept_in_float(prepared.content, keep, target))
        left_out = kept_in_float(prepared.content, keep, target)
        if left_out:
            return self._correct({}, True, left_out)
        # Float and int16 activations ask for the same corrections.
        if self._for_float_activations is None:
            self._for_float_activations = self._correct({}, True, left_out)
        return self._for_float_activations

    def _correct(
        self, activations: Mapping[str, tuple[float, int]], per_channel: bool, exclude: frozenset[str]
    ) -> Corrected:
        return correct(
            self._reference,
            activations,
            per_channel=per_channel,
            weight_scales=self._settings.weight_scales,
            how=self._settings.rounding,
            bias=self._settings.bias_correction,
            exclude=exclude,
            track=self._track,
        )


def quantize(
    prepared: FloatModel,
    target: Format,
    inputs: Inputs,
    settings: Settings,
    *,
    io_type: IoType = "int8",
    keep: Sequence[Keep] = (),
    threads: int = 2,
    track: Track = quiet,
) -> tuple[bytes, Corrected | None]:
    """Write one format; as :class:`Quantizer`, which writes several."""
    return Quantizer(prepared, inputs, settings, threads=threads, track=track)(target, io_type, keep)


def _float_inputs(written: bytes) -> frozenset[str]:
    """Names of the inputs that no QUANTIZE reads."""
    model = flatbuffer.read(written)
    graph = model.subgraphs[0]
    quantized = {int(op.inputs[0]) for op in graph.operators if flatbuffer.operator_name(model, op) == "QUANTIZE"}
    return frozenset(flatbuffer.tensor_name(graph.tensors[index]) for index in graph.inputs if index not in quantized)
