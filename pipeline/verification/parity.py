"""Does the int8 model answer what QAT trained? Fake-quant accuracy says nothing where it does not.

The field's complaint: tensorflow/model-optimization#368, #1107.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.data.loader import Dataset
from pipeline.evaluation.evaluator import evaluate
from pipeline.progress import Track, quiet
from pipeline.recipe import Verify
from pipeline.tasks.task import Task
from pipeline.tensors import Batch
from pipeline.tflite.activations import Activations
from pipeline.verification.inside import TensorGap, look_inside, single_examples

PROMISED = 0.99
"""Agreement that is to be reached."""
LOOKED_AT = 16
_CHUNK = 32
"""Examples that are prepared at a time."""


@dataclass(frozen=True)
class Parity:
    """The int8 model beside the simulation that QAT trained."""

    n: int
    agreement: float
    """Mean over the examples of how far both give the same answer, 0..1: for classifiers the share of equal ones."""
    first: TensorGap | None
    """The first activation that diverges beyond tolerance, looked for below `PROMISED`."""
    steepest: TensorGap | None = None
    """Where one operator adds most noise, looked for there too."""

    @property
    def kept(self) -> bool:
        return self.agreement >= PROMISED

    def __str__(self) -> str:
        text = f"int8 agrees with the fake-quant model on {100 * self.agreement:.1f} % of {self.n} examples"
        if self.kept:
            return text
        where = ""
        if self.first is not None:
            where = f"; they diverge first at '{self.first.tensor}' ({self.first.operator})"
        elif self.steepest is not None:  # many small differences, none of them wrong
            where = f"; no activation diverges beyond tolerance, most noise comes in at '{self.steepest.tensor}'"
        return f"{text}, less than {100 * PROMISED:g} %{where}. `pipeline verify` shows every step"

    def to_json(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "agreement": self.agreement,
            "kept": self.kept,
            "first": self.first.to_json() if self.first else None,
            "steepest": self.steepest.to_json() if self.steepest else None,
        }


def compare(
    files: Mapping[str, Path],
    data: Dataset,
    task: Task,
    *,
    threads: int = 2,
    batch_size: int = 8,
    track: Track = quiet,
) -> Parity:
    """Let both answer the test split, and look inside where they differ.

    Args:
        files: `qat`, the converted QAT model, float with fake-quant; and `int8`, what was quantized from it.
        data: The recipe's.
        task: Whose agreement counts; labels are not looked at.
        threads: CPU threads of each interpreter.
        batch_size: Examples in one call of a model.
        track: Follows the passes.

    Raises:
        InputError: the data or a model cannot be used.
        PipelineError: a model fails while it runs.
    """
    found = evaluate(
        {name: files[name] for name in ("qat", "int8")},
        (Batch(batch.inputs, {}) for batch in data.batches("test", _CHUNK)),
        task,
        "qat",
        threads=threads,
        batch_size=batch_size,
        track=track,
    )["int8"]
    assert found.compared is not None
    agreement = found.compared.agreement
    if agreement >= PROMISED:
        return Parity(found.n, agreement, None)
    tolerance = Verify()
    inside = look_inside(
        "int8",
        "fake-quant",
        Activations(files["qat"].read_bytes(), "xnnpack"),
        Activations(files["int8"].read_bytes(), "xnnpack"),
        single_examples(data.batches("test", LOOKED_AT), LOOKED_AT),
        sqnr_db=tolerance.tensor_sqnr_db,
        lsb=tolerance.tensor_lsb,
        track=track,
    )
    return Parity(found.n, agreement, inside.first, inside.steepest)
