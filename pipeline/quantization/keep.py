"""Keep rules: which operators of an integer model compute in another type than the rest."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, get_args

from pipeline.errors import InputError, did_you_mean
from pipeline.recipe import Compute, Format, Keep
from pipeline.tflite.operator_names import matches, nearest, short_names

if TYPE_CHECKING:
    from pipeline.tflite.inspect import Operator

BASE: dict[Format, Compute] = {"int8": "int8", "int8_per_tensor": "int8", "int16x8": "int16x8"}
"""What the operators of each format with integer activations compute in, where no rule says otherwise."""
INT8 = frozenset(name for name, compute in BASE.items() if compute == "int8")
OUTPUT = "OUTPUT"
"""The type, in a rule, of the model's outputs: `type:OUTPUT=float32` leaves them float whatever `--io` says."""


def plan(operators: Sequence[Operator], rules: Sequence[Keep], target: Format = "int8") -> dict[Operator, Compute]:
    """The operators that leave the format, by the rules; the later rule wins.

    A pattern that is the whole name of an operator names that one alone.

    Args:
        operators: Of the float model, as `pipeline.tflite.inspect` lists them.
        rules: In the recipe's order.
        target: One of `BASE`. A rule that asks for the format's own type takes earlier rules back.

    Raises:
        InputError: a rule that no operator matches; the nearest names are told.
    """
    found: dict[Operator, Compute] = {}
    computing = [operator for operator in operators if operator.compute]
    for rule in rules:
        for operator in _matched(rule, computing) if rule.type != OUTPUT else ():
            found[operator] = rule.to
    return {operator: compute for operator, compute in found.items() if compute != BASE[target]}


def kept_in_float(content: bytes, rules: Sequence[Keep], target: Format = "int8") -> frozenset[str]:
    """Outputs of the operators of a float .tflite that rules keep in float32, or in float16, which computes so.

    Raises:
        InputError: as :func:`plan`.
    """
    from pipeline.tflite.inspect import inspect

    if not rules or target not in BASE:
        return frozenset()
    kept = plan(inspect(content).operators, rules, target)
    return frozenset(operator.output for operator, compute in kept.items() if compute in ("float32", "float16"))


def float_outputs(names: Sequence[str], rules: Sequence[Keep]) -> frozenset[str]:
    """The outputs that stay float32 by rules of the type OUTPUT; the later rule wins.

    Args:
        names: Of the model's outputs.
        rules: In the recipe's order; of other types too.

    Raises:
        InputError: a rule that no output matches, or one that asks for another type than float32 and int8, which takes
            earlier rules back.
    """
    found: set[str] = set()
    for rule in rules:
        if rule.type != OUTPUT:
            continue
        if rule.to not in ("float32", "int8"):
            raise InputError(f"The keep rule '{rule}': an output is kept as float32 or int8, not as {rule.to}.")
        fitting = {name for name in names if rule.match is None or name == rule.match}
        fitting = fitting or {name for name in names if matches(rule.match or "*", name)}
        if not fitting:
            raise InputError(
                f"The keep rule '{rule}' matches no output.{did_you_mean(rule.match or '', names)} The model's outputs "
                f"are {', '.join(map(repr, names))}."
            )
        found = found | fitting if rule.to == "float32" else found - fitting
    return frozenset(found)


def parse(text: str) -> Keep:
    """A rule as `--keep` takes it: `PATTERN`, `type:TYPE` or both, then `=float32` (the default), `=int16x8`, ….

    `str(rule)` is such a text.

    Raises:
        InputError: nothing before the equals sign, or no such type to compute in.
    """
    what, equals, to = text.rpartition("=")
    if not equals:
        what, to = text, "float32"
    if to not in get_args(Compute):
        raise InputError(f"--keep {text}: an operator cannot be kept as '{to}'.{did_you_mean(to, get_args(Compute))}")
    pattern, mark, kind = f" {what}".rpartition(" type:")
    given = {"match": pattern.strip(), "type": kind} if mark else {"match": kind.strip()}
    given = {key: value for key, value in given.items() if value or key == "type"}
    if not given or given.get("type") == "":
        raise InputError(f"--keep takes PATTERN[=TYPE] or type:OPERATOR[=TYPE], for example 'conv_1*', not '{text}'.")
    return Keep.model_validate(given | {"as": to})


def as_options(rules: Sequence[Keep]) -> str:
    """The rules as they are typed behind `pipeline export`."""
    return " ".join(f"--keep {shlex.quote(str(rule))}" for rule in dict.fromkeys(rules))


def in_float(operators: Sequence[Operator], names: Collection[str]) -> tuple[Keep, ...]:
    """As :func:`keep_as`, in float32."""
    return keep_as(operators, names, "float32")


def keep_as(operators: Sequence[Operator], names: Collection[str], compute: Compute) -> tuple[Keep, ...]:
    """A rule for each operator of a float model that shall leave its format.

    Args:
        operators: Of the float model.
        names: The outputs of those that shall; others of them are passed over.
        compute: What they shall compute in.
    """
    computing = [operator for operator in operators if operator.compute]
    shorts = short_names([(operator.output, operator.name) for operator in computing])
    return tuple(
        Keep.model_validate({"match": short, "as": compute})
        for operator, short in zip(computing, shorts, strict=True)
        if operator.output in names
    )


def _matched(rule: Keep, operators: Sequence[Operator]) -> list[Operator]:
    chosen = list(operators)
    if rule.type is not None:
        chosen = [operator for operator in chosen if operator.name == rule.type]
        if not chosen:
            hint = did_you_mean(rule.type.upper(), {operator.name for operator in operators})
            raise InputError(f"The keep rule '{rule}': no operator of the model is a {rule.type}.{hint}")
    if rule.match is None:
        return chosen
    exact = [operator for operator in chosen if operator.output == rule.match]
    fitting = exact or [operator for operator in chosen if matches(rule.match, operator.output)]
    if not fitting:
        close = nearest(rule.match, (operator.output for operator in chosen))
        hint = f" The nearest names are {', '.join(map(repr, close))}." if close else ""
        among = "" if rule.type is None else f" among the {len(chosen)} {rule.type}"
        raise InputError(
            f"The keep rule '{rule}' matches no operator{among}.{hint} `pipeline inspect --operators` lists them all."
        )
    return fitting
