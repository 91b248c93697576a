"""From a Keras model to an int8 model on a phone: train, quantize, prove, deploy.

The names below are the Python API; each is imported when it is first used, so that what needs no TensorFlow does not
wait for it.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "InputError": "pipeline.errors",
    "PipelineError": "pipeline.errors",
    "Recipe": "pipeline.recipe",
    "benchmark": "pipeline.benchmarking.latency",
    "calibrate": "pipeline.quantization.calibrate",
    "evaluate": "pipeline.evaluation.classify",
    "import_float": "pipeline.conversion.import_float",
    "inspect": "pipeline.tflite.inspect",
    "load_data": "pipeline.data",
    "load_recipe": "pipeline.recipe",
    "quantize_aware": "pipeline.training.qat.apply",
    "run_recipe": "pipeline.workflow.stages",
    "to_flatbuffer": "pipeline.conversion.convert",
    "write_format": "pipeline.quantization.formats",
}
_NAMES = {"load_data": "load", "load_recipe": "load", "write_format": "write"}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pipeline' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), _NAMES.get(name, name))


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
