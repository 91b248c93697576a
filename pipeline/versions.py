"""Versions of the packages that decide what a model looks like; part of every key and of every file's provenance."""

from __future__ import annotations

from importlib import metadata

_PACKAGES = (
    "keras-int8-pipeline",
    "tensorflow",
    "tf_keras",
    "tensorflow-model-optimization",
    "ai-edge-litert",
    "ai-edge-quantizer",
    "numpy",
)


def versions() -> dict[str, str]:
    """By package; `not installed` where one is missing."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
