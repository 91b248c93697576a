"""The recipes that the README shows are recipes, and the one of a table is run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline import recipe
from pipeline.workflow import stages
from pipeline.workflow.run_folder import Run

PAGE = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
RECIPES = {
    content["name"]: content
    for snippet in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    if "model" in (content := yaml.safe_load(snippet))
}


@pytest.mark.parametrize("content", RECIPES.values(), ids=RECIPES)
def test_a_recipe_is_one(content: dict[str, object]) -> None:
    assert recipe.parse(content).name == content["name"]


def test_the_regression_of_a_table_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(120, 3)) * [50, 1, 3] + [100, 4, 20]
    lines = (
        f"{area:.2f},{rooms:.2f},{age:.2f},{3000 * area + 9000 * rooms - 500 * age:.0f}" for area, rooms, age in rows
    )
    Path("houses.csv").write_text("area,rooms,age,price\n" + "\n".join(lines) + "\n")
    Path("mine.py").write_text(
        "def network():\n"
        "    import tf_keras\n"
        "    layers = tf_keras.layers\n"
        "    return tf_keras.Sequential([layers.Input((3,)), layers.Dense(8, 'relu'), layers.Dense(1)])\n"
    )
    content = RECIPES["price"] | {"train": {"epochs": 2}, "benchmark": {"runs": 3, "warmup": 1}}
    context = stages.RunContext(recipe.parse(content), Run(tmp_path / "runs" / "price"))
    stages.run_recipe(context)
    assert context.run.metrics["int8"].keys() >= {"rmse", "n"}
