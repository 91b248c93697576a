"""One pass over a split: statistics of its inputs, copies, and what cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.data import Dataset, Examples
from pipeline.diagnosis.copies import Copies, Pairs
from pipeline.diagnosis.input_statistics import InputKind, InputStatistics, add_batch, statistics_of
from pipeline.diagnosis.stream import READ, numbered
from pipeline.progress import Track


@dataclass(frozen=True, eq=False)
class SplitStatistics:
    """What the pass showed."""

    split: str
    examples: Examples
    inputs: dict[str, InputStatistics]
    """By name, in the data's order."""
    pairs: Pairs
    """Copies of examples of the same split, or of the one it was held against."""
    copies: Copies
    broken: dict[str, str]
    """Examples that cannot be read, and why."""

    @property
    def count(self) -> int:
        """Examples that can be read."""
        return next(iter(self.inputs.values())).count

    @property
    def nouns(self) -> str:
        """What messages call the examples."""
        kinds = {one.of.nouns for one in self.inputs.values()}
        return kinds.pop() if len(kinds) == 1 else "examples"


def collect(
    dataset: Dataset, kinds: Sequence[InputKind], split: str, against: SplitStatistics | None, track: Track
) -> SplitStatistics:
    """Go through a split once.

    Args:
        dataset: With `on_corrupt` skip.
        kinds: Its inputs.
        split: Its name.
        against: Look for copies of this one's examples, instead of copies within the split.
        track: Follows the batches.

    Raises:
        InputError: no such split, or none of its examples can be read.
    """
    examples = dataset.split(split)
    statistics, pairs = statistics_of(kinds), Pairs()
    copies = Copies(kinds) if against is None else against.copies
    for positions, batch in track(numbered(dataset, split), f"reading {split}", -(-len(examples) // READ)):
        add_batch(statistics, positions, batch.inputs)
        found = copies.add(positions, batch.inputs) if against is None else copies.of(positions, batch.inputs)
        pairs.exact += found.exact
        pairs.near += found.near
    broken = {}
    if dataset.skipped:
        names = (examples.where(place) for place in range(len(examples)))
        broken = {name: dataset.skipped[name] for name in names if name in dataset.skipped}
    return SplitStatistics(split, examples, statistics, pairs, copies, broken)
