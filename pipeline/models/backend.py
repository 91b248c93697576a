"""The one import of TensorFlow: Keras 2 (`tf_keras`) is chosen and logging turned down before it.

`tensorflow-model-optimization` works on `tf_keras` models only, and `TF_USE_LEGACY_KERAS` counts only if it is set
before TensorFlow is imported.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextlib.contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """TensorFlow's C++ side writes to file descriptor 2 whatever the log level says."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


with quiet_tensorflow():
    import tensorflow as tf
    import tf_keras

tf.get_logger().setLevel("ERROR")
logging.getLogger("absl").setLevel("ERROR")

__all__ = ["quiet_tensorflow", "tf", "tf_keras"]
