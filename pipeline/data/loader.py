"""Batches from examples: read, preprocessed and put together while they are used, never all at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.data.augment import augmented
from pipeline.data.examples import CorruptExampleError, Examples, Labels
from pipeline.data.preprocess import Preprocessor
from pipeline.data.sources.source import SPLITS
from pipeline.errors import InputError, did_you_mean
from pipeline.recipe import Augment
from pipeline.tensors import OPEN, Batch, TensorSpec

BLOCK = 32
"""Examples a thread reads in one go: enough to make handing over cheap, few enough to keep memory small."""

Example = tuple[NDArray[np.float32], int]

INPUT, TARGET = "x", "y"
"""What the one input and the one target are called where the data does not name them."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """The splits of a recipe's data, and how an example becomes a model's input.

    Attributes:
        splits: Some of train, calibration, validation, test; none shares an example with another.
        class_names: The name of class 0, 1, ….
        preprocessor: From a stored example to the model's input.
        fingerprint: SHA-256 that changes when the stored examples do.
        input_shape: An example's shape after preprocessing, without a batch.
        input_shape_from: The example it was taken from; all others must have it too.
        on_corrupt: Whether a broken example ends the work or is left out.
        skipped: Broken examples met so far and left out, and why. It fills while batches are read, so a split
            may yield fewer examples than its length.
    """

    splits: Mapping[str, Examples]
    class_names: tuple[str, ...]
    preprocessor: Preprocessor
    fingerprint: str
    input_shape: tuple[int, ...]
    input_shape_from: str
    on_corrupt: Literal["fail", "skip"]
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def inputs(self) -> dict[str, TensorSpec]:
        """What a batch holds for the model, by name; the batch is open."""
        return {INPUT: TensorSpec(INPUT, (OPEN, *self.input_shape), np.dtype(np.float32))}

    @property
    def preprocessors(self) -> Mapping[str, Preprocessor]:
        """By input name, from a stored example to what the model is fed."""
        return {INPUT: self.preprocessor}

    @property
    def targets(self) -> dict[str, TensorSpec]:
        """What is known about the examples, by name; the batch is open."""
        return {TARGET: TensorSpec(TARGET, (OPEN,), np.dtype(np.int64))}

    def split(self, name: str) -> Examples:
        """The stored examples of a split.

        Raises:
            InputError: there is no such split, with what would make one.
        """
        if name in self.splits:
            return self.splits[name]
        if name not in SPLITS:
            raise InputError(f"There is no split '{name}'.{did_you_mean(name, SPLITS)}")
        there = ", ".join(f"{split} ({len(examples)})" for split, examples in self.splits.items())
        if "train" in self.splits:
            how = f"Add one to the data, or take it out of train: data.{name} above 0 and enough examples."
        elif name == "train":
            how = "Add training examples to the data."
        else:
            how = f"Add a {name} split to the data, or training examples, out of which one can be taken."
        raise InputError(f"The data has no {name} split, only {there}. {how}")

    def size(self, split: str) -> int:
        """The number of examples in a split, broken ones included.

        Raises:
            InputError: there is no such split.
        """
        return len(self.split(split))

    def labels(self, split: str) -> Labels:
        """Class indices of a split in stored order, int64 [N], those of broken examples included.

        Raises:
            InputError: there is no such split.
        """
        return self.split(split).labels

    def batches(
        self,
        split: str,
        batch_size: int,
        *,
        shuffle_seed: int | None = None,
        augment: Augment | None = None,
        workers: int = 2,
        drop_remainder: bool = False,
        share: tuple[int, int] = (0, 1),
    ) -> Iterator[Batch]:
        """Go through a split once. The iterator may be dropped at any point.

        Args:
            split: Its name.
            batch_size: Examples a batch; the last one may be smaller.
            shuffle_seed: Decides order and augmentation; in stored order by default. Another one every epoch.
            augment: Random changes, for training.
            workers: Threads that read and preprocess. They make no difference to what comes out.
            drop_remainder: Leave out a last batch that is smaller.
            share: `(index, of)`: read and yield only one of so many equal parts of each batch, for training in
                several processes. `batch_size` stays the whole batch's. Of a last batch that does not divide, what
                is left over is left out.

        Raises:
            InputError: at once if there is no such split or it cannot be augmented; on the way if an example
                is broken (and not to be skipped), or has another shape than the others.
        """
        examples = self.split(split)
        if augment is not None and not (augment.flip or augment.shift):
            augment = None
        if augment is not None and len(self.input_shape) != 3:
            raise InputError(f"data.augment is for images; these have the shape {list(self.input_shape)}. Remove it.")
        order = _order(len(examples), shuffle_seed)
        if share[1] > 1:
            order = _share(order, batch_size, *share)
        entropy = [shuffle_seed or 0, *share[:1]] if share[0] else [shuffle_seed or 0]
        return self._batches(examples, order, batch_size // share[1], entropy, augment, workers, drop_remainder)

    def _batches(
        self,
        examples: Examples,
        order: NDArray[np.int64],
        batch_size: int,
        entropy: list[int],
        augment: Augment | None,
        workers: int,
        drop_remainder: bool,
    ) -> Iterator[Batch]:
        rest: list[Example] = []
        some = False
        for block in self._blocks(examples, order, min(batch_size, BLOCK), entropy, augment, workers):
            some = some or bool(block)
            rest += block
            while len(rest) >= batch_size:
                yield _batch(rest[:batch_size])
                rest = rest[batch_size:]
        if not some and len(order):
            first = examples.where(int(order[0]))
            raise InputError(f"None of the {len(examples)} examples can be read. {first}: {self.skipped[first]}.")
        if rest and not drop_remainder:
            yield _batch(rest)

    def _blocks(
        self,
        examples: Examples,
        order: NDArray[np.int64],
        block_size: int,
        entropy: list[int],
        augment: Augment | None,
        workers: int,
    ) -> Iterator[list[Example]]:
        """Blocks in order, a few of them read ahead."""
        pending: deque[Future[list[Example]]] = deque()
        with ThreadPoolExecutor(workers, "data") as pool:
            try:
                for start in range(0, len(order), block_size):
                    chances = np.random.default_rng([*entropy, start]) if augment else None
                    indices = order[start : start + block_size]
                    pending.append(pool.submit(self._block, examples, indices, augment, chances))
                    if len(pending) > workers:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:  # the consumer stopped, or an example is broken
                for future in pending:
                    future.cancel()

    def _block(
        self,
        examples: Examples,
        indices: NDArray[np.int64],
        augment: Augment | None,
        chances: np.random.Generator | None,
    ) -> list[Example]:
        change = partial(augmented, augment=augment, rng=chances) if augment and chances else None
        block: list[Example] = []
        for index in indices.tolist():
            try:
                x = read_example(examples, index, self.preprocessor)
            except CorruptExampleError as error:
                if self.on_corrupt == "fail":
                    raise
                self.skipped[error.where] = error.reason
                continue
            if x.shape != self.input_shape:
                raise InputError(
                    f"{self.input_shape_from} gives an input of the shape {list(self.input_shape)}, but "
                    f"{examples.where(index)} one of {list(x.shape)}. A model takes one shape: set "
                    "data.preprocess.size to [height, width], and channels if these differ."
                )
            block.append((change(x) if change else x, int(examples.labels[index])))
        return block


def _order(count: int, seed: int | None) -> NDArray[np.int64]:
    return np.arange(count) if seed is None else np.random.default_rng(seed).permutation(count)


def _share(order: NDArray[np.int64], batch_size: int, index: int, of: int) -> NDArray[np.int64]:
    """One of equal parts of each batch, in the batches' order."""
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    parts = [batch[index * (len(batch) // of) : (index + 1) * (len(batch) // of)] for batch in batches]
    return np.concatenate(parts) if parts else order


def _batch(examples: list[Example]) -> Batch:
    return Batch({INPUT: np.stack([x for x, _ in examples])}, {TARGET: np.array([y for _, y in examples], np.int64)})


def read_example(examples: Examples, index: int, preprocessor: Preprocessor) -> NDArray[np.float32]:
    """One example as the model takes it.

    Raises:
        CorruptExampleError: it is broken, or holds NaN or infinity.
        InputError: it cannot be preprocessed as the recipe says.
    """
    raw = examples[index]
    try:
        x = preprocessor(raw)
    except InputError as error:
        raise InputError(f"{examples.where(index)}: {error}") from error
    if raw.dtype.kind == "f" and not np.isfinite(x).all():
        raise CorruptExampleError(examples.where(index), "it holds NaN or infinite values")
    return x
