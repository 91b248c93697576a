"""The user's own `QuantizeConfig`s, named in a recipe: `qat: {configs: {MyLayer: module:MyConfig}}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow_model_optimization as tfmot

from pipeline import importing
from pipeline.errors import InputError
from pipeline.models.backend import tf_keras


def load(configs: Mapping[str, str]) -> dict[str, Any]:
    """Import the classes and make one config of each; Keras learns their names, to load a saved QAT model.

    Args:
        configs: `module:Class` by layer name or layer class; the module is found from the current directory.

    Raises:
        InputError: no such module or class, or it is no `QuantizeConfig`.
    """
    return {layer: _load(layer, reference) for layer, reference in configs.items()}


def _load(layer: str, reference: str) -> Any:
    where = f"qat.configs.{layer}: '{reference}'"
    module_name, colon, class_name = reference.partition(":")
    if not colon or not module_name or not class_name:
        raise InputError(f"{where} is not of the form module:Class.")
    try:
        made = importing.named(reference)
        config = made()
    except Exception as error:  # whatever is wrong in the user's file is the user's to mend
        raise InputError(f"{where} cannot be imported and called: {type(error).__name__}: {error}") from error
    if not isinstance(config, tfmot.quantization.keras.QuantizeConfig):
        raise InputError(f"{where} is a {type(config).__name__}, not a tfmot.quantization.keras.QuantizeConfig.")
    tf_keras.utils.get_custom_objects()[class_name] = made
    return config
