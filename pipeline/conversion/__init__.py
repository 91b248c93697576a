"""From a Keras model to a float flatbuffer. Imports TensorFlow."""
