"""Keras models: the zoo by name, files of Keras 2 and 3, the user's own function. Imports TensorFlow."""
