"""Images: channels, then size, then scale. Other arrays can be scaled the same way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.data.resize import geometry, resize
from pipeline.errors import InputError
from pipeline.recipe import Preprocess

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R 601, which Pillow uses for uint8."""


class ImagePreprocessor:
    """Channels, then size, then scale, as a recipe's `preprocess` says.

    An example of rank 3 is an image [H, W, C]; one of rank 2 is a grey image [H, W] where size or channels
    are set, and otherwise keeps its rank. Others can only be scaled.

        >>> to_input = ImagePreprocessor(Preprocess(size=(32, 32), scale="-1..1"))
        >>> to_input(np.zeros((8, 8, 1), np.uint8)).shape
        (32, 32, 1)
    """

    def __init__(self, recipe: Preprocess) -> None:
        self.recipe = recipe

    def output_shape(self, raw_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape after preprocessing, without a batch.

        Raises:
            InputError: size or channels are set for something that is no image, or mean and std have another
                number of values than the example has channels.
        """
        shape = raw_shape
        if self._as_image:
            if len(shape) not in (2, 3):
                raise InputError(
                    f"data.preprocess.size and channels are for images; the example has the shape "
                    f"{list(shape)}. Set them to null."
                )
            height, width, channels = shape if len(shape) == 3 else (*shape, 1)
            wanted = self.recipe.channels or channels
            if channels not in (1, 3, wanted):
                raise InputError(
                    f"data.preprocess.channels: {wanted} cannot be made of {channels} channels; only 1 and 3 "
                    "can be turned into each other."
                )
            shape = (*(self.recipe.size or (height, width)), wanted)
        check_scale(self.recipe, shape)
        return shape

    def __call__(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        """Preprocess one stored example.

        Args:
            raw: uint8 image [H, W, C], or a numeric array of any rank, which is treated as float32.

        Raises:
            InputError: as :meth:`output_shape`, or a scale of 8-bit pixels is asked for whole numbers beyond 255.
        """
        self.output_shape(raw.shape)
        _check_depth(raw, self.recipe)
        x = raw if raw.dtype == np.uint8 else raw.astype(np.float32)
        if self._as_image:
            x = self._image(x[..., None] if x.ndim == 2 else x)
        return scaled(x.astype(np.float32, copy=False), self.recipe)

    def describe(self) -> dict[str, Any]:
        """What is done, as JSON: enough to do it again in another language.

        `mean` and `std` say the scale as (x − mean)/std in stored units, whatever the recipe calls it; a list
        of one goes for every channel.
        """
        recipe = self.recipe
        return {
            "kind": "image",
            "order": ["channels", "size", "scale"],
            "channels": recipe.channels,
            "size": list(recipe.size) if recipe.size else None,
            "resize": recipe.resize,
            "antialias": recipe.resize != "nearest",
            "fit": recipe.fit,
            **({"padding": recipe.padding} if recipe.padding else {}),
            **described_scale(recipe),
        }

    @property
    def statistics_axis(self) -> int | None:
        """The channels'."""
        return -1

    @property
    def _as_image(self) -> bool:
        return is_for_images(self.recipe)

    def _image(self, image: NDArray[Any]) -> NDArray[Any]:
        recipe = self.recipe
        if recipe.channels == 1 and image.shape[2] == 3:
            image = _grey(image)
        if recipe.size is not None:
            where = geometry((image.shape[0], image.shape[1]), recipe.size, recipe.fit)
            image = resize(image, where, recipe.resize, recipe.padding)
        if recipe.channels == 3 and image.shape[2] == 1:
            image = np.repeat(image, 3, axis=2)  # after resizing: the same result for a third of the work
        return image


def _check_depth(raw: NDArray[Any], recipe: Preprocess) -> None:
    if recipe.scale not in ("0..1", "-1..1") or raw.dtype.kind not in "iu" or raw.dtype.itemsize == 1 or not raw.size:
        return
    highest = int(raw.max())
    if highest > 255:
        raise InputError(
            f"data.preprocess.scale '{recipe.scale}' is of 8 bits, 0 to 255, and the example has {raw.dtype} values to "
            f"{highest}. Say their range: scale: mean_std with mean: [0] and std: [65535] gives 0..1 of 16 bits, 4095 "
            "that of 12; or raw for a model that scales by itself."
        )


def is_for_images(recipe: Preprocess) -> bool:
    """Whether a section says what only images have."""
    return recipe.size is not None or recipe.channels is not None


def scaled(x: NDArray[np.float32], recipe: Preprocess) -> NDArray[np.float32]:
    """Values on the recipe's scale; mean and std go along the last axis."""
    match recipe.scale:
        case "-1..1":
            return x / np.float32(127.5) - np.float32(1)
        case "0..1":
            return x / np.float32(255)
        case "raw":
            return x
        case "mean_std":
            mean, std = np.array(recipe.mean, np.float32), np.array(recipe.std, np.float32)
            return (x - mean) / std


def described_scale(recipe: Preprocess) -> dict[str, Any]:
    """The scale by name, and as (x − mean)/std in stored units."""
    mean, std = {
        "-1..1": ((127.5,), (127.5,)),
        "0..1": ((0.0,), (255.0,)),
        "raw": ((0.0,), (1.0,)),
        "mean_std": (recipe.mean or (), recipe.std or ()),
    }[recipe.scale]
    return {"scale": recipe.scale, "mean": list(mean), "std": list(std)}


def check_scale(recipe: Preprocess, shape: tuple[int, ...]) -> None:
    """
    Raises:
        InputError: mean or std have another number of values than the last axis.
    """
    for key in ("mean", "std"):
        values = getattr(recipe, key)
        if values is not None and len(values) not in (1, shape[-1] if shape else 1):
            raise InputError(
                f"data.preprocess.{key} has {len(values)} values for examples of the shape "
                f"{list(shape)}; give one, or one for each of the last axis."
            )


def _grey(image: NDArray[Any]) -> NDArray[Any]:
    if image.dtype == np.uint8:
        return np.asarray(Image.fromarray(image).convert("L"))[..., None]
    return (image @ LUMA)[..., None]
