"""What a recipe file and --set may say, beyond the ordinary (see test_recipes.py for that)."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import recipe
from pipeline.errors import InputError

FILES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


def write(folder: Path, text: str | bytes) -> str:
    path = folder / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def changed(*overrides: str) -> recipe.Recipe:
    return recipe.load("mobilenet", overrides)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_recipe_is_valid_and_named_and_described_as_its_file(path: Path) -> None:
    loaded = recipe.load(str(path))
    assert loaded.name == path.stem
    assert loaded.description


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("modle", "model"),
        ("data.sourc", "source"),
        ("data.preprocess.sise", "size"),
        ("data.augment.flips", "flip"),
        ("train.lerning_rate", "learning_rate"),
        ("qat.freeze_batchnorm", "freeze_batch_norm"),
        ("quantize.format", "formats"),
        ("benchmark.thread", "threads"),
    ],
)
def test_an_unknown_key_at_any_depth_is_met_with_its_neighbour(key: str, nearest: str) -> None:
    with pytest.raises(InputError) as caught:
        changed(f"{key}=1")
    assert f"unknown key '{key}'. Did you mean '{nearest}'?" in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(InputError, match=r"sourc'.*epoch'"):
        changed("train.epoch=1", "data.sourc=1")


@pytest.mark.parametrize("text", ["", "just text", "- a\n- b\n", "name: [a", "a: b: c", b"\xff\xfe\x00", "a: \x00"])
def test_a_file_that_is_no_mapping_is_refused_by_its_name(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(InputError, match=r"mine\.yaml"):
        recipe.load(write(tmp_path, text))


def test_a_number_for_a_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1"):
        recipe.load(write(tmp_path, "name: a\nmodel: {name: ResNet50}\n1: 2\n"))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'name' is missing.*'model' is missing"):
        recipe.load(write(tmp_path, "description: nothing\n"))


@pytest.mark.parametrize("name", ["missing.yaml", "recipes/", "./mobilenet"])
def test_a_path_without_a_file_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="no recipe file"):
        recipe.load(name)


@pytest.mark.parametrize("pair", list(combinations(("name", "path", "function"), 2)), ids="+".join)
def test_a_model_has_one_origin(pair: tuple[str, str]) -> None:
    with pytest.raises(InputError, match=f"not {pair[0]} and {pair[1]}"):
        recipe.parse({"name": "a", "model": dict.fromkeys(pair, "b:c")})


def test_open_dimensions_get_their_sizes_by_input() -> None:
    one = recipe.parse({"name": "a", "model": {"input_shape": [9, 7, 1]}})
    two = recipe.parse({"name": "a", "model": {"input_sizes": {"left": [9, 7, 1], "right": [5]}}})
    assert recipe.parse({"name": "a", "model": {}}).model.sizes == {}
    assert list(one.model.sizes.values()) == [(9, 7, 1)]
    assert two.model.sizes == {"left": (9, 7, 1), "right": (5,)}
    with pytest.raises(InputError, match="input_shape for one input or input_sizes for several"):
        recipe.parse({"name": "a", "model": {"input_shape": [5], "input_sizes": {"right": [5]}}})


@pytest.mark.parametrize(
    "override",
    [
        "train.epochs=-1",
        "train.epochs=many",
        "train.epochs=1.5",
        "train.batch_size=0",
        "train.learning_rate=0",
        "train.learning_rate=.nan",
        "train.optimizer=rmsprop",
        "train.label_smoothing=1",
        "qat.epochs=0",
        "data.validation=1",
        "data.calibration=0",
        "data.limit=0",
        "data.preprocess.size=[8]",
        "data.preprocess.channels=2",
        "data.preprocess.scale=0-1",
        "data.preprocess={scale: mean_std}",
        "data.augment.shift=0.6",
        "data.preprocess={scale: mean_std, mean: [0], std: [1e-300]}",
        "data.seed=-1",
        "data.preprocess.size=[1000000, 1000000]",
        "data.calibration=1000000000000",
        "evaluate.threads=1000000",
        "benchmark.threads=1000000",
        "train.epochs=1000000000",
        "train.learning_rate=1.0e+30",
        "qat.learning_rate=1.0e+30",
        "name='a\n'",
        "train.seed=-1",
        "qat.seed=4294967296",
        "quantize.formats=[int4]",
        "quantize.io=float16",
        "evaluate.threads=0",
        "benchmark.warmup=-1",
        "model.alpha=0",
        "name=a/b",
        "name=.hidden",
        "data=null",
    ],
)
def test_a_value_out_of_bounds_names_its_key(override: str) -> None:
    with pytest.raises(InputError) as caught:
        changed(override)
    assert override.partition("=")[0] in str(caught.value)


@pytest.mark.parametrize("key", ["train.learning_rate", "train.warmup_epochs", "qat.learning_rate", "model.alpha"])
def test_an_infinite_number_is_out_of_bounds(key: str) -> None:
    with pytest.raises(InputError, match=key):
        changed(f"{key}=.inf")


@pytest.mark.parametrize(
    "override", ["", "epochs", "=1", " =1", "train.epochs:3", "name.first=1", "train.epochs.x=1", "train.epochs=[1"]
)
def test_a_malformed_set_is_shown_as_it_was_given(override: str) -> None:
    with pytest.raises(InputError) as caught:
        changed(override)
    assert "--set" in str(caught.value)
    assert override in str(caught.value)


@pytest.mark.parametrize("override", ["train.=3", ".epochs=3", "train..epochs=3", "..=1"])
def test_a_set_with_an_empty_part_is_refused(override: str) -> None:
    with pytest.raises(InputError):
        changed(override)


def test_set_reads_its_value_as_yaml() -> None:
    loaded = changed(
        "train.learning_rate=1e-3", "data.preprocess.size=[8, 16]", "data.augment={flip: true}", "description=a=b"
    )
    assert loaded.train is not None
    assert loaded.train.learning_rate == 0.001
    assert loaded.data.preprocess.size == (8, 16)
    assert loaded.data.augment == recipe.Augment(flip=True)
    assert loaded.description == "a=b"


def test_the_last_of_two_sets_wins() -> None:
    loaded = changed("train.epochs=2", "train.epochs=3")
    assert loaded.train is not None
    assert loaded.train.epochs == 3


def test_set_makes_a_section_and_takes_one_away(tmp_path: Path) -> None:
    path = write(tmp_path, "name: a\nmodel: {name: ResNet50}\n")
    assert recipe.load(path).qat is None
    assert recipe.load(path, ["qat.epochs=2"]).qat == recipe.Qat(epochs=2)
    assert changed("qat=").qat is None


def test_an_own_recipe_folder_comes_before_the_delivered_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "mobilenet.yaml").write_text("name: mobilenet\ndescription: mine\nmodel: {}\n")
    monkeypatch.chdir(tmp_path)
    assert changed().description == "mine"
    assert set(recipe.available()) >= {path.stem for path in FILES}


def test_the_schema_knows_every_section_and_forbids_the_rest() -> None:
    schema = recipe.Recipe.model_json_schema()
    assert set(schema["properties"]) == set(recipe.Recipe.model_fields)
    assert schema["required"] == ["name", "model"]
    assert all(part["additionalProperties"] is False for part in (schema, *schema["$defs"].values()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recipe_shown_and_read_again_is_the_same(tmp_path: Path, path: Path) -> None:
    loaded = recipe.load(str(path))
    again = recipe.load(write(tmp_path, yaml.safe_dump(loaded.model_dump(mode="json"))))
    assert again == loaded
    assert again.digest() == loaded.digest()


def test_a_recipe_cannot_be_changed_by_accident() -> None:
    loaded: Any = changed()
    with pytest.raises(ValueError, match="frozen"):
        loaded.name = "other"


def test_a_budget_in_seconds_is_read_as_work() -> None:
    assert changed("quantize.budget=60").quantize.work == 60 * recipe.schema.WORK_A_SECOND
    assert changed("quantize.budget=60", "quantize.work=5").quantize.work == 5
    content = changed().model_dump(mode="json")
    content["quantize"] = {**content["quantize"], "budget": 180}  # of a run of an earlier version
    del content["quantize"]["work"]
    assert recipe.parse(content).quantize.work == changed().quantize.work


@pytest.mark.parametrize("value", ["0", "-1", "soon", "true"])
def test_a_budget_that_is_no_time_is_refused(value: str) -> None:
    with pytest.raises(InputError, match="work"):
        changed(f"quantize.budget={value}")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train.epochs", 10**9),
        ("train.batch_size", 0),
        ("train.batch_size", 10**8),
        ("train.warmup_epochs", 1e12),
        ("train.learning_rate", float("nan")),
        ("qat.distill.temperature", float("inf")),
        ("data.limit", -1),
        ("data.preprocess.size", [10**6, 10**6]),
        ("data.preprocess.size", [20_000, 20_000]),
        ("data.preprocess.mean", [1e300]),
        ("data.audio.sample_rate", 10**8),
        ("data.audio.fft", 10**9),
        ("data.audio", {"sample_rate": 10**6, "seconds": 86_400}),
        ("data.path", "x" * 300),
        ("data.path", "a/" * 3000),
        ("data.source", "x" * 50_000),
        ("model.input_shape", [-1, 8]),
        ("model.input_shape", [10**5, 10**5]),
        ("model.alpha", 1e300),
        ("model.classes", 10**9),
        ("verify.tensor_sqnr_db", 1e300),
        ("quantize.work", 1e300),
    ],
)
def test_numbers_out_of_any_sense_are_refused_by_their_key(key: str, value: object) -> None:
    content: dict[str, Any] = {"name": "a", "model": {"path": "a.keras"}, "train": {}, "qat": {}}
    *sections, last = key.split(".")
    place = content
    for section in sections:
        place = place.setdefault(section, {})
    place[last] = value
    with pytest.raises(InputError) as refused:
        recipe.parse(content)
    assert any(f"'{shown}" in str(refused.value) for shown in (key, ".".join(sections)))
    assert last in str(refused.value)
    assert len(str(refused.value)) < 400
