"""A .tflite file: read it, say what it truly is, give it metadata, run it. No TensorFlow in here."""
