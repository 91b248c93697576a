"""Networks that answer a whole image: boxes or a mask, over a backbone of `tf_keras.applications`, by name.

All have fixed shapes and operators that int8 and XNNPACK take: no side of the input needs to be a multiple of a stride.
"""

from __future__ import annotations

from pipeline.models.dense_prediction.networks import NETWORKS, Request, build_network

__all__ = ["NETWORKS", "Request", "build_network"]
