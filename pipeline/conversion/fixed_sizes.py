"""Open dimensions of a .tflite at the size at which it will run."""

from __future__ import annotations

from pipeline.models.input_sizes import Sizes, with_sizes
from pipeline.tensors import OPEN
from pipeline.tflite import flatbuffer
from pipeline.tflite.constant_folding import run_on_zeros, set_shape
from pipeline.tflite.runner import Runner


def with_fixed_sizes(content: bytes, sizes: Sizes | None) -> bytes:
    """The model with open dimensions of its inputs fixed; :mod:`pipeline.tflite.constant_folding` does the rest.

    Args:
        content: A .tflite file's content.
        sizes: By input name, without the batch. What is not named stays open.

    Raises:
        InputError: as `with_sizes`; or the graph does not run at these sizes.
    """
    if not sizes:
        return content
    specs = Runner(content).signature.inputs
    wanted = with_sizes(specs, sizes)
    if wanted == specs:
        return content
    if not any(OPEN in spec.shape[1:] for spec in wanted):
        run_on_zeros(content, [[1 if side == OPEN else side for side in spec.shape] for spec in wanted])
    model = flatbuffer.read(content)
    for index, spec in zip(model.subgraphs[0].inputs, wanted, strict=True):
        set_shape(model.subgraphs[0].tensors[index], spec.shape)
    return flatbuffer.serialize(model)
