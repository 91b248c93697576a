"""What `pipeline evaluate --data` is given, for a model of which only its file is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import recipe as recipes
from pipeline.data import Dataset, load
from pipeline.data.preprocess.recorded import audio_section, standardized_section
from pipeline.errors import InputError
from pipeline.recipe import Recipe
from pipeline.tflite import metadata
from pipeline.tflite.kernels import open_runner
from pipeline.workflow.export_data import data_section


def open_given(given: str, model: Path, overrides: Sequence[str], split: str) -> tuple[Recipe, Dataset]:
    """Data that was given beside a model, prepared as the model's metadata say and the user's settings demand.

    Args:
        given: A folder, an .npz, .npy or .csv file, `module:function`, or a recipe's name or file.
        model: A .tflite file.
        overrides: `section.key=value` settings.
        split: The split whose examples are asked for. Where the data has no splits, all of it is that split.

    Returns:
        A recipe of the data alone, or the one that is given; and its data.

    Raises:
        InputError: no such data or model, data that does not fit the model, or a scale of images that nothing says.
    """
    if Path(given).suffix.lower() in (".yaml", ".yml") or (not Path(given).exists() and given in recipes.available()):
        recipe = recipes.load(given, overrides)
        return recipe, load(recipe.data, trains=recipe.trains)
    content: dict[str, Any] = {"name": "evaluate", "model": {"path": str(model)}}
    for override in overrides:
        recipes.lay_over(content, override)
    known = metadata.read(model)
    section = content.setdefault("data", {})
    inputs = open_runner(model.read_bytes()).signature.inputs
    said = "preprocess" in section or "audio" in section  # by the user, who may know better than the file
    described = {spec.name: known.preprocessing_of(spec.name) for spec in inputs} if known and not said else {}
    alone = next(iter(described.values()), {}) if len(inputs) == 1 else {}
    _by_default(section, alone)
    data_section(given, content, inputs)
    for name, own in section.get("inputs", {}).items():
        _of_input(own, described.get(name, alone if len(section["inputs"]) == 1 else {}))
    recipe = recipes.parse(content, "--data")
    return recipe, load(recipe.data, whole=split, class_names=known.labels if known else ())


def _by_default(section: dict[str, Any], described: Mapping[str, Any]) -> None:
    """The only input's preprocessing, where the user says none."""
    if described.get("kind") == "audio":
        _refuse_standardized_audio(described)
        section.setdefault("audio", audio_section(described).model_dump(mode="json"))
    elif _says_scale(described):
        made = standardized_section(_with_scale(described)).model_dump(mode="json")
        section.setdefault("preprocess", made)


def _of_input(own: dict[str, Any], described: Mapping[str, Any]) -> None:
    """One of several inputs', or of the columns of a table."""
    if "preprocess" in own or "audio" in own:
        return
    if described.get("kind") == "audio":
        _refuse_standardized_audio(described)
        own["audio"] = audio_section(described).model_dump(mode="json")
    elif _says_scale(described):
        own["preprocess"] = standardized_section(_with_scale(described)).model_dump(mode="json")


def _says_scale(described: Mapping[str, Any]) -> bool:
    return "scale" in described or bool(described.get("mean") and described.get("std"))


def _with_scale(described: Mapping[str, Any]) -> dict[str, Any]:
    """The standard metadata know mean and deviation alone."""
    return {"scale": "mean_std"} | dict(described)


def _refuse_standardized_audio(described: Mapping[str, Any]) -> None:
    if described.get("standardize"):
        raise InputError(
            "The model's metadata say that its sounds' features were standardized, which --data cannot repeat: give "
            "the recipe that it was made with, --recipe RECIPE."
        )
