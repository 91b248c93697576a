"""How the layers of a QAT model are connected: who reads a tensor, and on which int8 steps its values lie."""

from __future__ import annotations

from typing import Any

from tensorflow_model_optimization.python.core.quantization.keras.quantize_wrapper import QuantizeWrapper

from pipeline.models.backend import tf
from pipeline.training.qat import graph as graphs
from pipeline.training.qat.fake_quant_placement import only_moves
from pipeline.training.qat.range_variables import rounds_output


class Wiring:
    """
    Args:
        aware: A QAT model.
    """

    def __init__(self, aware: Any) -> None:
        self.nodes = list(graphs.nodes(aware))
        """Keras's calls of layers, in an order in which they can run."""
        self._ends = {id(tensor) for tensor in aware.outputs}
        self._producers = {id(tensor): node for node in self.nodes for tensor in tf.nest.flatten(node.outputs)}
        self._consumers: dict[int, list[Any]] = {}
        for node in self.nodes:
            for tensor in node.keras_inputs:
                self._consumers.setdefault(id(tensor), []).append(node)

    def calls(self, layer: Any) -> int:
        """How often a layer is used."""
        return sum(node.layer is layer for node in self.nodes)

    def single_consumer(self, tensor: Any) -> Any | None:
        """The one call that reads a tensor; None where there are several or the model gives it to its caller."""
        consumers = self._consumers.get(id(tensor), [])
        return consumers[0] if len(consumers) == 1 and id(tensor) not in self._ends else None

    def rounds(self, tensor: Any) -> Any | None:
        """The layer whose fake-quant a tensor's values have come through last, moved at most since; None: none has."""
        node = self._producers[id(tensor)]
        if rounds_output(node.layer):
            return node.layer
        layer = inner(node.layer)
        if len(node.keras_inputs) == 1 and only_moves(type(layer), layer.get_config()):
            return self.rounds(node.keras_inputs[0])
        return None


def inner(layer: Any) -> Any:
    """The layer inside tfmot's wrapper, or the layer itself."""
    return layer.layer if isinstance(layer, QuantizeWrapper) else layer
