"""Weights from a file go into their own architecture; for another one, the layer that differs is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError


def network(k: Any, width: int = 4, depth: int = 1) -> Any:
    inputs = x = k.Input((8, 8, 1))
    for index in range(depth):
        x = k.layers.Conv2D(width, 3, name=f"conv_{index}")(x)
    return k.Model(inputs, k.layers.Dense(3, name="head")(k.layers.Flatten()(x)), name="network")


def save(model: Any, path: Path) -> None:
    if path.name.startswith("model"):
        model.save(path)
    else:
        model.save_weights(path)


NAMES = ["weights.weights.h5", "model.keras", "model.h5"]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("name", NAMES)
def test_weights_of_either_keras_go_into_their_architecture(version: int, name: str, tmp_path: Path) -> None:
    import keras

    from pipeline.models.backend import tf_keras
    from pipeline.models.weights import load_weights

    source = network(tf_keras if version == 2 else keras)
    save(source, tmp_path / name)
    target = network(tf_keras)
    load_weights(target, tmp_path / name)
    for ours, theirs in zip(target.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("other", "reason"),
    [({"width": 6}, r"layer 'conv_0' has a (kernel|bias) of the shape|3, 3, 1, 4|\(4,\)"), ({"depth": 2}, "layer")],
    ids=["wider", "deeper"],
)
def test_weights_of_another_architecture_name_the_layer_and_the_way_out(
    name: str, other: dict[str, int], reason: str, tmp_path: Path
) -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.models.weights import load_weights

    save(network(tf_keras, **other), tmp_path / name)
    with pytest.raises(InputError, match=r"do not fit network: .*model\.path=FILE") as caught:
        load_weights(network(tf_keras), tmp_path / name)
    assert caught.match(reason)


def test_a_file_that_holds_no_weights_is_named(tmp_path: Path) -> None:
    from pipeline.models.backend import tf_keras
    from pipeline.models.weights import load_weights

    (tmp_path / "notes.h5").write_text("not weights")
    with pytest.raises(InputError, match=r"notes\.h5"):
        load_weights(network(tf_keras), tmp_path / "notes.h5")


def test_a_file_of_keras_1_says_how_to_convert_it(tmp_path: Path) -> None:
    import h5py

    from pipeline.models.load import load_file

    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = "{}", "1.2.2"
    with pytest.raises(InputError, match=r"written by Keras 1\.2\.2"):
        load_file(tmp_path / "old.h5")
