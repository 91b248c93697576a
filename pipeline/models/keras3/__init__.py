"""Keras 3 models become `tf_keras` models: the same layers, the same wiring, the same weights, the same answers."""
