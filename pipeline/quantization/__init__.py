"""A float model (a flatbuffer and its activation ranges) becomes a .tflite of any format. No TensorFlow."""
