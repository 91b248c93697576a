"""Dilated convolutions as the one operator that they are.

On a CPU Keras computes them by cutting the image apart, convolving, and putting it together again (SpaceToBatchND →
Conv2D → BatchToSpaceND). TensorFlow's converter keeps the three and cannot fold the batch-norm behind them, and XNNPACK
takes neither end. TFLite's convolutions have a dilation of their own. In one dimension the convolution stands between
ExpandDims and Squeeze.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.models.backend import tf

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

TOGETHER = "BatchToSpaceND"
"""What such a triple ends with."""
_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")


def dilate(graph: GraphDef) -> None:
    """Replace such triples by dilated convolutions, in place; one whose padding no convolution has stays.

    Args:
        graph: Frozen: weights and shapes are constants.
    """
    nodes = {node.name: node for node in graph.node}
    consumers: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            consumers[_plain(name)] = consumers.get(_plain(name), 0) + 1
    for after in graph.node:
        if after.op != TOGETHER:
            continue
        inner = nodes[_plain(after.input[0])]
        convolution = nodes[_plain(inner.input[0])] if inner.op == "Squeeze" else inner
        if convolution.op not in _CONVOLUTIONS:
            continue
        source = nodes[_plain(convolution.input[0])]
        before = nodes[_plain(source.input[0])] if source.op == "ExpandDims" else source
        if before.op != "SpaceToBatchND" or (inner.op == "Squeeze") != (source.op == "ExpandDims"):
            continue
        chain = {node.name for node in (inner, convolution, source, before)}
        if all(consumers[name] == 1 for name in chain):
            _replace(nodes, before, source, convolution, inner, after)


def _replace(
    nodes: dict[str, NodeDef],
    before: NodeDef,
    source: NodeDef,
    convolution: NodeDef,
    inner: NodeDef,
    after: NodeDef,
) -> None:
    """`before` → `source` (ExpandDims, or `before` itself) → `convolution` → `inner` (Squeeze, or itself) → `after`."""
    block, padding = (_constant(nodes, name) for name in before.input[1:])
    same_block, crop = (_constant(nodes, name) for name in after.input[1:])
    kernel = _shape(nodes, convolution.input[1])
    if block is None or same_block is None or padding is None or crop is None or kernel is None:
        return
    if not np.array_equal(block, same_block):
        return
    if convolution.attr["padding"].s != b"VALID" or convolution.attr["data_format"].s not in (b"", b"NHWC"):
        return
    if source is not before and len(block) == 1:
        axis = _added_axis(nodes, source)
        if axis is None:
            return
        # The same in two dimensions, the added one of which is neither dilated nor padded.
        block = np.insert(block, axis, 1)
        padding, crop = (np.insert(pairs, axis, 0, axis=0) for pairs in (padding, crop))
    if len(block) != 2 or list(convolution.attr["strides"].list.i) != [1, 1, 1, 1] or crop[:, 0].any():
        return
    # What is added so that blocks come out whole is cropped again.
    added = np.stack([padding[:, 0], padding[:, 1] - crop[:, 1]], axis=1)
    total = (kernel - 1) * block
    if not added.any():
        how = b"VALID"
    elif np.array_equal(added, np.stack([total // 2, total - total // 2], axis=1)):
        how = b"SAME"
    else:
        return
    if source is not before:
        source.input[0] = before.input[0]
        _set_dilation(convolution, how, block)
        name = inner.name
        del after.input[:]
        after.input.append(name)
        after.op = "Identity"
        for key in [key for key in after.attr if key != "T"]:
            del after.attr[key]
        return
    # The last of the three becomes the convolution: it has the name that the others read.
    inputs = [before.input[0], convolution.input[1]]
    after.op = convolution.op
    del after.input[:]
    after.input.extend(inputs)
    for key in list(after.attr):
        del after.attr[key]
    for key, value in convolution.attr.items():
        after.attr[key].CopyFrom(value)
    _set_dilation(after, how, block)


def _set_dilation(convolution: NodeDef, padding: bytes, block: NDArray[Any]) -> None:
    convolution.attr["padding"].s = padding
    del convolution.attr["dilations"].list.i[:]
    convolution.attr["dilations"].list.i.extend([1, *(int(step) for step in block), 1])


def _added_axis(nodes: dict[str, NodeDef], expand: NodeDef) -> int | None:
    """Which of the two spatial dimensions an ExpandDims of [B, length, C] adds; None where it is another one."""
    axis = _constant(nodes, expand.input[1])
    if axis is None or axis.size != 1:
        return None
    place = int(axis.reshape(-1)[0])
    place = place + 4 if place < 0 else place
    return place - 1 if place in (1, 2) else None


def _plain(name: str) -> str:
    return name.lstrip("^").partition(":")[0]


def _constant(nodes: dict[str, NodeDef], name: str) -> NDArray[Any] | None:
    node = nodes[_plain(name)]
    while node.op == "Identity":
        node = nodes[_plain(node.input[0])]
    return np.asarray(tf.make_ndarray(node.attr["value"].tensor)) if node.op == "Const" else None


def _shape(nodes: dict[str, NodeDef], name: str) -> NDArray[np.int64] | None:
    """Height and width of a kernel; a fake-quant before it keeps its shape, a Conv1D's is expanded."""
    sides = _sides(nodes, name)
    return np.array(sides[:2]) if sides is not None and len(sides) == 4 else None


def _sides(nodes: dict[str, NodeDef], name: str) -> list[int] | None:
    node = nodes[_plain(name)]
    if node.op == "Const":
        return [int(side.size) for side in node.attr["value"].tensor.tensor_shape.dim]
    sides = _sides(nodes, node.input[0]) if node.input else None
    if node.op != "ExpandDims" or sides is None:
        return sides
    axis = _constant(nodes, node.input[1])
    if axis is None or axis.size != 1:
        return None
    place = int(axis.reshape(-1)[0])
    sides.insert(place if place >= 0 else place + len(sides) + 1, 1)
    return sides
