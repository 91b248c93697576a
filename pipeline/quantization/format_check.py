"""Hold written files to what their names and the keep rules promise, by reading them back."""

from __future__ import annotations

from collections.abc import Sequence, Set
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.quantization.keep import BASE, plan
from pipeline.recipe import Format, IoType, Keep
from pipeline.tflite.hybrid import HALF, require_hybrid
from pipeline.tflite.inspect import Inspection, inspect
from pipeline.tflite.verdict import is_float, require


def audit(files: dict[Format, Path], io_type: IoType, keep: Sequence[Keep] = (), prepared: Path | None = None) -> None:
    """Read each file back and hold it to its name and to the keep rules.

    Args:
        files: By format.
        io_type: Type of the inputs and outputs that the int8 formats were written with.
        keep: The rules they were written with.
        prepared: The float model that they were written from, which the rules are read against. Its float16 inputs and
            outputs stay what they are.

    Raises:
        PipelineError: a file is not what it was written as.
    """
    source = None if prepared is None else inspect(prepared)
    operators = source.operators if keep and source is not None else ()
    half = {port.name for port in (*source.inputs, *source.outputs) if port.dtype in HALF} if source else set()
    for target, path in files.items():
        found = inspect(path)
        kept = plan(operators, keep, target) if operators and target in BASE else {}
        if kept:
            require_hybrid(found, {operator.output: compute for operator, compute in kept.items()}, target, io_type)
        elif target in ("int8", "int8_per_tensor") and (io_type == "float32" or half):
            _require_float_ends(found, target, None if io_type == "float32" else half)
        else:
            require(found, target)


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
