"""What a saved QAT model consists of beside Keras's layers: how it is trained is `training/qat`."""
