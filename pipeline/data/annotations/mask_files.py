"""Masks in image files: an index a pixel, a colour a class, or a file a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from pipeline.boxes import IGNORED
from pipeline.data.read_located import as_indices
from pipeline.tensors import Array

Colour = tuple[int, int, int]
_INDEX_MODES = ("P", "L", "1", "I", "I;16", "I;16B", "I;16L")


@dataclass(frozen=True)
class MaskFiles:
    """How masks are read.

    Attributes:
        colours: Of class 0, 1, …; empty: a pixel is an index.
        ignore: The index or colour that counts for nothing.
        layers: The classes 1, 2, … where each has a file of its own; what is black in all of them is class 0.
    """

    colours: tuple[Colour, ...] = ()
    ignore: int | Colour | None = None
    layers: tuple[str, ...] = ()

    def read(self, files: Mapping[str, Path]) -> Array:
        """One image's mask, int32 [H, W].

        Args:
            files: By class where each has its own, else the only one.

        Raises:
            ValueError: it cannot be read, or holds what is no class.
        """
        if self.layers:
            return self._of_layers(files)
        (path,) = files.values()
        try:
            with Image.open(path) as image:
                if self.colours:
                    return self._of_colours(np.asarray(image.convert("RGB")), path)
                if image.mode not in _INDEX_MODES:
                    raise ValueError(
                        f"the mask {path} is in colours ({image.mode}), not an index a pixel: name each class's in the "
                        "target, colours: {NAME: [red, green, blue]}"
                    )
                mask = np.asarray(image)
        except (OSError, SyntaxError, UnidentifiedImageError) as error:
            raise ValueError(f"the mask {path} cannot be read: {error}") from error
        ignore = self.ignore
        if ignore is not None and not isinstance(ignore, int):
            raise ValueError(f"the mask {path} has an index a pixel, and ignore is a colour: give an index, or colours")
        if ignore is None and mask.dtype == np.uint8 and {*np.unique(mask).tolist()} == {0, IGNORED}:
            raise ValueError(
                f"the mask {path} is black and white, 0 and {IGNORED}. Name both classes in the target, colours: "
                f"{{background: [0, 0, 0], NAME: [255, 255, 255]}}; or say that {IGNORED} counts for nothing, ignore: "
                f"{IGNORED}"
            )
        return as_indices(mask, ignore)

    def _of_colours(self, pixels: Array, path: Path) -> Array:
        packed = _packed(pixels)
        mask = np.full(packed.shape, -1, np.int32)
        for index, colour in enumerate(self.colours):
            mask[packed == _packed(np.array(colour))] = index
        if self.ignore is not None:
            colour = (self.ignore,) * 3 if isinstance(self.ignore, int) else self.ignore
            mask[packed == _packed(np.array(colour))] = IGNORED
        if (mask < 0).any():
            y, x = np.argwhere(mask < 0)[0].tolist()
            raise ValueError(
                f"the mask {path} has the colour {pixels[y, x].tolist()} at y {y}, x {x} and {int((mask < 0).sum())} "
                "pixels that are no class's. Name it in colours, or in ignore; a mask that was saved as JPEG, or "
                "resized smoothly, has colours in between"
            )
        return mask

    def _of_layers(self, files: Mapping[str, Path]) -> Array:
        mask: Array | None = None
        for index, name in enumerate(self.layers, 1):
            if name not in files:
                continue  # nothing of this class is in the image
            try:
                with Image.open(files[name]) as image:
                    layer = np.asarray(image.convert("L")) > 0
            except (OSError, SyntaxError, UnidentifiedImageError) as error:
                raise ValueError(f"the mask {files[name]} cannot be read: {error}") from error
            if mask is None:
                mask = np.zeros(layer.shape, np.int32)
            if layer.shape != mask.shape:
                raise ValueError(f"the mask {files[name]} is of another size than those of the other classes")
            mask[layer] = index
        if mask is None:
            raise ValueError("it has no mask of any class")
        return mask


def _packed(pixels: Array) -> Array:
    """Three bytes as one number."""
    return np.asarray(pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1]))


def names_of(layers: Sequence[str], colours: Mapping[str, Colour]) -> tuple[str, ...]:
    """The classes that files and colours name; empty where they name none."""
    return ("background", *layers) if layers else tuple(colours)
