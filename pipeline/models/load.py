"""A Keras model from a file: `.keras` of Keras 2 or 3, `.h5` of either, or a SavedModel folder."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, NoReturn

import h5py

from pipeline import foreign_files, limits
from pipeline.errors import InputError, as_input_error
from pipeline.files import check_ordinary
from pipeline.models import custom_objects, keras2_file, stored_lambdas, stored_size, trust
from pipeline.models.backend import tf_keras
from pipeline.models.input_sizes import Sizes
from pipeline.models.keras3.keras3_file import load_keras3
from pipeline.models.keras3.layer_translation import unregistered
from pipeline.models.keras3.translate import from_keras3
from pipeline.models.saved_model import open_saved_model


def load_file(path: Path, *, compiled: bool = False, trusted: bool = False) -> Any:
    """Load a model as `tf_keras`, which training and QAT need; a Keras 3 file is carried over layer by layer.

    QAT models saved by `tensorflow-model-optimization` load too.

    Args:
        path: The file or folder.
        compiled: Load the loss too that a model of Keras 2 was compiled with, where it was.
        trusted: Whether code that came with the file may run; see :mod:`pipeline.models.trust`.

    Raises:
        InputError: no such file, not a Keras model, code in it that nobody trusts, or layers that `tf_keras` does not
            know.
    """
    of_keras3 = _is_of_keras3(path, trusted)
    return from_keras3(path, trusted=trusted) if of_keras3 else _load_keras2(path, compiled, trusted)


def load_for_conversion(
    path: Path, signature: str | None = None, sizes: Sizes | None = None, *, trusted: bool = False
) -> Any:
    """Load a model as what it is: a `tf_keras` model, a Keras 3 model (subclassed ones too), or a SavedModel.

    Args:
        path: A `.keras` or `.h5` file, or the folder of a SavedModel of any origin.
        signature: The one to take of a SavedModel; None: `serving_default`, else the only one.
        sizes: Sizes of open dimensions of a SavedModel, by input name.
        trusted: Whether code that came with the file may run; see :mod:`pipeline.models.trust`.

    Returns:
        A Keras model, or a SavedModel's signature as a :class:`~pipeline.models.named_function.NamedFunction`.

    Raises:
        InputError: no such file, not a model, code in it that nobody trusts, a signature named for what has none, or as
            the loaders say.
    """
    if path.is_dir() and (path / "saved_model.pb").is_file():
        trust.check(path, trusted=trusted)
        return open_saved_model(path, signature, sizes)
    if signature is not None:
        refuse_signature(path, signature)
    of_keras3 = _is_of_keras3(path, trusted)
    return load_keras3(path, trusted=trusted) if of_keras3 else _load_keras2(path, False, trusted)


def refuse_signature(what: Path | str, signature: str) -> NoReturn:
    """
    Raises:
        InputError: always: only SavedModels and .tflite files have signatures to choose from.
    """
    raise InputError(
        f"The signature '{signature}' is asked for, and '{what}' is a Keras model, which has one set of inputs and "
        "outputs: leave model.signature out."
    )


def _is_of_keras3(path: Path, trusted: bool) -> bool:
    check_ordinary(path)
    kind = foreign_files.recognize(path)
    if kind is not None:
        raise InputError(f"'{path}' is {kind}")
    if not path.exists():
        raise InputError(f"There is no model at '{path}'. Give the path with --set model.path=….")
    trust.check(path, trusted=trusted)
    with as_input_error(lambda why: f"'{path}' is damaged or truncated: {why}. Copy or save it again."):
        stored_size.check(path)
        version = _keras_version(path)
        stored_lambdas.refuse_foreign(path)
        custom_objects.references(path)
    if version is not None and version.startswith(("0.", "1.")):
        raise InputError(
            f"'{path}' was written by Keras {version}, whose layers Keras 2 does not read. Load it with Keras 2.2 (the "
            "last to convert such files) and save it again, or build the model with tf_keras and give it with "
            "--set model.function=module:function."
        )
    return version is not None and version.startswith("3")


def _load_keras2(path: Path, compiled: bool, trusted: bool) -> Any:
    import tensorflow_model_optimization as tfmot

    from pipeline.models.fake_quant.qat_objects import QAT_OBJECTS

    if path.is_dir() and not (path / "keras_metadata.pb").is_file():
        raise InputError(
            f"'{path}' is a SavedModel without Keras's own description of the layers (from `model.export`, "
            "`tf.saved_model.save` or TF Hub): it can be quantized after training, but training and QAT need the Keras "
            "model, a .keras or .h5 file or a function that builds it (--set model.function=module:function). Leave "
            "train and qat out, or give that."
        )
    with as_input_error(lambda why: _cannot_load(path, why)):
        known = {**QAT_OBJECTS, **unregistered(), **custom_objects.load(path)}
        with tfmot.quantization.keras.quantize_scope(known):
            if zipfile.is_zipfile(path):
                return keras2_file.load(path, known, compiled=compiled, trusted=trusted)
            return tf_keras.models.load_model(path, compile=compiled)


def _cannot_load(path: Path, why: str) -> str:
    return (
        f"Keras 2 cannot load '{path}': {why} For a model with layers of your own, write a function that builds and "
        "returns it, and name it with --set model.function=module:function."
    )


def _keras_version(path: Path) -> str | None:
    """The Keras that wrote the file; None for a SavedModel.

    Raises:
        InputError: neither a Keras file nor a SavedModel.
    """
    if path.is_dir():
        if (path / "saved_model.pb").exists():
            return None
        raise InputError(f"The folder '{path}' is not a SavedModel: it holds no saved_model.pb.")
    if zipfile.is_zipfile(path):
        with limits.archive(path) as archive:
            if "metadata.json" in archive.namelist():
                return str(limits.json_value(limits.member(archive, "metadata.json")).get("keras_version", "2"))
    elif h5py.is_hdf5(path):
        with h5py.File(path) as file:
            version = file.attrs.get("keras_version", "2")
            return version.decode() if isinstance(version, bytes) else str(version)
    raise InputError(f"'{path}' is not a Keras model: neither .keras, .h5 nor a SavedModel. Is it truncated?")
