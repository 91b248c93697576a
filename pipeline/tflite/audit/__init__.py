"""The audit: what is wrong, or wasted, in a quantized .tflite."""
