"""Float training and quantization-aware training. Imports TensorFlow."""
