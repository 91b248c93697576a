"""Weights from a file into an architecture, and in plain words where they do not fit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pipeline.errors import as_input_error
from pipeline.models import keras2_file, stored_size

_SHAPES = re.compile(
    r"variable '\s*(?P<name>[^':]+)(?::\d+)?'.*?variable shape (?P<wanted>\([\d, ]*\))"
    r".*?value shape (?P<found>\([\d, ]*\))"
)
_COUNT = re.compile(r"expected (?P<wanted>\d+) layers, found (?P<found>\d+)")
_VARIABLES = re.compile(r"Layer '(?P<name>[^']+)' expected (?P<wanted>\d+) variables, but received (?P<found>\d+)")


def load_weights(model: Any, path: Path) -> None:
    """Put a file's weights into a model of the same architecture: `.h5`, `.weights.h5` or `.keras` of Keras 2 or 3.

    Raises:
        InputError: they do not fit; the first layer that differs is named.
    """
    with as_input_error(
        lambda why: (
            f"The weights in '{path}' do not fit {model.name}: {_reason(why)} Give the architecture they belong to "
            "(model.name, model.alpha, model.input_shape, model.classes), or the whole model as one file: "
            "--set model.path=FILE without name and weights."
        ),
        most=None,  # what is read off it may stand far behind
    ):
        stored_size.check(path)
        if keras2_file.has_early_layout(path):
            keras2_file.load_weights(model, path)
        else:
            model.load_weights(path)


def _reason(text: str) -> str:
    if shapes := _SHAPES.search(text):
        layer, _, weight = shapes["name"].rpartition("/")
        return f"layer '{layer}' has a {weight} of the shape {shapes['wanted']}, the file one of {shapes['found']}."
    if count := _COUNT.search(text):
        return f"it has {count['wanted']} layers with weights, the file {count['found']}."
    if variables := _VARIABLES.search(text):
        return f"layer '{variables['name']}' has {variables['wanted']} weights, the file {variables['found']} for it."
    return text[:300] + ("" if text.endswith(".") else ".")
