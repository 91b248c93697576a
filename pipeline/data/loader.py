"""Batches from examples: read, preprocessed and put together while they are used, never all at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.data.augment import changes
from pipeline.data.examples import CorruptExampleError, Examples, Labels
from pipeline.data.image_shapes import shown_change, stored_image
from pipeline.data.located_columns import boxes_of, classes_there
from pipeline.data.preparation import Preparation
from pipeline.data.preprocess import Preprocessor
from pipeline.data.sources.source import SPLITS, KnownTarget, names_of_classes
from pipeline.errors import InputError, did_you_mean
from pipeline.recipe import Augment, TargetKind
from pipeline.tensors import OPEN, Array, Batch, TensorSpec

BLOCK = 32
"""Examples a thread reads in one go: enough to make handing over cheap, few enough to keep memory small."""

_NAMED = 5
"""Classes that a sentence names."""
Example = tuple[dict[str, Array], dict[str, Array]]
"""Inputs and targets of one example, by name."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """The splits of a recipe's data, and how an example becomes a model's inputs.

    Attributes:
        splits: Some of train, calibration, validation, test; none shares an example with another, `calibrating` aside.
        preparation: From a stored example to inputs and targets.
        inputs: What a batch holds for the model, by name; the batch is open.
        targets: What is known about the examples, by name; empty where nothing is. The batch is open.
        known: What the source knows of each target.
        fingerprint: SHA-256 that changes when the stored examples do.
        shapes_from: The example that the shapes were taken from; all others must have them too.
        on_corrupt: Whether a broken example ends the work or is left out.
        skipped: Broken examples met so far and left out, and why. It fills while batches are read, so a split
            may yield fewer examples than its length.
        notes: What was found beside the examples and not taken, a sentence each.
        calibrating: Splits with examples that are calibration examples too, as nothing is trained and there are few.
    """

    splits: Mapping[str, Examples]
    preparation: Preparation
    inputs: dict[str, TensorSpec]
    targets: dict[str, TensorSpec]
    known: Mapping[str, KnownTarget]
    fingerprint: str
    shapes_from: str
    on_corrupt: Literal["fail", "skip"]
    skipped: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    calibrating: frozenset[str] = frozenset()

    @property
    def preprocessors(self) -> Mapping[str, Preprocessor]:
        """From a stored example to the model's input, by the input's name."""
        return self.preparation.inputs

    @property
    def target_preprocessors(self) -> Mapping[str, Preprocessor]:
        """The same for targets of values; classes, labels and sequences have none."""
        return self.preparation.targets

    @property
    def target_kinds(self) -> dict[str, TargetKind]:
        """By name: class, value, multilabel or sequence; value for a copy of an input."""
        return {name: self.known[name].kind if name in self.known else "value" for name in self.targets}

    @property
    def class_names(self) -> tuple[str, ...]:
        """The name of class 0, 1, … of the one target that has classes, be they of the whole image, of boxes or of
        pixels; empty where there is none, or several."""
        return names_of_classes(self.known)

    @property
    def shape_changes(self) -> list[str]:
        """What is done to the first image's size and channels, a sentence an input; empty where nothing is."""
        examples = next(iter(self.splits.values()))
        changes = []
        for name, column in examples.inputs.items():
            made = self.inputs[name].shape[1:]
            if self.preprocessors[name].describe()["kind"] == "image" and len(made) == 3:
                stored = stored_image(column)
                if stored is not None and stored != made:
                    changes.append(f"input '{name}': {shown_change(stored, made)}")
        return changes

    def remarks(self, splits: Iterable[str] = ("train", "validation", "test")) -> list[str]:
        """What whoever works with some splits should be told: the notes, and which classes have no example there."""
        return [*self.notes, *(said for name in splits if (said := self.missing_classes(name)))]

    def missing_classes(self, split: str) -> str | None:
        """A sentence about the classes of which a split has no example, or no box; empty where it has all, None where
        there are no classes, or it takes reading every example to know."""
        names, there = self.class_names, self._classes_there(split)
        if not names or there is None:
            return None
        missing = [name for index, name in enumerate(names) if index not in there]
        if not missing:
            return ""
        more = ", …" if len(missing) > _NAMED else ""
        what = "example" if self.splits[split].classes is not None else "box"
        return (
            f"The {split} split has no {what} of {len(missing)} of the {len(names)} classes: "
            f"{', '.join(missing[:_NAMED])}{more}."
        )

    def _classes_there(self, split: str) -> set[int] | None:
        """The classes of which a split has something; None: it takes reading all of its examples to know."""
        if split not in self.splits:
            return None
        examples = self.splits[split]
        if examples.classes is not None:
            return set(examples.classes.tolist())
        found = [boxes for column in examples.targets.values() if (boxes := boxes_of(column)) is not None]
        return classes_there(found[0]) if len(found) == 1 else None

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
            InputError: there is no such split, or no target tells classes, or several do.
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
        if augment is not None and not augment.changes:
            augment = None
        if augment is not None and not any(self._is_image(spec, self.preprocessors) for spec in self.inputs.values()):
            shapes = ", ".join(f"'{name}' {list(spec.shape[1:])}" for name, spec in self.inputs.items())
            raise InputError(f"data.augment is for images; the data has {shapes}. Remove it.")
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
        block: list[Example] = []
        draw = changes(augment, chances) if augment is not None and chances is not None else None
        for index in indices.tolist():
            try:
                inputs, targets = self.preparation.read(examples, index, draw)
            except CorruptExampleError as error:
                if self.on_corrupt == "fail":
                    raise
                self.skipped[error.where] = error.reason
                continue
            self._check(inputs, self.inputs, "input", examples, index)
            self._check(targets, self.targets, "target", examples, index)
            for name, source in self.preparation.copies.items():
                targets[name] = inputs[source]
            block.append((inputs, targets))
        return block

    def _check(
        self, tensors: Mapping[str, Array], specs: Mapping[str, TensorSpec], what: str, examples: Examples, index: int
    ) -> None:
        for name, array in tensors.items():
            wanted = specs[name].shape[1:]
            if array.shape != wanted:
                raise InputError(
                    f"{self.shapes_from} gives an {what} '{name}' of the shape {list(wanted)}, but "
                    f"{examples.where(index)} one of {list(array.shape)}. A model takes one shape"
                    f"{self._how_to_fix(name, what)}."
                )

    def _how_to_fix(self, name: str, what: str) -> str:
        preprocessors = self.preprocessors if what == "input" else self.target_preprocessors
        described = preprocessors[name].describe()["kind"] if name in preprocessors else ""
        if described == "image":
            return ": set data.preprocess.size to [height, width], and channels if these differ"
        return ": cut or fill the stored examples"

    @staticmethod
    def _is_image(spec: TensorSpec, preprocessors: Mapping[str, Preprocessor]) -> bool:
        known = preprocessors.get(spec.name)
        return known is not None and len(spec.shape) == 4 and known.describe()["kind"] == "image"


def specs_of(tensors: Mapping[str, Array]) -> dict[str, TensorSpec]:
    """What batches of such examples hold."""
    return {name: TensorSpec(name, (OPEN, *array.shape), array.dtype) for name, array in tensors.items()}


def _order(count: int, seed: int | None) -> NDArray[np.int64]:
    return np.arange(count) if seed is None else np.random.default_rng(seed).permutation(count)


def _share(order: NDArray[np.int64], batch_size: int, index: int, of: int) -> NDArray[np.int64]:
    """One of equal parts of each batch, in the batches' order."""
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    parts = [batch[index * (len(batch) // of) : (index + 1) * (len(batch) // of)] for batch in batches]
    return np.concatenate(parts) if parts else order


def _batch(examples: list[Example]) -> Batch:
    inputs, targets = examples[0]
    return Batch(
        {name: np.stack([one[name] for one, _ in examples]) for name in inputs},
        {name: np.stack([one[name] for _, one in examples]) for name in targets},
    )
