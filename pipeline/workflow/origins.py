"""What a run is made from: its recipe, the data, the files and the user's own code that the recipe names.

A stage's key covers all of it, so that a change of any is noticed. What a stage was made from, versions aside, is kept
with its record too, so that a command that goes on with a run later can say what has changed since.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.files import sha256, write_text
from pipeline.importing import source_digest
from pipeline.workflow.run_folder import LABELS

if TYPE_CHECKING:
    from pipeline.workflow.context import RunContext

_INSTALLED = ("keras:", "tfds:")
"""Sources with a colon that are no code of the user's."""
_WORDS = {
    "recipe": "the recipe",
    "data": "the data",
    "code": "your own code",
    "model": "the model",
    "source": "the model",
    "weights": "the weights file",
    "calibration": "the calibration",
    "keep": "quantize.keep",
}


def content_of(path: Path | None) -> Any:
    """What stands for a file or a folder in a key: the SHA-256 of every regular file in it, by relative name."""
    if path is None or not path.exists():
        return None
    if path.is_file():
        return sha256(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return [(str(file.relative_to(path)), sha256(file)) for file in files]


def of_data(context: RunContext) -> dict[str, Any]:
    """The examples, the names of their classes, and the code that gives them."""
    source = context.recipe.data.source
    return {
        "fingerprint": context.data.fingerprint,
        "class_names": list(context.data.class_names),
        "code": _digests(source) if not source.startswith(_INSTALLED) else {},
    }


def of_training(context: RunContext) -> dict[str, Any]:
    """Of the float Keras model."""
    recipe = context.recipe
    return {
        "recipe": recipe.digest("model", "data", "train", "task"),
        "data": of_data(context),
        "code": _digests(recipe.model.function, *_strings(recipe.task)),
        "model": content_of(recipe.model.path),
        "weights": content_of(None if recipe.model.weights is None else Path(recipe.model.weights)),
    }


def of_qat(context: RunContext) -> dict[str, Any]:
    """Of the QAT model, its float parent aside."""
    recipe = context.recipe
    return {
        "recipe": recipe.digest("data", "task", "qat"),
        "data": of_data(context),
        "code": _digests(*_strings(recipe.task), *(recipe.qat.configs.values() if recipe.qat else ())),
        # quantize.io is not here: the type of the outputs hardly changes which epoch is best, and QAT may take hours.
        "keep": [str(rule) for rule in recipe.quantize.keep],
    }


def of_float_model(context: RunContext) -> dict[str, Any]:
    """Of the float flatbuffers and the ranges, the Keras models that they are converted from aside."""
    recipe = context.recipe
    calibration = recipe.quantize.model_dump(mode="json", exclude={"formats", "io", "keep"})
    return {
        "recipe": [recipe.name, recipe.description, recipe.digest("data", "task")],
        "data": of_data(context),
        "code": _digests(*_strings(recipe.task)),
        "model": [recipe.model.signature, recipe.model.sizes],
        "calibration": calibration | {"ranges": content_of(recipe.quantize.ranges), "trains": recipe.trains},
    }


def of_taken(context: RunContext, origin: Path | str) -> dict[str, Any]:
    """As `of_float_model`, of a model file as it is, or of the Keras 3 model that `module:function` gave."""
    source = content_of(origin) if isinstance(origin, Path) else _digests(origin)
    return of_float_model(context) | {"source": source}


def differences(kept: Any, now: dict[str, Any]) -> list[str]:
    """What of a stage's record is no longer so, in words; nothing where the record says nothing."""
    if not isinstance(kept, dict):
        return []
    return [_WORDS[name] for name in now if name in kept and kept[name] != _as_kept(now[name])]


def _as_kept(value: Any) -> Any:
    """A value as it comes back from JSON: tuples are lists there."""
    if isinstance(value, dict):
        return {str(key): _as_kept(inner) for key, inner in value.items()}
    return [_as_kept(inner) for inner in value] if isinstance(value, list | tuple) else value


def describe(context: RunContext) -> None:
    """Write the recipe and the data into the manifest, and the names of the classes beside it.

    Only once the model in the folder is the recipe's: whatever reads the run prepares the model's inputs as it says.
    """
    context.run.describe(**description(context))


def describe_new(context: RunContext) -> None:
    """As `describe`, where the folder holds no model yet: one that is stopped now can tell what it was to be."""
    if not context.run.manifest.get("stages"):
        describe(context)


def description(context: RunContext) -> dict[str, Any]:
    """As `describe`, for the manifest to be written together with the record of the stage that made the model."""
    data = context.data
    write_text(context.run.path(LABELS), "\n".join(data.class_names) + "\n")
    return {
        "name": context.recipe.name,
        "recipe": context.recipe.model_dump(mode="json"),
        "data": {
            "fingerprint": data.fingerprint,
            "inputs": {name: list(spec.shape[1:]) for name, spec in data.inputs.items()},
            "targets": {name: list(spec.shape[1:]) for name, spec in data.targets.items()},
            "splits": {name: len(examples) for name, examples in data.splits.items()},
        },
    }


def _digests(*references: str | None) -> dict[str, str | None]:
    return {name: source_digest(name) for name in references if name is not None and ":" in name}


def _strings(section: Any) -> Iterator[str]:
    """Every string of the recipe's `task`, at any depth."""
    if isinstance(section, str):
        yield section
    elif isinstance(section, dict):
        for inner in section.values():
            yield from _strings(inner)
