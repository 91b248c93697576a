"""From a stored example to what the model is fed, the same wherever the model is used: one module a kind."""

from __future__ import annotations

from pipeline.data.preprocess.audio import AudioPreprocessor
from pipeline.data.preprocess.choose import for_input, for_target, is_standardized
from pipeline.data.preprocess.image import ImagePreprocessor
from pipeline.data.preprocess.preprocessor import Preprocessor
from pipeline.data.preprocess.standardize import Standardized, standardized
from pipeline.data.preprocess.values import Typed, UnchangedPreprocessor, ValuesPreprocessor

__all__ = [
    "AudioPreprocessor",
    "ImagePreprocessor",
    "Preprocessor",
    "Standardized",
    "Typed",
    "UnchangedPreprocessor",
    "ValuesPreprocessor",
    "for_input",
    "for_target",
    "is_standardized",
    "standardized",
]
