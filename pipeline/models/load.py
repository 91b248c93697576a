"""A Keras model from a file: `.keras` of Keras 2 or 3, `.h5` of either, or a SavedModel folder."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any, NoReturn

import h5py

from pipeline.errors import InputError, one_line
from pipeline.models import custom_objects
from pipeline.models.backend import tf_keras
from pipeline.models.input_sizes import Sizes
from pipeline.models.keras3.keras3_file import load_keras3
from pipeline.models.keras3.layer_translation import unregistered
from pipeline.models.keras3.translate import from_keras3
from pipeline.models.saved_model import open_saved_model


def load_file(path: Path, *, compiled: bool = False) -> Any:
    """Load a model as `tf_keras`, which training and QAT need; a Keras 3 file is carried over layer by layer.

    QAT models saved by `tensorflow-model-optimization` load too.

    Args:
        path: The file or folder.
        compiled: Load the loss too that a model of Keras 2 was compiled with, where it was.

    Raises:
        InputError: no such file, not a Keras model, or layers that `tf_keras` does not know.
    """
    return from_keras3(path) if _is_of_keras3(path) else _load_keras2(path, compiled)


def load_for_conversion(path: Path, signature: str | None = None, sizes: Sizes | None = None) -> Any:
    """Load a model as what it is: a `tf_keras` model, a Keras 3 model (subclassed ones too), or a SavedModel.

    Args:
        path: A `.keras` or `.h5` file, or the folder of a SavedModel of any origin.
        signature: The one to take of a SavedModel; None: `serving_default`, else the only one.
        sizes: Sizes of open dimensions of a SavedModel, by input name.

    Returns:
        A Keras model, or a SavedModel's signature as a :class:`~pipeline.models.named_function.NamedFunction`.

    Raises:
        InputError: no such file, not a model, a signature named for what has none, or as the loaders say.
    """
    if path.is_dir() and (path / "saved_model.pb").is_file():
        return open_saved_model(path, signature, sizes)
    if signature is not None:
        refuse_signature(path, signature)
    return load_keras3(path) if _is_of_keras3(path) else _load_keras2(path, compiled=False)


def refuse_signature(what: Path | str, signature: str) -> NoReturn:
    """
    Raises:
        InputError: always: only SavedModels and .tflite files have signatures to choose from.
    """
    raise InputError(
        f"The signature '{signature}' is asked for, and '{what}' is a Keras model, which has one set of inputs and "
        "outputs: leave model.signature out."
    )


def _is_of_keras3(path: Path) -> bool:
    if not path.exists():
        raise InputError(f"There is no model at '{path}'. Give the path with --set model.path=….")
    try:
        version = _keras_version(path)
    except InputError:
        raise
    except (OSError, ValueError, AttributeError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"'{path}' is damaged or truncated: {_shortened(error)}. Copy or save it again.") from error
    if version is not None and version.startswith(("0.", "1.")):
        raise InputError(
            f"'{path}' was written by Keras {version}, whose layers Keras 2 does not read. Load it with Keras 2.2 (the "
            "last to convert such files) and save it again, or build the model with tf_keras and give it with "
            "--set model.function=module:function."
        )
    return version is not None and version.startswith("3")


def _load_keras2(path: Path, compiled: bool) -> Any:
    import tensorflow_model_optimization as tfmot

    from pipeline.models.fake_quant.qat_objects import QAT_OBJECTS

    if path.is_dir() and not (path / "keras_metadata.pb").is_file():
        raise InputError(
            f"'{path}' is a SavedModel without Keras's own description of the layers (from `model.export`, "
            "`tf.saved_model.save` or TF Hub): it can be quantized after training, but training and QAT need the Keras "
            "model, a .keras or .h5 file or a function that builds it (--set model.function=module:function). Leave "
            "train and qat out, or give that."
        )
    try:
        known = {**QAT_OBJECTS, **unregistered(), **custom_objects.load(path)}
        with tfmot.quantization.keras.quantize_scope(known):
            return tf_keras.models.load_model(path, compile=compiled)
    except (ValueError, TypeError, OSError, AttributeError, KeyError, ImportError, zipfile.BadZipFile) as error:
        raise InputError(
            f"Keras 2 cannot load '{path}': {_shortened(error)} "
            "For a model with layers of your own, write a function that builds and returns it, and name it with "
            "--set model.function=module:function."
        ) from error


def _keras_version(path: Path) -> str | None:
    """The Keras that wrote the file; None for a SavedModel.

    Raises:
        InputError: neither a Keras file nor a SavedModel, or a file of weights only.
    """
    if path.is_dir():
        if (path / "saved_model.pb").exists():
            return None
        raise InputError(f"The folder '{path}' is not a SavedModel: it holds no saved_model.pb.")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if "metadata.json" in archive.namelist():
                return str(json.loads(archive.read("metadata.json")).get("keras_version", "2"))
    elif h5py.is_hdf5(path):
        with h5py.File(path) as file:
            if "model_config" not in file.attrs:
                raise InputError(
                    f"'{path}' holds weights without a model. Name the architecture and give it as weights: "
                    f"--set model.name=MobileNet --set model.weights={path}."
                )
            version = file.attrs.get("keras_version", "2")
            return version.decode() if isinstance(version, bytes) else str(version)
    raise InputError(f"'{path}' is not a Keras model: neither .keras, .h5 nor a SavedModel. Is it truncated?")


def _shortened(error: Exception) -> str:
    text = one_line(error)
    return text if len(text) <= 300 else text[:300] + " …"
