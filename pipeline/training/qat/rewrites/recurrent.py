"""LSTM, GRU and SimpleRNN written as the operators that TFLite runs for them, step by step.

An unrolled recurrent layer is a chain of FULLY_CONNECTED, ADD, LOGISTIC, TANH and MUL, each of which rounds its result
to int8; to tfmot it is one layer. S. Hochreiter, J. Schmidhuber, Long Short-Term Memory, 1997; K. Cho et al., Learning
Phrase Representations using RNN Encoder–Decoder, 2014, https://arxiv.org/abs/1406.1078.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.models.fake_quant.operation import Operation, encode
from pipeline.training.qat.graph import Call, Graph, Layer, Value
from pipeline.training.qat.rewrites.change import Change
from pipeline.training.qat.rewrites.fused_activations import activation_name
from pipeline.training.qat.rewrites.operators import with_constant

KINDS = ("LSTM", "GRU", "SimpleRNN")


def unrolled_to_operators(graph: Graph) -> list[Change]:
    """Take apart every recurrent layer with `unroll=True` over a known number of steps, alone or in Bidirectional.

    Layers that keep or take a state stay. In training, recurrent dropout draws anew at every step.
    """
    changes = []
    for layer in list(graph.layers()):
        calls = graph.calls_of(layer)
        built = [_both_ways(graph, call) if call.is_a("Bidirectional") else _one_way(graph, call) for call in calls[:1]]
        if len(calls) != 1 or built[0] is None:
            continue
        graph.replace_with(calls[0], built[0])
        reason = "one layer, but operators with int8 values between them at every step"
        changes.append(Change(layer.name, layer.kind.__name__, reason, "FULLY_CONNECTED, ADD, LOGISTIC, TANH and MUL"))
    return changes


def _one_way(graph: Graph, call: Call) -> list[Call] | None:
    if not call.is_a(*KINDS) or not _plain(call, call.layer.config):
        return None
    steps = _Steps(graph, call.layer.name)
    states = _run(steps, call.layer.kind.__name__, call.layer.config, call.layer.weights, call.input)
    steps.end(_result(steps, call.layer.config, states, call.layer.name), call.output)
    return steps.calls


def _both_ways(graph: Graph, call: Call) -> list[Call] | None:
    config = call.layer.config
    inner = config["layer"]
    kind, forward = inner["class_name"], inner["config"]
    backward = {**forward, **(config.get("backward_layer") or inner)["config"], "go_backwards": True}
    if not config.get("trainable", True):
        forward, backward = ({**own, "trainable": False} for own in (forward, backward))
    merges = {"concat": "Concatenate", "sum": "Add", "mul": "Multiply", "ave": "Average"}
    if kind not in KINDS or config.get("merge_mode") not in merges or not _plain(call, forward):
        return None
    steps, name, half = _Steps(graph, call.layer.name), call.layer.name, len(call.layer.weights) // 2
    results = []
    for way, own, weights in (
        ("forward", forward, call.layer.weights[:half]),
        ("backward", backward, call.layer.weights[half:]),
    ):
        states = _run(steps, kind, own, weights, call.input, f"_{way}")
        # Backwards the last state comes first; the result is in the order of time.
        ordered = states[::-1] if way == "backward" and own["return_sequences"] else states
        results.append(_result(steps, own, ordered, f"{name}_{way}"))
    merged = steps.layer(merges[config["merge_mode"]], f"{name}_merge")
    steps.end(steps.add(merged, results, *call.output.shape[1:]), call.output)
    return steps.calls


def _plain(call: Call, config: dict[str, Any]) -> bool:
    unusual = {key for key, item in call.kwargs.items() if item is not None and item is not False}
    known = all(activation_name(config[key]) for key in ("activation", "recurrent_activation") if key in config)
    return (
        bool(config.get("unroll"))
        and known
        and not config.get("stateful")
        and not config.get("return_state")
        and not config.get("time_major")
        and unusual <= {"training"}
        and len(call.args) == 1
        and len(call.inputs) == len(call.outputs) == 1
        and len(call.input.shape) == 3
        and None not in call.input.shape[1:]
    )


class _Steps:
    """Calls of new layers, in their order."""

    def __init__(self, graph: Graph, name: str) -> None:
        self._graph, self._name = graph, name
        self._names: set[str] = set()
        self.calls: list[Call] = []

    def layer(self, kind: type | str, name: str, weights: Any = (), **config: Any) -> Layer:
        """A new layer; names are unique among these steps too."""
        free = name
        while free in self._names:
            free += "_"
        self._names.add(free)
        return self._graph.layer(kind, free, weights, **config)

    def add(self, layer: Layer, inputs: Value | list[Value], *sides: int | None) -> Value:
        """Call a layer; the result has these sides behind the batch."""
        return self.several(layer, inputs, 1, *sides)[0]

    def several(self, layer: Layer, inputs: Value | list[Value], count: int, *sides: int | None) -> list[Value]:
        """Call a layer with so many results of the same shape."""
        first = inputs if isinstance(inputs, Value) else inputs[0]
        outputs = [Value((first.shape[0], *sides)) for _ in range(count)]
        self.calls.append(Call(layer, (inputs if isinstance(inputs, Value) else list(inputs),), {}, outputs))
        return outputs

    def function(self, function: str, name: str, inputs: Value | list[Value], count: int, sides: Any, args: Any) -> Any:
        """Call an :class:`Operation`; `args` has None where the inputs go."""
        values = [inputs] if isinstance(inputs, Value) else inputs
        marks = [object() for _ in values]
        places = {id(mark): place for place, mark in enumerate(marks)}
        first: Any = marks[0] if isinstance(inputs, Value) else marks
        arguments = encode(((first, *args[0]), args[1]), lambda item: places.get(id(item)))
        layer = self.layer(Operation, name, function=function, arguments=arguments)
        return self.several(layer, inputs, count, *sides)

    def constant(self, function: str, value: Value, constant: NDArray[Any], name: str) -> Value:
        """Add or multiply by a constant."""
        layer = with_constant(self._graph, function, constant, name)
        layer.config["name"] = self.layer("Activation", name).name
        return self.add(layer, value, *value.shape[1:])

    def end(self, value: Value, output: Value) -> None:
        """Let the last call give the output."""
        assert self.calls[-1].outputs == [value]
        self.calls[-1].outputs = [output]


def _run(
    steps: _Steps, kind: str, config: dict[str, Any], weights: list[NDArray[Any]], x: Value, suffix: str = ""
) -> list[Value]:
    """The state after each step, [B, units], in the order in which they are computed."""
    name, units = f"{steps._name}{suffix}", int(config["units"])
    kernel, recurrent, *rest = weights
    length = int(x.shape[1] or 0)
    bias = rest[0] if rest else np.zeros(kernel.shape[1], np.float32)
    cell = _CELLS[kind](steps, name, config, recurrent, bias, units)
    if config.get("dropout"):
        drop = steps.layer("Dropout", f"{name}_dropout", rate=config["dropout"], noise_shape=(None, 1, x.shape[2]))
        x = steps.add(drop, x, *x.shape[1:])
    trainable = config.get("trainable", True)
    inside = steps.layer(
        "Dense", f"{name}_kernel", [kernel, cell.input_bias], units=kernel.shape[1], trainable=trainable
    )
    sums = steps.add(inside, x, length, kernel.shape[1])
    states: list[Value] = []
    order = range(length - 1, -1, -1) if config.get("go_backwards") else range(length)
    for number in order:
        index = ((slice(None), number),)
        [own] = steps.function("__operators__.getitem", f"{name}_at_{number}", sums, 1, (kernel.shape[1],), (index, {}))
        states.append(cell.step(own, states[-1] if states else None, f"{name}_{number}"))
    return states


def _result(steps: _Steps, config: dict[str, Any], states: list[Value], name: str) -> Value:
    if not config["return_sequences"]:
        # The last state may have been computed before others were.
        return states[-1]
    sides = (len(states), int(config["units"]))
    [whole] = steps.function("stack", f"{name}_sequence", states, 1, sides, ((), {"axis": 1}))
    return whole  # type: ignore[no-any-return]


class _Cell:
    """What happens in one step.

    Args:
        recurrent: Kernel [units, gates · units] on the state.
        bias: [gates · units]; of a GRU that resets behind its kernel [2, gates · units].
    """

    def __init__(self, steps: _Steps, name: str, config: dict[str, Any], recurrent: Any, bias: Any, units: int) -> None:
        self.steps, self.units, self.config = steps, units, config
        self.input_bias = bias
        self._name, self._dense = name, dict[str, Layer]()
        self.prepare(recurrent, bias)

    def prepare(self, recurrent: Any, bias: Any) -> None:
        self._dense["state"] = self.dense("recurrent", recurrent)

    def step(self, x: Value, state: Value | None, name: str) -> Value:
        raise NotImplementedError

    def dense(self, what: str, kernel: Any, bias: Any = None) -> Layer:
        weights = [kernel] if bias is None else [kernel, bias]
        return self.steps.layer(
            "Dense",
            f"{self._name}_{what}",
            weights,
            units=kernel.shape[1],
            use_bias=bias is not None,
            trainable=self.config.get("trainable", True),
        )

    def of_state(self, state: Value, name: str, which: str = "state") -> Value:
        """The state, through its kernel."""
        if self.config.get("recurrent_dropout"):
            drop = self.steps.layer("Dropout", f"{name}_dropout", rate=self.config["recurrent_dropout"])
            state = self.steps.add(drop, state, *state.shape[1:])
        layer = self._dense[which]
        return self.steps.add(layer, state, int(layer.config["units"]))

    def split(self, value: Value, name: str) -> list[Value]:
        count = int(value.shape[1] or 0) // self.units
        found: list[Value] = self.steps.function("split", name, value, count, (self.units,), ((count,), {"axis": 1}))
        return found

    def part(self, value: Value, number: int, name: str) -> Value:
        """One gate's share. Of a SPLIT with a result that nothing reads, the writer leaves that one in float."""
        index = ((slice(None), slice(number * self.units, (number + 1) * self.units)),)
        [found] = self.steps.function("__operators__.getitem", name, value, 1, (self.units,), (index, {}))
        return found  # type: ignore[no-any-return]

    def gate(self, value: Value, name: str) -> Value:
        return self._activated(self.config["recurrent_activation"], value, name)

    def activated(self, value: Value, name: str) -> Value:
        return self._activated(self.config["activation"], value, name)

    def _activated(self, activation: Any, value: Value, name: str) -> Value:
        own = activation_name(activation)
        return self.steps.add(self.steps.layer("Activation", name, activation=own), value, self.units)

    def merge(self, kind: str, first: Value, second: Value, name: str) -> Value:
        return self.steps.add(self.steps.layer(kind, name), [first, second], *first.shape[1:])


