"""Tensors by name, shape and type."""

from __future__ import annotations

import numpy as np

from pipeline.tensors import Signature, TensorSpec


def tensor(name: str, *shape: int, dtype: str = "float32") -> TensorSpec:
    """A spec of a batch of such examples."""
    return TensorSpec(name, (-1, *shape), np.dtype(dtype))


def model(*outputs: TensorSpec, inputs: tuple[TensorSpec, ...] = ()) -> Signature:
    """A model's signature; it takes `x` [B, 4] where nothing else is said."""
    return Signature(inputs or (tensor("x", 4),), outputs)
