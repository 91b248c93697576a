"""What a split is made of: stored examples, read one at a time and only when asked for.

Every class here can be read from several threads at once, and reading one example never reads another.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pipeline.errors import InputError

Labels = NDArray[np.int64]
"""Class indices, int64 [N]."""

Mode = Literal["L", "RGB"]
"""Pillow's names for what an image file is decoded to: grey (one channel) or RGB (three)."""

GREY_MODES = ("1", "L", "LA", "I;16")


class CorruptExampleError(InputError):
    """One stored example is broken, the others may be fine; `data.on_corrupt: skip` leaves it out.

    Attributes:
        where: The example, as :meth:`Examples.where` names it.
        reason: What is wrong with it.
    """

    def __init__(self, where: str, reason: str) -> None:
        self.where = where
        self.reason = reason
        super().__init__(
            f"{where} cannot be read: {reason}. Mend or remove it, "
            "or leave such examples out with `--set data.on_corrupt=skip`."
        )


class Examples(Protocol):
    """A sequence of stored examples with their labels."""

    @property
    def labels(self) -> Labels:
        """Class indices, int64 [N]."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> NDArray[Any]:
        """The stored example: an image as uint8 [H, W, C], or a numeric array of any rank.

        Raises:
            CorruptExampleError: it is broken.
        """
        ...

    def where(self, index: int) -> str:
        """The example's name in messages: a file's path, or `x_test[3]`."""
        ...


class ArrayExamples:
    """Examples along the first axis of an array, which may be memory-mapped.

    Args:
        x: [N, ...]. uint8 [N, H, W] are grey images and read as [H, W, 1].
        labels: int64 [N].
        name: What the array is called in messages, for example `x_train`.
    """

    def __init__(self, x: NDArray[Any], labels: Labels, name: str) -> None:
        self._x = x[..., None] if x.dtype == np.uint8 and x.ndim == 3 else x
        self.labels = labels
        self._name = name

    def __len__(self) -> int:
        return len(self._x)

    def __getitem__(self, index: int) -> NDArray[Any]:
        return np.asarray(self._x[index])

    def where(self, index: int) -> str:
        return f"{self._name}[{index}]"


class SequenceExamples:
    """Examples of anything that has a length and takes an integer index.

    The sequence is someone else's code: it is read by one thread at a time, and what it raises is a broken
    example.

    Args:
        x: N examples, each something numpy makes a numeric array of. uint8 [H, W] are grey images and read
            as [H, W, 1].
        labels: int64 [N].
        name: What the sequence is called in messages.
    """

    def __init__(self, x: Sequence[Any], labels: Labels, name: str) -> None:
        self._x = x
        self.labels = labels
        self._name = name
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._x)

    def __getitem__(self, index: int) -> NDArray[Any]:
        try:
            with self._lock:
                example = np.asarray(self._x[index])
        except Exception as error:
            raise CorruptExampleError(self.where(index), f"{type(error).__name__}: {error}") from error
        if example.dtype.kind not in "buif":
            raise CorruptExampleError(self.where(index), f"it is not an array of numbers but {example.dtype}")
        return example[..., None] if example.dtype == np.uint8 and example.ndim == 2 else example

    def where(self, index: int) -> str:
        return f"{self._name}[{index}]"


class FileExamples:
    """Image files, decoded on access with their EXIF orientation applied.

    Args:
        root: The folder that `names` are relative to.
        names: One file an example.
        labels: int64 [N].
        mode: `L` decodes to uint8 [H, W, 1], `RGB` to uint8 [H, W, 3].
    """

    def __init__(self, root: Path, names: Sequence[str], labels: Labels, mode: Mode) -> None:
        self._root = root
        self._names = names
        self._mode = mode
        self.labels = labels

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> NDArray[Any]:
        try:
            return decode(self._root / self._names[index], self._mode)
        except Exception as error:  # Pillow's decoders raise nearly anything on a broken file
            raise CorruptExampleError(self.where(index), str(error) or type(error).__name__) from error

    def where(self, index: int) -> str:
        return str(self._root / self._names[index])


class Subset:
    """Some of the examples, in the order of the indices.

    Args:
        examples: Where they are taken from.
        indices: int64 [M], positions in `examples`.
    """

    def __init__(self, examples: Examples, indices: NDArray[np.int64]) -> None:
        self._examples = examples
        self.indices = indices
        self.labels: Labels = examples.labels[indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> NDArray[Any]:
        return self._examples[int(self.indices[index])]

    def where(self, index: int) -> str:
        return self._examples.where(int(self.indices[index]))


def decode(path: Path, mode: Mode) -> NDArray[np.uint8]:
    """The pixels of an image file, upright, uint8 [H, W, 1] (`L`) or [H, W, 3] (`RGB`).

    Of an animation it is the first frame; transparency is dropped. Raises whatever Pillow raises.
    """
    with Image.open(path) as opened:
        image: Image.Image = ImageOps.exif_transpose(opened)
        if image.mode == "I;16":  # Pillow would clip at 255 instead of scaling
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        pixels = np.asarray(image.convert(mode))
    return pixels[..., None] if mode == "L" else pixels


def is_grey(path: Path) -> bool:
    """Whether an image file stores one channel, by its header. A file that is no image counts as grey."""
    try:
        with Image.open(path) as image:
            return image.mode in GREY_MODES
    except Exception:  # it will be reported, or skipped, when it is read
        return True
