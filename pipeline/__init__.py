"""From a Keras model to an int8 model on a phone: train, quantize, prove, deploy.

The names below are the Python API (docs/python.md). Each is imported when it is first used, so that `import pipeline`
is instant and what needs no TensorFlow does not wait for it. Functions are verbs and packages nouns: none hides the
other.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.api.evaluating import EvaluationResult, evaluate
    from pipeline.api.inspecting import inspect
    from pipeline.api.model import Model, load
    from pipeline.api.quantizing import Quantized, quantize
    from pipeline.api.running import RunResult, run
    from pipeline.api.timing import BenchmarkResult, benchmark
    from pipeline.api.verifying import VerificationResult, verify
    from pipeline.data import load as load_data
    from pipeline.errors import InputError, PipelineError
    from pipeline.quantization.calibrate import calibrate
    from pipeline.recipe import Recipe
    from pipeline.recipe import load as load_recipe

__version__ = "0.1.0"

__all__ = [
    "BenchmarkResult",
    "EvaluationResult",
    "InputError",
    "Model",
    "PipelineError",
    "Quantized",
    "Recipe",
    "RunResult",
    "VerificationResult",
    "benchmark",
    "calibrate",
    "evaluate",
    "inspect",
    "load",
    "load_data",
    "load_recipe",
    "quantize",
    "run",
    "verify",
]

_HOMES = {
    "BenchmarkResult": "pipeline.api.timing",
    "EvaluationResult": "pipeline.api.evaluating",
    "InputError": "pipeline.errors",
    "Model": "pipeline.api.model",
    "PipelineError": "pipeline.errors",
    "Quantized": "pipeline.api.quantizing",
    "Recipe": "pipeline.recipe",
    "RunResult": "pipeline.api.running",
    "VerificationResult": "pipeline.api.verifying",
    "benchmark": "pipeline.api.timing",
    "calibrate": "pipeline.quantization.calibrate",
    "evaluate": "pipeline.api.evaluating",
    "inspect": "pipeline.api.inspecting",
    "load": "pipeline.api.model",
    "load_data": "pipeline.data",
    "load_recipe": "pipeline.recipe",
    "quantize": "pipeline.api.quantizing",
    "run": "pipeline.api.running",
    "verify": "pipeline.api.verifying",
}
_NAMES_THERE = {"load_data": "load", "load_recipe": "load"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pipeline' has no attribute '{name}'")
    value = getattr(importlib.import_module(_HOMES[name]), _NAMES_THERE.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
