"""A recipe is checked before anything heavy starts, and its errors name the key and the fix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline import recipe
from pipeline.errors import InputError


def parse(**content: Any) -> recipe.Recipe:
    return recipe.parse({"name": "a", "model": {"name": "MobileNetV2"}, **content})


@pytest.mark.parametrize("name", ["mobilenet", "resnet8_cifar10", "mobilenet_v1_flowers", "mobilenet_imagenet"])
def test_the_promised_recipes_are_there_and_valid(name: str) -> None:
    assert recipe.load(name).name == name


def test_an_unknown_key_is_named_with_the_nearest_known_one() -> None:
    with pytest.raises(InputError, match=r"unknown key 'train\.epoch'\. Did you mean 'epochs'\?"):
        parse(train={"epoch": 3})


def test_an_unknown_recipe_is_named_with_the_nearest_known_one() -> None:
    with pytest.raises(InputError, match="Did you mean 'mobilenet'"):
        recipe.load("mobilnet")


def test_what_is_not_yaml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("name: [a\n")
    with pytest.raises(InputError, match="is not YAML"):
        recipe.load(str(tmp_path / "bad.yaml"))


def test_a_list_is_no_recipe(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("- a\n")
    with pytest.raises(InputError, match="mapping"):
        recipe.load(str(tmp_path / "bad.yaml"))


def test_set_overrides_one_key_and_leaves_the_rest() -> None:
    plain, changed = recipe.load("mobilenet"), recipe.load("mobilenet", ["train.epochs=3"])
    assert changed.train is not None
    assert plain.train is not None
    assert changed.train.epochs == 3
    assert changed.train.learning_rate == plain.train.learning_rate


@pytest.mark.parametrize("override", ["train.epochs", "=3", "name.x=1"])
def test_a_malformed_set_is_refused(override: str) -> None:
    with pytest.raises(InputError, match="--set"):
        recipe.load("mobilenet", [override])


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("train", {"epochs": -1}),
        ("train", {"learning_rate": 0}),
        ("data", {"test": 1.0}),
        ("data", {"preprocess": {"size": [0, 8]}}),
        ("data", {"preprocess": {"scale": "mean_std"}}),
        ("quantize", {"io": "int4"}),
        ("model", {"name": "a", "path": "b"}),
    ],
)
def test_a_value_out_of_its_bounds_names_its_key(section: str, value: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=section):
        parse(**{section: value})


def test_the_digest_changes_with_its_sections_only() -> None:
    one, other = parse(train={"epochs": 1}), parse(train={"epochs": 2})
    assert one.digest("model", "data") == other.digest("model", "data")
    assert one.digest("train") != other.digest("train")
