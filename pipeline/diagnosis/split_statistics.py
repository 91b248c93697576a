"""One pass over a split: statistics of its inputs, copies, and what cannot be read."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.data import Dataset, Examples
from pipeline.diagnosis.copies import Copies, Pairs
from pipeline.diagnosis.pixels import Pixels
from pipeline.diagnosis.stream import READ, numbered
from pipeline.progress import Track


@dataclass(frozen=True, eq=False)
class Survey:
    """What the pass showed."""

    split: str
    examples: Examples
    pixels: Pixels
    pairs: Pairs
    """Copies of examples of the same split, or of the one it was held against."""
    copies: Copies
    broken: dict[str, str]
    """Examples that cannot be read, and why."""


def survey(dataset: Dataset, split: str, against: Survey | None, track: Track) -> Survey:
    """Go through a split once.

    Args:
        dataset: With `on_corrupt` skip.
        split: Its name.
        against: Look for copies of this one's examples, instead of copies within the split.
        track: Follows the batches.

    Raises:
        InputError: no such split, or none of its examples can be read.
    """
    examples = dataset.split(split)
    pixels, pairs = Pixels(dataset.input_shape), Pairs()
    copies = Copies(dataset.input_shape) if against is None else against.copies
    for positions, batch in track(numbered(dataset, split), f"reading {split}", -(-len(examples) // READ)):
        pixels.add(positions, batch.x)
        found = copies.add(positions, batch.x) if against is None else copies.of(positions, batch.x)
        pairs.exact += found.exact
        pairs.near += found.near
    broken = {}
    if dataset.skipped:
        names = (examples.where(place) for place in range(len(examples)))
        broken = {name: dataset.skipped[name] for name in names if name in dataset.skipped}
    return Survey(split, examples, pixels, pairs, copies, broken)
