"""Float training and quantization-aware training. Imports TensorFlow."""

import pipeline.models.backend  # noqa: F401  # first of all: tfmot would bring TensorFlow in by itself, not set up
