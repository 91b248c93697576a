"""What is no .tflite yet, converted: files, SavedModels and models of Keras. Imports TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.conversion.convert import to_flatbuffer
from pipeline.errors import InputError, PipelineError
from pipeline.models.backend import quiet_tensorflow, tf
from pipeline.models.input_sizes import Sizes
from pipeline.models.load import load_for_conversion, refuse_signature
from pipeline.models.named_function import NamedFunction, is_keras3, named_function
from pipeline.models.trial_inputs import difference, trial_inputs
from pipeline.tensors import OPEN, TensorSpec
from pipeline.tflite import flatbuffer
from pipeline.tflite.runner import Runner

TOLERANCE = 1e-5
"""Largest difference allowed between the outputs of a Keras 3 model and its flatbuffer, relative to their size."""


def convert_source(source: Path | Any, signature: str | None, sizes: Sizes | None, *, trusted: bool = False) -> bytes:
    """Load where it is a path, and convert; a Keras 3 model's flatbuffer must answer random input as the model does.

    Where that would loop at run time, an equal counterpart in `tf_keras` that does not is converted instead.

    Raises:
        InputError: as `load_for_conversion` and `to_flatbuffer`.
        PipelineError: the converter refuses it, or its answers differ.
    """
    model = source
    if isinstance(source, Path):
        model = load_for_conversion(source, signature, sizes, trusted=trusted)
    if isinstance(model, NamedFunction):
        return to_flatbuffer(model)
    if signature is not None and not isinstance(source, Path):
        refuse_signature(model.name, signature)
    function = named_function(model, sizes)
    content = to_flatbuffer(function)
    if is_keras3(model):
        fused = _without_loops(model, function, sizes) if _loops(content) else None
        if fused is not None:
            return fused
        check_outputs(function, content)
    return content


def _without_loops(model: Any, function: NamedFunction, sizes: Sizes | None) -> bytes | None:
    """A Keras 3 model by way of its counterpart in `tf_keras`, whose LSTMs TFLite has an operator for.

    Keras 3 traces them as loops, which no converter knows for what they are.

    Args:
        model: The Keras 3 model.
        function: The same, as what is converted.
        sizes: Of open dimensions.

    Returns:
        None where it has no counterpart of the same inputs, outputs and answers, or that one loops as well.
    """
    from pipeline.models.keras3.equivalence import compare
    from pipeline.models.keras3.replay import carry

    try:
        carried = carry(model)
        compare(model, carried)
        own = named_function(carried.model, sizes)
        if own.inputs != function.inputs or own.signature.outputs != function.signature.outputs:
            return None
        content = to_flatbuffer(own)
        if _loops(content):
            return None
        check_outputs(function, content)
    except (InputError, PipelineError):
        return None
    return content


def _loops(content: bytes) -> bool:
    model = flatbuffer.read(content)
    return any(flatbuffer.operator_name(model, operator) == "WHILE" for operator in model.subgraphs[0].operators)


def inputs_of(
    source: Path, signature: str | None, sizes: Sizes | None, *, trusted: bool = False
) -> tuple[TensorSpec, ...]:
    """What a model in a file takes.

    Raises:
        InputError: as `load_for_conversion` and `named_function`.
    """
    model = load_for_conversion(source, signature, sizes, trusted=trusted)
    return (model if isinstance(model, NamedFunction) else named_function(model, sizes)).inputs


def check_outputs(function: NamedFunction, content: bytes) -> float:
    """Run a model and its flatbuffer on the same random input.

    Returns:
        The largest difference, relative to the size of the output.

    Raises:
        PipelineError: it is above TOLERANCE, or the flatbuffer does not run.
        InputError: the model itself does not run.
    """
    runner = Runner(content)

    def run(feed: list[NDArray[Any]]) -> dict[str, NDArray[Any]]:
        with quiet_tensorflow():
            return {name: np.asarray(output) for name, output in function(*map(tf.constant, feed)).items()}

    specs = [
        TensorSpec(own.name, (own.shape[0] if fixed.shape[0] == OPEN else fixed.shape[0], *own.shape[1:]), own.dtype)
        if own.shape
        else own
        for own, fixed in zip(function.inputs, runner.signature.inputs, strict=True)
    ]
    failures = (ValueError, tf.errors.OpError)
    feed = trial_inputs(specs, run, below=function.embeddings, failures=failures, name=function.name)
    reference = run(feed)
    try:
        answered = runner({spec.name: array for spec, array in zip(specs, feed, strict=True)}).real
    except InputError as error:
        raise PipelineError(f"The model '{function.name}' converts, but does not run then: {error}") from error
    differences = {name: difference(array, answered[name]) for name, array in reference.items()}
    name, worst = max(differences.items(), key=lambda entry: entry[1])
    if worst > TOLERANCE:
        raise PipelineError(
            f"The flatbuffer that TensorFlow converts the Keras 3 model '{function.name}' to answers random input "
            f"differently by {worst:.2g} of the output '{name}' (allowed: {TOLERANCE:g}). Please report the model; "
            "until then build it with tf_keras and give it with --set model.function=module:function."
        )
    return worst
