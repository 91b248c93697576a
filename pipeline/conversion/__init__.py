"""Everything that is a float model → one float flatbuffer. What is no .tflite needs TensorFlow."""