class _Simple(_Cell):
    def step(self, x: Value, state: Value | None, name: str) -> Value:
        total = x if state is None else self.merge("Add", x, self.of_state(state, name), f"{name}_sum")
        return self.activated(total, f"{name}_state")


class _Lstm(_Cell):
    def prepare(self, recurrent: Any, bias: Any) -> None:
        super().prepare(recurrent, bias)
        self._memory: Value | None = None

    def step(self, x: Value, state: Value | None, name: str) -> Value:
        if state is None or self._memory is None:
            taken, new, given = (self.part(x, gate, f"{name}_gate_{gate}") for gate in (0, 2, 3))
        else:
            total = self.merge("Add", x, self.of_state(state, name), f"{name}_sum")
            taken, kept, new, given = self.split(total, f"{name}_gates")
        new = self.activated(new, f"{name}_new")
        memory = self.merge("Multiply", self.gate(taken, f"{name}_input_gate"), new, f"{name}_taken")
        if self._memory is not None:
            old = self.merge("Multiply", self.gate(kept, f"{name}_forget_gate"), self._memory, f"{name}_kept")
            memory = self.merge("Add", old, memory, f"{name}_memory")
        self._memory = memory
        shown = self.activated(memory, f"{name}_shown")
        return self.merge("Multiply", self.gate(given, f"{name}_output_gate"), shown, f"{name}_state")


