"""Does the int8 model answer what QAT trained? Fake-quant accuracy says nothing where it does not.

The field's complaint: tensorflow/model-optimization#368, #1107.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.data.loader import Dataset
from pipeline.evaluation.evaluator import Evaluation
from pipeline.progress import Track, quiet
from pipeline.recipe import Verify
from pipeline.tflite.activations import Activations
from pipeline.verification.inside import TensorGap, look_inside, single_examples

PROMISED = 0.99
"""Agreement that is to be reached."""
LOOKED_AT = 16


@dataclass(frozen=True)
class Parity:
    """The int8 model beside the simulation that QAT trained."""

    n: int
    agreement: float
    """By the task, 0..1: of a classifier the share of the examples with the same top-1."""
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
    files: Mapping[str, Path], scores: Mapping[str, Evaluation], data: Dataset, *, track: Track = quiet
) -> Parity:
    """Hold the answers of both, which are known already, against each other, and look inside where they differ.

    Args:
        files: `qat`, the converted QAT model, float with fake-quant; and `int8`, what was quantized from it.
        scores: What both answered on the test split, `int8` compared with `qat` too.
        data: The recipe's.
        track: Follows the look inside.

    Raises:
        InputError: the data or a model cannot be used.
        PipelineError: a model fails while it runs.
    """
    same = scores["int8"].besides["qat"].agreement
    if same >= PROMISED:
        return Parity(scores["int8"].n, same, None)
    tolerance = Verify()
    found = look_inside(
        "int8",
        "fake-quant",
        Activations(files["qat"].read_bytes(), "xnnpack"),
        Activations(files["int8"].read_bytes(), "xnnpack"),
        single_examples(data.batches("test", LOOKED_AT), LOOKED_AT),
        sqnr_db=tolerance.tensor_sqnr_db,
        lsb=tolerance.tensor_lsb,
        track=track,
    )
    return Parity(scores["int8"].n, same, found.first, found.steepest)
