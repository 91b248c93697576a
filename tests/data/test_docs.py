"""Every snippet of docs/data.md is a data section that reads examples."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.data import load
from pipeline.recipe import Data

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def files(tmp_path, monkeypatch, make_image, make_wav) -> None:
    """What the page's paths stand for, in the current directory."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for number in range(20):
        make_image(Path("photos", "ab"[number % 2], f"{number}.png"), colour=number)
        make_wav(
            Path("spoken", f"{number % 2}_{'theo' if number < 10 else 'anna'}_{number // 2 % 5}.wav"), np.zeros(900)
        )
    houses = "\n".join(f"{n},{n * n},{1000 * n}" for n in range(20))
    Path("houses.csv").write_text(f"size,rooms,price\n{houses}\n")
    Path("landmarks.csv").write_text("\n".join(f"{n % 3},{n},{-n}" for n in range(20)) + "\n")
    products = "\n".join(f"photos/{'ab'[n % 2]}/{n}.png,{n},{2 * n},{n / 3}" for n in range(20))
    Path("products.csv").write_text(f"photo,weight,height,price\n{products}\n")
    np.savez("pairs.npz", a=rng.normal(size=(20, 3)), b=rng.normal(size=(20, 3)), score=rng.random(20))
    np.savez("waveforms.npz", x=rng.normal(size=(20, 2000)), y=np.arange(20) % 2)
    np.savez("series.npz", x=rng.normal(size=(200, 3)))


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("snippet", SNIPPETS)
def test_a_snippet_reads_examples(snippet):
    section = yaml.safe_load(snippet)
    data = load(Data.model_validate(section))
    batch = next(data.batches("test", 4))
    assert len(batch) > 0
    assert {name: array.shape[1:] for name, array in batch.inputs.items()} == {
        name: spec.shape[1:] for name, spec in data.inputs.items()
    }
    for name in section.get("inputs", {}):
        assert name in batch.inputs
    for name in section.get("targets", {}):
        assert name in batch.targets


def test_the_page_shows_every_embedded_source():
    from pipeline.data import EMBEDDED

    assert len(SNIPPETS) > 15
    for name in EMBEDDED:
        assert f"`{name}`" in PAGE
