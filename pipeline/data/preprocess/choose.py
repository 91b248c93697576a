"""Which preprocessor an input or target gets: what the recipe says, and else what is stored."""

from __future__ import annotations

from typing import Literal

import numpy as np

from pipeline.data.examples import Column
from pipeline.data.image_shapes import check_resizable
from pipeline.data.preprocess.audio import AudioPreprocessor
from pipeline.data.preprocess.image import ImagePreprocessor, is_for_images
from pipeline.data.preprocess.preprocessor import Preprocessor
from pipeline.data.preprocess.values import Typed, UnchangedPreprocessor, ValuesPreprocessor
from pipeline.errors import InputError
from pipeline.recipe import Audio, Data, Input, Preprocess, Target
from pipeline.tensors import Array

_TOKENS = ("int32", "int64", "uint16", "uint32", "uint64")


def for_input(name: str, column: Column, raw: Array, data: Data) -> Preprocessor:
    """The preprocessor of an input, not yet standardized.

    Args:
        name: The input's.
        column: Its examples.
        raw: One of them.
        data: The recipe's section.

    Raises:
        InputError: the recipe asks for what cannot be done with such examples.
    """
    section = (data.inputs or {}).get(name, Input())
    inner = _preprocessor(name, column, raw, data, section)
    return inner if section.dtype is None else Typed(inner, np.dtype(section.dtype))


def for_target(column: Column, raw: Array, section: Target, data: Data) -> Preprocessor:
    """The preprocessor of a target of kind `value`, not yet standardized.

    Args:
        column: Its values.
        raw: One of them; uint8 of rank 3 is an image.
        section: The recipe's of this target.
        data: Its `preprocess` is the default of images.
    """
    image = column.kind == "image" or (raw.ndim == 3 and raw.dtype == np.uint8)
    recipe = section.preprocess or (data.preprocess if image else Preprocess())
    if image or is_for_images(recipe):
        return ImagePreprocessor(recipe)
    return ValuesPreprocessor("values", recipe, column.names)


def is_standardized(name: str, column: Column, data: Data) -> bool:
    """Whether an input is standardized: as the recipe says, and else tables and windows that it does not scale."""
    section = (data.inputs or {}).get(name, Input())
    if section.standardize is not None:
        return section.standardize
    return column.kind in ("table", "window") and section.preprocess is None


def _preprocessor(name: str, column: Column, raw: Array, data: Data, section: Input) -> Preprocessor:
    if column.kind == "audio" or section.audio is not None:
        return _audio(name, column, data, section)
    kept = _kept_type(raw)
    if column.kind in ("table", "window"):
        if kept is not None and not section.standardize and section.preprocess is None and raw.dtype.kind != "f":
            return _unchanged(kept, section)
        kind: Literal["table", "window"] = "table" if column.kind == "table" else "window"
        return ValuesPreprocessor(kind, section.preprocess or Preprocess(), column.names)
    as_default = raw.ndim == 3 or column.kind == "image" or len(data.inputs or ()) <= 1
    recipe = section.preprocess or (data.preprocess if as_default else Preprocess())
    plain = recipe.scale == "raw" and not is_for_images(recipe) and not section.standardize
    if kept is not None and plain and column.kind != "image":
        return _unchanged(kept, section)
    if is_for_images(recipe) and raw.ndim in (2, 3):
        check_resizable(name, column, raw, recipe)
    if column.kind == "image" or is_for_images(recipe) or raw.ndim == 3:
        return ImagePreprocessor(recipe)
    return ValuesPreprocessor("table" if section.standardize and raw.ndim == 1 else "values", recipe, column.names)


def _audio(name: str, column: Column, data: Data, section: Input) -> AudioPreprocessor:
    if column.kind in ("image", "table"):
        raise InputError(f"data.inputs.{name}.audio is for recordings; this input is of the kind {column.kind}.")
    if section.preprocess is not None:
        raise InputError(f"data.inputs.{name}.preprocess is for images and numbers, this is audio: set audio.")
    return AudioPreprocessor(section.audio or data.audio)


def audio_of(name: str, data: Data) -> Audio:
    """The recipe's section for an input that is audio."""
    section = (data.inputs or {}).get(name)
    return section.audio if section is not None and section.audio is not None else data.audio


def _kept_type(raw: Array) -> np.dtype[np.generic] | None:
    """The type that is fed as it is stored; 64-bit integers as int32, which models take. None: it becomes float32."""
    if raw.dtype == np.uint8 or (raw.dtype.kind == "f" and raw.dtype != np.float16):
        return None
    return np.dtype(np.int32) if raw.dtype.name in _TOKENS else raw.dtype


def _unchanged(dtype: np.dtype[np.generic], section: Input) -> UnchangedPreprocessor:
    wanted = np.dtype(section.dtype) if section.dtype is not None else dtype
    return UnchangedPreprocessor("tokens" if dtype == np.int32 else "values", wanted)
