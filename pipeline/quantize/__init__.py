"""The hub: a float flatbuffer and its activation ranges become a .tflite of any format. No TensorFlow."""
