"""Hold written files to what their names and the keep rules promise, by reading them back and running them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.quantization.keep import BASE, INT8, as_options, float_outputs, in_float, plan
from pipeline.quantization.kernel_table import Dtype, refused
from pipeline.recipe import Format, IoType, Keep
from pipeline.tflite.hybrid import HALF, require_hybrid
from pipeline.tflite.inspect import Inspection, inspect
from pipeline.tflite.plausible_run import plausible_run
from pipeline.tflite.verdict import is_float, require


def audit(files: dict[Format, Path], io_type: IoType, keep: Sequence[Keep] = (), prepared: Path | None = None) -> None:
    """Read each file back and hold it to its name and to the keep rules; run those with integer activations on
    plausible inputs.

    Args:
        files: By format.
        io_type: Type of the inputs and outputs that the int8 formats were written with.
        keep: The rules they were written with.
        prepared: The float model that they were written from, which the rules are read against. Its float16 inputs and
            outputs stay what they are.

    Raises:
        PipelineError: a file is not what it was written as, or does not run where the float model does. The message
            ends with the keep rules that help, where there are such.
    """
    source = None if prepared is None else inspect(prepared)
    for target, path in files.items():
        found = inspect(path)
        kept = plan(source.operators, keep, target) if keep and source is not None and target in BASE else {}
        floating = float_outputs([port.name for port in found.outputs], keep) if target in BASE else frozenset()
        names = {operator.output: compute for operator, compute in kept.items()}
        try:
            _hold(found, target, io_type, names, floating, source)
        except PipelineError as error:
            floats = {operator.output for operator in found.float_operators if operator.subgraph == 0}
            why = _reasons(found, target)
            raise PipelineError(f"{error}{why}{_hint(source, target, keep, floats)}") from error
        if target in BASE:
            _require_runs(path, target, keep, source, prepared)


def _reasons(found: Inspection, target: Format) -> str:
    """Why LiteRT's integer kernels of the operators that stayed in float are not used, where trials said so."""
    if target not in BASE:
        return ""
    dtype: Dtype = "int8" if target in INT8 else "int16"
    kinds = dict.fromkeys(operator.name for operator in found.float_operators)
    known = {kind: refused(kind, dtype) for kind in kinds}
    return "".join(f" {kind} in {dtype} failed its trial ({why})." for kind, why in known.items() if why)


def _hold(
    found: Inspection,
    target: Format,
    io_type: IoType,
    kept: Mapping[str, str],
    floating: Set[str],
    source: Inspection | None,
) -> None:
    half = {port.name for port in (*source.inputs, *source.outputs) if port.dtype in HALF} if source else set()
    if kept or floating:
        require_hybrid(found, kept, target, io_type, floating)
    elif target in ("int8", "int8_per_tensor") and (io_type == "float32" or half):
        _require_float_ends(found, target, None if io_type == "float32" else half)
    else:
        require(found, target)


def _require_runs(
    path: Path, target: Format, keep: Sequence[Keep], source: Inspection | None, prepared: Path | None
) -> None:
    """Whatever the float model runs on, the integer one must run on."""
    ran = plausible_run(path)
    if ran is None or not ran.bad:
        return
    before = None if prepared is None else plausible_run(prepared)
    if before is not None and before.bad:  # it is not rounding that breaks it
        return
    culprits = set() if ran.culprit is None else {ran.culprit.output}
    raise PipelineError(
        f"{path} is written as {target} and {ran.sentence}, where the float model runs."
        f"{_hint(source, target, keep, culprits)}"
    )


def _hint(source: Inspection | None, target: Format, keep: Sequence[Keep], names: Collection[str]) -> str:
    """What to type so that these operators stay in float; nothing where the float model has none of them."""
    if source is None or target not in BASE:
        return ""
    planned = {operator.output for operator in plan(source.operators, keep, target)}
    rules = in_float(source.operators, set(names) - planned)
    if not rules:
        return ""
    return f" To leave what cannot be {target} in float, said so in the file: {as_options([*keep, *rules])}"


def _require_float_ends(found: Inspection, target: Format, allowed: Set[str] | None) -> None:
    """int8 between a QUANTIZE at the inputs and a DEQUANTIZE at the outputs, with the scales that were promised.

    `allowed`: The inputs and outputs that may be float; None: all.
    """
    floats = [port.name for port in (*found.inputs, *found.outputs) if is_float(port.dtype)]
    wrong = [name for name in floats if allowed is not None and name not in allowed]
    if found.verdict.kind != "int8_float_io" or wrong or (target == "int8" and found.per_channel is False):
        which = "" if allowed is None else f" ({', '.join(sorted(allowed))}, no other)"
        raise PipelineError(
            f"{found.file} is not {target} with float inputs and outputs{which}. It is {found.verdict.text}. "
            f"{'; '.join(found.verdict.breaks)}"
        )
