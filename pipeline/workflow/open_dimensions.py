"""At which size a model with open height, width or time is calibrated and written: the recipe's, else the data's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import InputError, PipelineError
from pipeline.tensors import OPEN, Signature, Tensors, TensorSpec, bind, show_shape
from pipeline.tflite.runner import Runner
from pipeline.workflow.context import RunContext

if TYPE_CHECKING:
    from pipeline.models.input_sizes import Sizes


def converted_for_data(
    context: RunContext, source: Path | Any, signature: str | None = None, *, trusted: bool = False
) -> tuple[bytes, Sizes]:
    """The source as a .tflite that the run's data fits.

    Dimensions that the recipe gives no size stay open where the int8 model runs with them open, and are fixed at the
    data's size where it does not. Which of the two is said.

    Args:
        context: The run; its recipe says which sizes.
        source: As :func:`pipeline.conversion.import_float.converted` takes it.
        signature: The same.
        trusted: The same.

    Returns:
        The content, and the sizes at which it was converted.

    Raises:
        InputError: as `converted`, or data that the model does not take.
        PipelineError: the model cannot be converted, or does not run as int8 at the data's size.
    """
    from pipeline.conversion.import_float import converted
    from pipeline.models.data_fit import check_data

    given: Sizes = context.recipe.model.sizes
    try:
        content = converted(source, signature=signature, sizes=given, trusted=trusted)
    except PipelineError as error:  # nothing says what a subclassed model takes, or it cannot be converted open
        given = _sizes_of_data(context, source, error)
        content = _again(source, signature, given, error, trusted)
        for name, size in given.items():
            context.say(f"input '{name}' is fixed at the data's size, {list(size)}")
    inputs = Runner(content).signature.inputs
    check_data(inputs, context.data.inputs)
    for change in context.data.shape_changes:
        context.say(change)
    left_open = [spec for spec in inputs if OPEN in spec.shape[1:]]
    if not left_open:
        return content, given
    sizes = _sizes(left_open, context.data.inputs, inputs)
    why_not = _why_not_open(content, next(context.data.batches("calibration", 1)).inputs)
    if why_not is None:
        for spec in left_open:
            context.say(
                f"input '{spec.name}' stays open, {show_shape(spec.shape[1:])}; calibrated at {sizes[spec.name]}"
            )
        return content, given
    for spec in left_open:
        context.say(f"input '{spec.name}' is fixed at the data's size, {sizes[spec.name]}: open, {why_not}")
    own = given if len(inputs) > 1 else {}  # the one input's sizes stand under any name
    fixed: Sizes = {**own, **sizes}
    return converted(source, signature=signature, sizes=fixed, trusted=trusted), fixed


def _sizes_of_data(context: RunContext, source: Path | Any, error: PipelineError) -> dict[str, Sequence[int]]:
    exists = not isinstance(source, Path) or source.exists()
    if context.recipe.model.sizes or not exists:
        raise error
    return {name: spec.shape[1:] for name, spec in context.data.inputs.items()}


def _again(source: Path | Any, signature: str | None, sizes: Sizes, error: PipelineError, trusted: bool) -> bytes:
    from pipeline.conversion.import_float import converted

    try:
        return converted(source, signature=signature, sizes=sizes, trusted=trusted)
    except PipelineError:
        raise error from None


def _sizes(
    left_open: Sequence[TensorSpec], data: Mapping[str, TensorSpec], inputs: Sequence[TensorSpec]
) -> dict[str, Sequence[int]]:
    """Without the batch, by the model's names."""
    given = bind(data, inputs)
    sizes: dict[str, Sequence[int]] = {spec.name: list(given[spec.name].shape[1:]) for spec in left_open}
    for name, size in sizes.items():
        if OPEN in size:
            raise InputError(
                f"The model leaves dimensions of its input '{name}' open, and the data has no one size for them: "
                f"{show_shape(size)}. Say at which size it is exported, without the batch: "
                f"--set model.input_sizes={{{name}: […]}}."
            )
    return sizes


def _why_not_open(content: bytes, example: Tensors) -> str | None:
    """What is in the way of an int8 model whose sides stay open; None where it runs, at the data's size and another."""
    from pipeline.conversion.import_float import as_float_model
    from pipeline.quantization.calibrate import calibrate
    from pipeline.quantization.formats import write
    from pipeline.tflite import golden

    try:
        prepared = as_float_model(content).content
        expected = Runner(prepared)
        signature = expected.signature
        fed = {name: array[:1] for name, array in bind(example, signature.inputs).items()}
        written = write(prepared, "int8", calibrate(prepared, [fed]))
        own = Runner(written)
        for tried in (fed, _larger(fed, signature)):
            shapes = [{name: array.shape for name, array in runner(tried).stored.items()} for runner in (expected, own)]
            if shapes[0] != shapes[1]:
                return "its outputs have other shapes than the float model's"
        golden.pair(written)
    except PipelineError as error:
        return f"it does not run: {error}"
    return None


def _larger(example: Tensors, signature: Signature) -> dict[str, Any]:
    """An example twice as large along its open sides."""
    larger = {}
    for spec in signature.inputs:
        times = [2 if side == OPEN and place else 1 for place, side in enumerate(spec.shape)]
        larger[spec.name] = np.tile(example[spec.name], times)
    return larger
