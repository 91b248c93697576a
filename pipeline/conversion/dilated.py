"""Dilated convolutions as the one operator that they are.

On a CPU Keras computes them by cutting the image apart, convolving, and putting it together again (SpaceToBatchND →
Conv2D → BatchToSpaceND). TensorFlow's converter keeps the three and cannot fold the batch-norm behind them, and XNNPACK
takes neither end. TFLite's convolutions have a dilation of their own.
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
        convolution = nodes[_plain(after.input[0])]
        before = nodes.get(_plain(convolution.input[0])) if convolution.input else None
        if convolution.op not in _CONVOLUTIONS or before is None or before.op != "SpaceToBatchND":
            continue
        if consumers[convolution.name] == consumers[before.name] == 1:
            _replace(nodes, before, convolution, after)


def _replace(nodes: dict[str, NodeDef], before: NodeDef, convolution: NodeDef, after: NodeDef) -> None:
    block, padding = (_constant(nodes, name) for name in before.input[1:])
    same_block, crop = (_constant(nodes, name) for name in after.input[1:])
    kernel = _shape(nodes, convolution.input[1])
    if block is None or same_block is None or padding is None or crop is None or kernel is None:
        return
    if not np.array_equal(block, same_block):
        return
    if convolution.attr["padding"].s != b"VALID" or convolution.attr["data_format"].s not in (b"", b"NHWC"):
        return
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
    # The last of the three becomes the convolution: it has the name that the others read.
    inputs = [before.input[0], convolution.input[1]]
    after.op = convolution.op
    del after.input[:]
    after.input.extend(inputs)
    for key in list(after.attr):
        del after.attr[key]
    for key, value in convolution.attr.items():
        after.attr[key].CopyFrom(value)
    after.attr["padding"].s = how
    del after.attr["dilations"].list.i[:]
    after.attr["dilations"].list.i.extend([1, *(int(step) for step in block), 1])


def _plain(name: str) -> str:
    return name.lstrip("^").partition(":")[0]


def _constant(nodes: dict[str, NodeDef], name: str) -> NDArray[Any] | None:
    node = nodes[_plain(name)]
    while node.op == "Identity":
        node = nodes[_plain(node.input[0])]
    return np.asarray(tf.make_ndarray(node.attr["value"].tensor)) if node.op == "Const" else None


def _shape(nodes: dict[str, NodeDef], name: str) -> NDArray[np.int64] | None:
    """Height and width of a kernel; a fake-quant before it keeps its shape."""
    node = nodes[_plain(name)]
    while node.op != "Const":
        if not node.input:
            return None
        node = nodes[_plain(node.input[0])]
    shape = [int(side.size) for side in node.attr["value"].tensor.tensor_shape.dim]
    return np.array(shape[:2]) if len(shape) == 4 else None
