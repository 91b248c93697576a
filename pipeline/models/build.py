"""A recipe's `model` section turned into a `tf_keras` model that fits the data."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from pipeline import importing, recipe
from pipeline.errors import InputError, did_you_mean
from pipeline.models.backend import tf_keras
from pipeline.models.head import number_of_classes, replace_head
from pipeline.models.load import load_file
from pipeline.models.weights import load_weights

IMAGENET_CLASSES = 1000


def zoo() -> dict[str, Any]:
    """The architectures of `tf_keras.applications` by name."""
    applications = tf_keras.applications
    return {name: value for name, value in vars(applications).items() if name[0].isupper() and callable(value)}


def build(model: recipe.Model, input_shape: tuple[int, ...], classes: int, *, trainable: bool = True) -> Any:
    """Build or load the model and, where it will be trained, give it a new head if its classes are not the data's.

    Args:
        model: The recipe's section.
        input_shape: The data's shape after preprocessing, without the batch.
        classes: The data's number of classes, unless the recipe sets its own.
        trainable: Whether training follows. A new head is random, so without training none is made, and a model
            may know more classes than the data shows.

    Raises:
        InputError: unknown name, missing file, a function that returns no model, or a model whose input does not
            fit the data.
    """
    classes = model.classes or classes
    input_shape = model.input_shape or input_shape
    if model.path is not None:
        built = load_file(model.path)
    elif model.function is not None:
        built = _from_function(model.function)
    elif model.name is not None:
        built = _from_zoo(model, input_shape, classes)
    else:
        raise InputError(
            "The recipe does not say which model: give --set model.name=MobileNetV2 (any of tf_keras.applications), "
            "--set model.path=FILE or --set model.function=module:function."
        )
    _check_input(built, input_shape)
    found = number_of_classes(built)
    if found == classes or (found == 1 and classes == 2):
        return built
    if trainable:
        return replace_head(built, classes)
    if found < classes:
        raise InputError(
            f"The model '{built.name}' answers {found} classes, the data has {classes}, and the recipe trains no new "
            "head: add a train section, or give the data that belongs to the model."
        )
    return built


def _from_zoo(model: recipe.Model, input_shape: tuple[int, ...], classes: int) -> Any:
    known = zoo()
    if model.name not in known:
        hint = did_you_mean(str(model.name), known)
        raise InputError(f"There is no tf_keras.applications model '{model.name}'.{hint}")
    factory = known[model.name]
    options: dict[str, Any] = {"input_shape": input_shape, "weights": None, "classes": classes}
    if model.alpha is not None:
        if "alpha" not in inspect.signature(factory).parameters:
            raise InputError(f"{model.name} has no width multiplier: remove model.alpha.")
        options["alpha"] = model.alpha
    if "include_preprocessing" in inspect.signature(factory).parameters:
        # Preprocessing belongs to the recipe, where calibration and the phone can see it.
        options["include_preprocessing"] = False
    try:
        if model.weights in (None, "none"):
            return factory(**options)
        if model.weights == "imagenet":
            return _with_imagenet(model.name, factory, options)
        return _with_weights(factory, options, Path(str(model.weights)))
    except ValueError as error:
        raise InputError(f"{model.name} cannot be built for inputs {input_shape}: {error}") from error


def _with_imagenet(name: str, factory: Any, options: dict[str, Any]) -> Any:
    try:
        if options["classes"] == IMAGENET_CLASSES:
            return factory(**options | {"weights": "imagenet"})
        base = factory(**options | {"weights": "imagenet", "include_top": False, "pooling": "avg"})
    except Exception as error:
        if isinstance(error, ValueError):
            raise
        raise InputError(
            f"The ImageNet weights of {name} could not be downloaded ({' '.join(str(error).split())[:200]}). Where "
            "there is no network, give a file: --set model.weights=FILE.h5, or a whole model: --set model.path=FILE."
        ) from error
    outputs = tf_keras.layers.Dense(options["classes"], activation="softmax", name="predictions")(base.output)
    return tf_keras.Model(base.inputs, outputs, name=base.name)


def _with_weights(factory: Any, options: dict[str, Any], path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"There is no weights file '{path}' (model.weights: none, imagenet or a file).")
    first: InputError | None = None
    for classes in dict.fromkeys((options["classes"], IMAGENET_CLASSES)):
        built = factory(**options | {"classes": classes})
        try:
            load_weights(built, path)
        except InputError as error:
            first = first or error
            continue
        return built
    assert first is not None
    raise first


def _from_function(reference: str) -> Any:
    module_name, colon, function_name = reference.partition(":")
    if not colon or not module_name or not function_name:
        raise InputError(f"model.function takes module:function, not '{reference}'.")
    try:
        function = importing.named(reference)
    except Exception as error:  # whatever is wrong in the user's file is the user's to mend
        raise InputError(f"model.function '{reference}' cannot be imported: {type(error).__name__}: {error}") from error
    try:
        built = function()
    except Exception as error:
        raise InputError(f"model.function '{reference}' raised {type(error).__name__}: {error}") from error
    if not isinstance(built, tf_keras.Model):
        raise InputError(
            f"model.function '{reference}' returned {type(built).__module__}.{type(built).__name__}, not a tf_keras "
            "model. Import Keras as tf_keras there: tensorflow-model-optimization knows no other."
        )
    return built


def _check_input(model: Any, input_shape: tuple[int, ...]) -> None:
    if len(model.inputs) != 1:
        return  # several inputs: the data's function feeds them, and Keras checks them
    wanted = tuple(model.inputs[0].shape[1:])
    fits = len(wanted) == len(input_shape) and all(w in (None, g) for w, g in zip(wanted, input_shape, strict=True))
    if not fits:
        hint = ""
        if len(wanted) == 3 and None not in wanted:
            hint = (
                f" Set data.preprocess.size to [{wanted[0]}, {wanted[1]}] and data.preprocess.channels to {wanted[2]}."
            )
        raise InputError(f"The model takes inputs of shape {wanted}, the data gives {input_shape}.{hint}")
