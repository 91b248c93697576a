"""One way in for every float model: Keras 2 and 3, SavedModel, QAT, a float .tflite.

Every format is written from what this gives, and nothing else decides what a float model looks like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.conversion.fixed_sizes import with_fixed_sizes
from pipeline.conversion.signatures import main_signature
from pipeline.quantization.formats import check_is_float
from pipeline.quantization.learned import take_out_fake_quant
from pipeline.quantization.ptq import FloatModel
from pipeline.tensors import TensorSpec
from pipeline.tflite import flatbuffer, guard, metadata
from pipeline.tflite.constant_folding import fold_constants
from pipeline.tflite.dilated_convolutions import join_dilated
from pipeline.tflite.global_pooling import mean_for_global_pooling
from pipeline.tflite.plain_operators import plain_operators
from pipeline.tflite.runner import Runner
from pipeline.tflite.signature import with_signature
from pipeline.tflite.token_inputs import integer_tokens
from pipeline.tflite.upgrade import upgrade


def import_float(
    source: Path | str | bytes | Any,
    *,
    signature: str | None = None,
    sizes: Mapping[str, Sequence[int]] | None = None,
    trusted: bool = False,
) -> FloatModel:
    """The float flatbuffer that every format is written from, and the activation ranges that QAT learned.

    TensorFlow is imported where the source is no .tflite.

    Args:
        source: A `.tflite` file or its content (with QUANTIZE/DEQUANTIZE pairs: QAT's), a `.keras` or `.h5` file of
            Keras 2 or 3, a SavedModel folder, or a Keras model, one that QAT trained too.
        signature: Which signature of a SavedModel or a .tflite; None: `serving_default`, else the only one.
        sizes: At which size open dimensions are exported, by input name and without the batch; one size is taken for
            the one input whatever it is called. What is not named stays open, and so does the batch, where TFLite can
            do that.
        trusted: Whether code that came with the file may run; see :mod:`pipeline.models.trust`.

    Returns:
        The content, with named inputs and outputs, without metadata and without fake-quant; with MEAN for global
        pooling, MUL for squares and the like, and int32 for inputs that hold token ids. And the learned ranges, empty
        where QAT did not train the model.

    Raises:
        InputError: no such model, not a float one, a signature or an input that it does not have, or sizes that do not
            fit.
        PipelineError: TensorFlow's converter refuses it, or what it converts a Keras 3 model to answers differently.

    Example:
        >>> model = import_float(Path("detector.keras"), sizes={"image": [320, 320, 3]})  # doctest: +SKIP
    """
    return as_float_model(converted(source, signature=signature, sizes=sizes, trusted=trusted))


def converted(
    source: Path | str | bytes | Any,
    *,
    signature: str | None = None,
    sizes: Mapping[str, Sequence[int]] | None = None,
    trusted: bool = False,
) -> bytes:
    """The source as a .tflite that computes what it computes, QAT's rounding included; arguments as `import_float`."""
    source = Path(source) if isinstance(source, str) else source
    if isinstance(source, bytes | bytearray) or (isinstance(source, Path) and flatbuffer.is_tflite(source)):
        content = upgrade(flatbuffer.load(source if isinstance(source, Path) else bytes(source)))
        return with_fixed_sizes(main_signature(content, signature), sizes)
    from pipeline.conversion.keras_source import convert_source

    return convert_source(source, signature, sizes, trusted=trusted)


def inputs_of(
    path: Path,
    *,
    signature: str | None = None,
    sizes: Mapping[str, Sequence[int]] | None = None,
    trusted: bool = False,
) -> tuple[TensorSpec, ...]:
    """What the model in a file takes, without converting it; arguments and errors as `import_float`."""
    if flatbuffer.is_tflite(path):
        return Runner(with_fixed_sizes(main_signature(flatbuffer.load(path), signature), sizes)).signature.inputs
    from pipeline.conversion import keras_source

    return keras_source.inputs_of(path, signature, sizes, trusted=trusted)


def as_float_model(content: bytes) -> FloatModel:
    """A converted model, QAT's too, as the float model that formats are written from.

    Raises:
        InputError: it is quantized or damaged.
    """
    with guard.damage_told(content, "The .tflite model"):
        content, learned = take_out_fake_quant(fold_constants(metadata.without(content)))
        check_is_float(content)
        content = integer_tokens(plain_operators(join_dilated(mean_for_global_pooling(content))))
        return FloatModel(with_signature(content), learned)
