"""Does the int8 model answer what QAT trained? Fake-quant accuracy says nothing where it does not.

The field's complaint: tensorflow/model-optimization#368, #1107.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline.data.loader import Dataset
from pipeline.progress import Track, quiet
from pipeline.recipe import Verify
from pipeline.tflite.activations import Activations
from pipeline.verify.flatbuffer_rung import FlatbufferRung
from pipeline.verify.inside import TensorGap, look_inside
from pipeline.verify.ladder import climb

PROMISED = 0.99
"""Share of the answers that are to be the same."""
CHUNK, LOOKED_AT = 32, 16


@dataclass(frozen=True)
class Parity:
    """The int8 model beside the simulation that QAT trained."""

    n: int
    agreement: float
    """Share of the examples with the same top-1."""
    first: TensorGap | None
    """Where they part first, looked for below `PROMISED`."""

    @property
    def kept(self) -> bool:
        return self.agreement >= PROMISED

    def __str__(self) -> str:
        text = f"int8 against the fake-quant model: {100 * self.agreement:.1f} % of {self.n} answers are the same"
        if self.kept:
            return text
        where = f"; they part first at '{self.first.tensor}' ({self.first.operator})" if self.first else ""
        return f"{text}, less than {100 * PROMISED:g} %{where}. `pipeline verify` shows every step"

    def to_json(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "agreement": self.agreement,
            "kept": self.kept,
            "first": self.first.to_json() if self.first else None,
        }


def compare(simulation: Path, int8: Path, data: Dataset, *, split: str = "test", track: Track = quiet) -> Parity:
    """Ask both on real data.

    Args:
        simulation: The converted QAT model, float with fake-quant.
        int8: What was quantized from it.
        data: The recipe's.
        split: Whose examples.
        track: Follows the passes.

    Raises:
        InputError: the data or a model cannot be used.
        PipelineError: a model fails while it runs.
    """
    rungs = [FlatbufferRung("qat", "fake-quant", simulation), FlatbufferRung("xnnpack", "int8", int8)]
    _, step = climb(rungs, data.batches(split, CHUNK), track=track)
    assert step.above is not None
    if step.above.agreement >= PROMISED:
        return Parity(step.n, step.above.agreement, None)
    examples = islice((x for batch in data.batches(split, LOOKED_AT) for x in batch.x), LOOKED_AT)
    tolerance = Verify()
    found = look_inside(
        "int8",
        "fake-quant",
        Activations(simulation.read_bytes(), "xnnpack"),
        Activations(int8.read_bytes(), "xnnpack"),
        examples,
        sqnr_db=tolerance.tensor_sqnr_db,
        lsb=tolerance.tensor_lsb,
        track=track,
    )
    return Parity(step.n, step.above.agreement, found.first)
