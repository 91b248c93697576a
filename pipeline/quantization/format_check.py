"""Hold written files to what their names and the keep rules promise, by reading them back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import PipelineError
from pipeline.quantization.keep import BASE, plan
from pipeline.recipe import Format, IoType, Keep
from pipeline.tflite.hybrid import require_hybrid
from pipeline.tflite.inspect import Inspection, inspect
from pipeline.tflite.verdict import require


def audit(files: dict[Format, Path], io_type: IoType, keep: Sequence[Keep] = (), prepared: Path | None = None) -> None:
    """Read each file back and hold it to its name and to the keep rules.

    Args:
        files: By format.
        io_type: Type of the inputs and outputs that the int8 formats were written with.
        keep: The rules they were written with.
        prepared: The float model that the rules were read against; needed with rules.

    Raises:
        PipelineError: a file is not what it was written as.
    """
    operators = inspect(prepared).operators if keep and prepared is not None else ()
    for target, path in files.items():
        found = inspect(path)
        kept = plan(operators, keep, target) if operators and target in BASE else {}
        if kept:
            require_hybrid(found, {operator.output: compute for operator, compute in kept.items()}, target, io_type)
        elif io_type == "float32" and target in ("int8", "int8_per_tensor"):
            _require_float_ends(found, target)
        else:
            require(found, target)


def _require_float_ends(found: Inspection, target: Format) -> None:
    """int8 between a QUANTIZE at the inputs and a DEQUANTIZE at the outputs, with the scales that were promised."""
    if found.verdict.kind != "int8_float_io" or (target == "int8" and not found.per_channel):
        raise PipelineError(
            f"{found.file} is not {target} with float inputs and outputs. It is {found.verdict.text}. "
            f"{'; '.join(found.verdict.breaks)}"
        )
