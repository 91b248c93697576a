"""A recipe's `model` section turned into a `tf_keras` model that fits the data."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import importing, recipe
from pipeline.errors import InputError, as_input_error, did_you_mean, one_line
from pipeline.models.backend import tf_keras
from pipeline.models.data_fit import check_data
from pipeline.models.dense_prediction import NETWORKS, Request, build_network
from pipeline.models.head import number_of_classes, replace_head
from pipeline.models.keras3.keras3_file import in_float32
from pipeline.models.keras_signature import signature_of
from pipeline.models.load import load_file
from pipeline.models.named_function import is_keras3
from pipeline.models.weights import load_weights
from pipeline.tensors import OPEN, TensorSpec

IMAGENET_CLASSES = 1000


class Keras3ModelError(InputError):
    """A function gave a Keras 3 model, which is quantized after training as it is, but not trained.

    Args:
        reference: The function, `module:function`.
        model: What it gave, in float32.
    """

    def __init__(self, reference: str, model: Any) -> None:
        super().__init__(
            f"model.function '{reference}' returned a Keras 3 model, and training and QAT need one of tf_keras: "
            "tensorflow-model-optimization knows no other. Import Keras as tf_keras there, save the model as a .keras "
            "file and give it as model.path, which carries its layers over, or quantize it after training: leave train "
            "and qat out."
        )
        self.model = model


def zoo() -> dict[str, Any]:
    """The architectures of `tf_keras.applications` by name."""
    applications = tf_keras.applications
    return {name: value for name, value in vars(applications).items() if name[0].isupper() and callable(value)}


def build(
    model: recipe.Model,
    inputs: Mapping[str, TensorSpec],
    targets: Mapping[str, TensorSpec],
    class_names: Sequence[str] = (),
    task: str | Mapping[str, Any] = "auto",
    *,
    trainable: bool = True,
    compiled: bool = False,
) -> Any:
    """Build or load a recipe's model and see that the data fits its inputs.

    A classifier that will be trained gets a new head if its classes are not the data's; models for anything else stay
    as they are.

    Args:
        model: The recipe's section.
        inputs: What a batch of the data holds for the model, by name.
        targets: What is known about its examples, by name.
        class_names: Of the one class target; empty where the targets are no classes.
        task: The recipe's; `auto` takes a model with one output [batch, classes], and data with classes, for a
            classifier.
        trainable: Whether training follows. A new head is random, so without training none is made, and a model
            may know more classes than the data shows.
        compiled: Whether a loss that the model is compiled with in its file is needed.

    Raises:
        InputError: unknown name, missing file, a function that returns no model, a model whose inputs do not fit the
            data, or a classifier's that does not answer classes.
    """
    if model.path is not None:
        built = load_file(model.path, compiled=compiled, trusted=model.trust)
    elif model.function is not None:
        built = _from_function(model.function)
    elif model.name in NETWORKS:
        built = _dense_prediction(model, inputs, class_names, task)
    elif model.name is not None:
        factory = _architecture(model)
        built = _from_zoo(model, factory, inputs, _outputs(model, targets, class_names, task))
    else:
        raise InputError(
            "The recipe does not say which model: give --set model.name=MobileNetV2 (any of tf_keras.applications; "
            f"or {', '.join(NETWORKS)}), --set model.path=FILE or --set model.function=module:function."
        )
    check_inputs(built, inputs)
    if _classifies(class_names, task) and (_name(task) != "auto" or _answers_classes(built)):
        return _with_classes(built, model.classes or len(class_names), trainable)
    return built


def _with_classes(built: Any, classes: int, trainable: bool) -> Any:
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


def _name(task: str | Mapping[str, Any]) -> str:
    return task if isinstance(task, str) else str(task.get("name", "several outputs"))


def _classifies(class_names: Sequence[str], task: str | Mapping[str, Any]) -> bool:
    return bool(class_names) and _name(task) in ("auto", "classification")


def _answers_classes(built: Any) -> bool:
    return len(built.outputs) == 1 and len(built.outputs[0].shape) == 2 and built.outputs[0].shape[1] is not None


@dataclass(frozen=True)
class _Outputs:
    """What a model of the zoo ends in."""

    units: int
    softmax: bool


def _outputs(
    model: recipe.Model,
    targets: Mapping[str, TensorSpec],
    class_names: Sequence[str],
    task: str | Mapping[str, Any],
) -> _Outputs:
    """Classes, or else as many values as the one numeric target has."""
    softmax = _classifies(class_names, task)
    if model.classes is not None or softmax:
        return _Outputs(model.classes or len(class_names), softmax or not targets)
    if len(targets) == 1:
        [target] = targets.values()
        if len(target.shape) <= 2 and OPEN not in target.shape[1:]:
            return _Outputs(math.prod(target.shape[1:]), softmax=False)
    listed = ", ".join(str(target) for target in targets.values()) or "none"
    raise InputError(
        f"{model.name} ends in classes or in the values of one target [batch, values], and the data's targets are: "
        f"{listed}. Say how many outputs it is to have with --set model.classes=…, or build the model in a function."
    )


def _dense_prediction(
    model: recipe.Model, inputs: Mapping[str, TensorSpec], class_names: Sequence[str], task: str | Mapping[str, Any]
) -> Any:
    classes = model.classes or len(class_names)
    if not classes:
        raise InputError(
            f"{model.name} answers classes of boxes or of pixels, and the data names none: give data with boxes or "
            "masks, or say how many with --set model.classes=…."
        )
    options = task if isinstance(task, Mapping) else {}
    shape = _input_shape(model, inputs)
    wanted = Request(str(model.name), shape, classes, options, model.backbone, model.alpha, model.weights)
    return build_network(wanted, zoo())


def _input_shape(model: recipe.Model, inputs: Mapping[str, TensorSpec]) -> tuple[int, ...]:
    if len(inputs) != 1 and model.input_shape is None:
        raise InputError(
            f"{model.name} takes one image; the data has the inputs {', '.join(map(repr, inputs)) or 'none'}."
        )
    return model.input_shape or next(iter(inputs.values())).shape[1:]


def _architecture(model: recipe.Model) -> Any:
    known = zoo()
    if model.name not in known:
        hint = did_you_mean(str(model.name), [*known, *NETWORKS])
        raise InputError(f"There is no tf_keras.applications model '{model.name}'.{hint}")
    if model.backbone is not None:
        raise InputError(f"{model.name} has no backbone: model.backbone goes with {', '.join(NETWORKS)}.")
    return known[model.name]


def _from_zoo(model: recipe.Model, factory: Any, inputs: Mapping[str, TensorSpec], ends: _Outputs) -> Any:
    input_shape = _input_shape(model, inputs)
    options: dict[str, Any] = {
        "input_shape": tuple(None if side == OPEN else side for side in input_shape),
        "weights": None,
        "classes": ends.units,
    }
    if not ends.softmax:
        options["classifier_activation"] = None
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
            return _with_imagenet(str(model.name), factory, options)
        return _with_weights(factory, options, Path(str(model.weights)))
    except ValueError as error:
        raise InputError(f"{model.name} cannot be built for inputs {input_shape}: {error}") from error


def _with_imagenet(name: str, factory: Any, options: dict[str, Any]) -> Any:
    try:
        if options["classes"] == IMAGENET_CLASSES and "classifier_activation" not in options:
            return factory(**options | {"weights": "imagenet"})
        base = factory(**options | {"weights": "imagenet", "include_top": False, "pooling": "avg"})
    except Exception as error:
        if isinstance(error, ValueError):
            raise
        raise InputError(
            f"The ImageNet weights of {name} could not be downloaded ({one_line(error, 200)}). Where "
            "there is no network, give a file: --set model.weights=FILE.h5, or a whole model: --set model.path=FILE."
        ) from error
    activation = options.get("classifier_activation", "softmax")
    outputs = tf_keras.layers.Dense(options["classes"], activation=activation, name="predictions")(base.output)
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
    with as_input_error(lambda why: f"model.function '{reference}' cannot be imported: {why}"):
        function = importing.named(reference)
    with as_input_error(lambda why: f"model.function '{reference}' raised {why}"):
        built = function()
    if is_keras3(built):
        raise Keras3ModelError(reference, in_float32(built))
    if not isinstance(built, tf_keras.Model):
        raise InputError(
            f"model.function '{reference}' returned {type(built).__module__}.{type(built).__name__}, not a tf_keras "
            "model. Import Keras as tf_keras there: tensorflow-model-optimization knows no other."
        )
    return built


def check_inputs(model: Any, inputs: Mapping[str, TensorSpec]) -> None:
    """See that a model takes what the data gives.

    One input is taken for the one input whatever the two are called; several go by name.

    Raises:
        InputError: a name that the model does not have (with the nearest one), one that is missing, another shape (with
            what gives the model's), or values for an input of whole numbers.
    """
    if not model.inputs:
        return  # a subclassed model that was not called yet: Keras checks what it is fed
    check_data(signature_of(model).inputs, inputs)
