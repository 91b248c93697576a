"""The accuracy ladder: from the Keras model to the int8 kernels, rung by rung, and where on the way it loses."""