class _Gru(_Cell):
    def prepare(self, recurrent: Any, bias: Any) -> None:
        self._after = bool(self.config.get("reset_after", True))
        gates = 2 * self.units
        if not self._after:
            self._dense["state"] = self.dense("recurrent_gates", recurrent[:, :gates])
            self._dense["reset"] = self.dense("recurrent_new", recurrent[:, gates:])
            return
        own, of_state = bias if np.ndim(bias) == 2 else (bias, np.zeros_like(bias))
        # The gates' two biases are added anyway; only the one that is reset must stay with the state.
        self.input_bias = own + np.concatenate([of_state[:gates], np.zeros(self.units, own.dtype)])
        self._reset_bias = of_state[gates:]
        rest = np.concatenate([np.zeros(gates, own.dtype), self._reset_bias])
        self._dense["state"] = self.dense("recurrent", recurrent, rest)

    def step(self, x: Value, state: Value | None, name: str) -> Value:
        if state is None:
            update, new = (self.part(x, gate, f"{name}_gate_{gate}") for gate in (0, 2))
            if self._after and np.any(self._reset_bias):
                gate = self.gate(self.part(x, 1, f"{name}_gate_1"), f"{name}_reset_gate")
                by = self.steps.constant("math.multiply", gate, self._reset_bias, f"{name}_reset")
                new = self.merge("Add", new, by, f"{name}_new_sum")
            new, update = self.activated(new, f"{name}_new"), self.gate(update, f"{name}_update_gate")
            kept = self.merge("Multiply", update, new, f"{name}_kept")
            return self.merge("Subtract", new, kept, f"{name}_state")
        update, reset, new = self.split(x, f"{name}_inputs")
        of_state = self.split(self.of_state(state, name), f"{name}_of_state")
        update = self.gate(self.merge("Add", update, of_state[0], f"{name}_update_sum"), f"{name}_update_gate")
        reset = self.gate(self.merge("Add", reset, of_state[1], f"{name}_reset_sum"), f"{name}_reset_gate")
        if self._after:
            by = self.merge("Multiply", reset, of_state[2], f"{name}_reset")
        else:
            by = self.of_state(self.merge("Multiply", reset, state, f"{name}_reset"), f"{name}_new", "reset")
        new = self.activated(self.merge("Add", new, by, f"{name}_new_sum"), f"{name}_new")
        # update · state + (1 − update) · new, with one product
        apart = self.merge("Subtract", state, new, f"{name}_apart")
        return self.merge("Add", new, self.merge("Multiply", update, apart, f"{name}_kept"), f"{name}_state")


_CELLS: dict[str, type[_Cell]] = {"LSTM": _Lstm, "GRU": _Gru, "SimpleRNN": _Simple}
