"""A model to a float TFLite flatbuffer, without the SavedModel detour.

`TFLiteConverter.from_keras_model` first exports a SavedModel, traced once for every layer: 70 % of its time. Here the
model's call is traced once, its variables are frozen into constants, and that one graph is converted. The outputs
are the same to the last bit (`benchmarks/convert.py`).
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Sequence
from typing import Any

from numpy.typing import NDArray

from pipeline.conversion.dilated import TOGETHER, dilate
from pipeline.errors import InputError, PipelineError, one_line
from pipeline.models.backend import quiet_tensorflow, tf
from pipeline.models.input_sizes import Sizes
from pipeline.models.named_function import NamedFunction, named_function
from pipeline.models.trial_inputs import trial_inputs
from pipeline.tensors import OPEN
from pipeline.tflite import flatbuffer
from pipeline.tflite.constant_folding import fold_constants
from pipeline.tflite.runner import Runner
from pipeline.tflite.signature import name_ends


def to_flatbuffer(model: Any, sizes: Sizes | None = None) -> bytes:
    """Convert a model to a float32 flatbuffer with a `serving_default` signature.

    A QAT model's fake-quant nodes become QUANTIZE/DEQUANTIZE pairs: it stays a float model that computes what QAT
    computed, and :mod:`pipeline.quantization.learned` reads the ranges off it.

    The batch stays open where TFLite can do that. It cannot loop over a sequence (LSTM, GRU), nor broadcast to a shape
    with an open side (GroupNormalization): such a model gets the batch that it fixes, or one, as a phone runs it.

    Args:
        model: A model of `tf_keras` or Keras 3, subclassed ones too, or a SavedModel's signature
            (:func:`~pipeline.models.load.load_for_conversion`).
        sizes: Sizes of dimensions that it leaves open, by input name and without the batch; they stay open otherwise.

    Returns:
        The .tflite content. Inputs and outputs carry the names of
        :func:`~pipeline.models.keras_signature.signature_of`.

    Raises:
        PipelineError: TensorFlow's converter refuses the model.
        InputError: sizes that do not fit the model, or a model that nothing says the inputs of.
    """
    function = model.sized(sizes) if isinstance(model, NamedFunction) else named_function(model, sizes)
    refused: PipelineError | None = None
    try:
        content = _convert(function, None)
        if _runs(content, function):
            return content
    except PipelineError as error:
        refused = error
    own = {spec.shape[0] for spec in function.inputs if spec.shape} - {OPEN}
    try:
        return _convert(function, min(own, default=1))
    except PipelineError as error:
        raise refused or error from None


def _runs(content: bytes, function: NamedFunction) -> bool:
    """Whether LiteRT runs what the converter left with an open batch: in doubt where shapes are computed.

    Or where the model fixes the batch: its operators may do so too.
    """
    model = flatbuffer.read(content)
    computed = any(flatbuffer.operator_name(model, operator) == "SHAPE" for operator in model.subgraphs[0].operators)
    if not computed and all(spec.shape[:1] in ((), (OPEN,)) for spec in function.inputs):
        return True

    specs = Runner(content).signature.inputs

    def run(feed: list[NDArray[Any]]) -> None:
        answered = Runner(content, shapes=[array.shape for array in feed]).run(*feed)
        if function.opens_batch and any(array.shape[:1] != (1,) for array in answered):
            raise PipelineError("an output does not hold one entry for the one example")

    failures = (PipelineError, InputError)
    try:
        below = function.embeddings
        run(trial_inputs(specs, run, examples=1, below=below, failures=failures, name=function.name))
    except failures:
        return False
    return True


def _convert(function: NamedFunction, batch: int | None) -> bytes:
    # After pipeline.models.backend, which sets TensorFlow up; at the top of the module they would come before it.
    from tensorflow.python.eager.wrap_function import function_from_graph_def
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    try:
        with quiet_tensorflow():
            traced, outputs = function.trace(batch)
            fused = _fuses(traced, function, outputs)
            frozen = traced if fused else convert_variables_to_constants_v2(traced, lower_control_flow=False)
    except InputError:
        raise
    except Exception as error:  # whatever a model's own code raises
        raise _refused("TensorFlow cannot trace", function, error) from error
    if any(operation.type == TOGETHER for operation in frozen.graph.get_operations()):
        graph = frozen.graph.as_graph_def()  # a copy of all weights, which most models can do without
        dilate(graph)
        ends = ([tensor.name for tensor in tensors] for tensors in (frozen.inputs, frozen.outputs))
        frozen = function_from_graph_def(graph, *ends)
    # The model itself as the trackable object would start the detour over a SavedModel again.
    held = (_Variables(traced.graph.variables),) if fused else ()
    try:
        with quiet_tensorflow(), contextlib.redirect_stdout(io.StringIO()):
            content = tf.lite.TFLiteConverter.from_concrete_functions([frozen], *held).convert()
    except Exception as error:
        raise _refused("TensorFlow's converter refuses", function, error) from error
    return name_ends(fold_constants(content), [spec.name for spec in function.inputs], outputs)


class _Variables(tf.Module):  # type: ignore[misc]
    """What a SavedModel must hold of a function: its variables, and no layer that would be traced again."""

    def __init__(self, variables: Iterable[Any]) -> None:
        super().__init__()
        self.held = list(variables)


def _fuses(traced: Any, function: NamedFunction, outputs: Sequence[str]) -> bool:
    """Whether it holds LSTMs that TFLite has one operator for, UNIDIRECTIONAL_SEQUENCE_LSTM.

    The converter knows them as functions of their own, which freezing would dissolve into a loop.
    """
    library = traced.graph.as_graph_def().library.function
    named = any(entry.attr["api_implements"].s.startswith(b"lstm") for entry in library)
    # A SavedModel sorts inputs and outputs by name, where the tenth comes before the second.
    sorts = max(len(function.inputs), len(outputs)) <= 10
    return named and sorts and all(operation.type != TOGETHER for operation in traced.graph.get_operations())


def _refused(what: str, function: NamedFunction, error: Exception) -> PipelineError:
    return PipelineError(f"{what} '{function.name}': {one_line(error, 600)}")
