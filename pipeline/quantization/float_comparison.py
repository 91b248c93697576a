"""What int8 candidates are judged by: their answers beside the float model's, on the same examples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.comparison import Comparison, Record
from pipeline.quantization.output_parts import Parts
from pipeline.quantization.tap import BATCH
from pipeline.tasks.task import Task
from pipeline.tensors import Outputs, Tensors, batch_size, take
from pipeline.tflite.endings import before_activations
from pipeline.tflite.kernels import open_runner


class FloatComparison:
    """Holds written models against a float one.

    Args:
        content: The float .tflite.
        batches: The examples, by input name; they are kept.
        task: What counts as the same answer.
        threads: Interpreter threads.
        cut: Compare before a last softmax or sigmoid, whose rounding would hide the rest; else the whole models.
    """

    def __init__(
        self, content: bytes, batches: Iterable[Tensors], task: Task, threads: int, *, cut: bool = True
    ) -> None:
        self._task, self._threads, self._cut = task.before_activation() if cut else task, threads, cut
        self._batches = list(batches)
        self._expected = list(self._answers(content)) if self._batches else []
        self.examples = sum(map(batch_size, self._batches))

    def __call__(self, written: bytes) -> Comparison:
        """How near a model's answers are."""
        return self._compared(self._pairs(written))

    def by_parts(self, written: bytes, parts: Parts) -> tuple[NDArray[np.float64], float]:
        """The agreement of each example, [n], and the signal to noise ratio of the part that is worst off in dB.

        Args:
            written: A model of the same outputs.
            parts: Of the outputs; without any, an output is one part.
        """
        pairs = self._pairs(written)
        compared = self._compared(pairs)
        return compared.agreed, parts.sqnr_db(pairs) if parts.labels else compared.sqnr_db

    def _pairs(self, written: bytes) -> list[tuple[Outputs, Outputs]]:
        return list(zip(self._expected, self._answers(written), strict=True))

    def _compared(self, pairs: Iterable[tuple[Outputs, Outputs]]) -> Comparison:
        record, others = (Record(name, self._task) for name in ("int8", "float"))
        for expected, answers in pairs:
            record.hold_against(others.name, answers, expected)
        return record.against(others)

    def _answers(self, content: bytes) -> Iterator[Outputs]:
        runner = open_runner(
            before_activations(content) if self._cut else content, "xnnpack", BATCH, threads=self._threads
        )
        return (runner(batch) for batch in self._batches)


def part_of(batches: Iterable[Tensors], start: int, stop: int) -> Iterator[Tensors]:
    """Examples start to stop of a stream of batches."""
    if start >= stop:
        return
    place = 0
    for batch in batches:
        piece = take(batch, slice(max(start - place, 0), max(stop - place, 0)))
        if batch_size(piece):
            yield piece
        place += batch_size(batch)
        if place >= stop:
            return
