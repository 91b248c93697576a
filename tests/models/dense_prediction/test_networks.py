"""Detectors and segmenters by name: what they answer, for which inputs, and that int8 takes them whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import recipe
from pipeline.errors import InputError
from pipeline.tensors import OPEN, TensorSpec

NAMES = ("ssd_lite", "centernet", "deeplabv3plus_lite", "u_net")
ANCHORS = {"strides": [8, 16, 32, 64], "scales": [2.0], "ratios": [1.0, 2.0]}
TASK: Mapping[str, Any] = {"name": "detection", "anchors": ANCHORS}


def build(shape: tuple[int, ...] = (64, 48, 1), classes: int = 3, **how: Any) -> Any:
    from pipeline.models.build import build

    section = recipe.Model.model_validate({"alpha": 0.35, **how})
    task = TASK if how.get("name") in ("ssd_lite", "centernet") else "segmentation"
    names = [str(number) for number in range(classes)]
    return build(section, {"x": TensorSpec("x", (OPEN, *shape), np.dtype(np.float32))}, {}, names, task)


def shapes(model: Any) -> dict[str, tuple[int, ...]]:
    return dict(zip(model.output_names, (tuple(output.shape[1:]) for output in model.outputs), strict=True))


@pytest.mark.parametrize("shape", [(64, 48, 1), (75, 101, 3)])
def test_ssd_answers_for_every_anchor_of_the_task(shape: tuple[int, ...]) -> None:
    from pipeline.tasks.detection.anchors import read_anchors

    count = len(read_anchors(ANCHORS, shape[:2]))
    assert shapes(build(shape, name="ssd_lite")) == {"boxes": (count, 4), "scores": (count, 3)}


def test_the_others_answer_in_cells_of_their_stride() -> None:
    shape = (75, 101, 3)
    assert shapes(build(shape, name="centernet")) == {
        "heatmap": (19, 26, 3),
        "size": (19, 26, 2),
        "offset": (19, 26, 2),
    }
    assert shapes(build(shape, name="deeplabv3plus_lite")) == {"mask": (19, 26, 3)}
    assert shapes(build(shape, name="u_net")) == {"mask": (75, 101, 3)}
    assert shapes(build(shape, name="u_net", backbone="MobileNetV2")) == {"mask": (75, 101, 3)}


def test_scores_begin_rare_so_that_the_background_does_not_drown_the_rest() -> None:
    for name, output, share in (("ssd_lite", "scores", 0.01), ("centernet", "heatmap", 0.1)):
        model = build(name=name)
        answers = dict(zip(model.output_names, model(np.zeros((1, 64, 48, 1), np.float32)), strict=True))
        assert np.median(answers[output]) == pytest.approx(share, rel=0.5)


def test_a_row_of_scores_belongs_to_the_anchor_of_the_same_row() -> None:
    """What is bright in one cell alone moves the answers of the anchors near it most."""
    from pipeline.models.backend import tf_keras
    from pipeline.tasks.detection.anchors import read_anchors

    tf_keras.utils.set_random_seed(0)
    model = build((128, 96, 1), name="ssd_lite")
    anchors = read_anchors(ANCHORS, (128, 96))
    image = np.zeros((1, 128, 96, 1), np.float32)
    dark = np.asarray(model(image)[1])[0]
    image[0, 88:104, 8:24] = 1  # around y 0.75, x 0.17
    moved = np.abs(np.asarray(model(image)[1])[0] - dark).sum(axis=-1)
    first = 2 * (128 // 8) * (96 // 8)  # the finest level
    nearest = anchors[:first][moved[:first].argmax()]
    np.testing.assert_allclose(nearest[:2], [0.75, 0.17], atol=0.15)


@pytest.mark.parametrize("backbone", ["MobileNetV3Small", "MobileNet"])
def test_other_backbones(backbone: str) -> None:
    alpha = 1.0 if backbone.startswith("MobileNetV3") else 0.25
    model = build((64, 64, 3), name="deeplabv3plus_lite", backbone=backbone, alpha=alpha)
    assert shapes(model) == {"mask": (16, 16, 3)}


@pytest.mark.parametrize("top", [True, False])
def test_a_backbone_takes_the_weights_of_a_classifier_or_of_the_network_without_its_top(
    top: bool, tmp_path: Path
) -> None:
    from pipeline.models.backend import tf_keras

    classifier = tf_keras.applications.MobileNet(
        input_shape=(64, 64, 3), alpha=0.25, weights=None, include_top=top, **({"classes": 1000} if top else {})
    )
    path = tmp_path / "weights.h5"
    classifier.save_weights(path)
    built = build((96, 64, 3), name="deeplabv3plus_lite", backbone="MobileNet", alpha=0.25, weights=str(path))
    own, given = (model.get_layer("conv_pw_5").get_weights()[0] for model in (built, classifier))
    np.testing.assert_array_equal(own, given)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"name": "ssd_lte"}, "Did you mean 'ssd_lite'"),
        ({"name": "u_net", "backbone": "MobileNetV9"}, "Did you mean 'MobileNetV2'"),
        ({"name": "MobileNetV2", "backbone": "MobileNet"}, "has no backbone"),
        ({"name": "centernet", "weights": "missing.h5"}, "no weights file 'missing.h5'"),
        ({"name": "u_net", "weights": "missing.h5"}, "model.backbone"),
        ({"name": "centernet", "backbone": "ResNet50"}, "no width multiplier"),
        ({"name": "ssd_lite", "shape": (16, 16, 3)}, "at least 32x32"),
        ({"name": "u_net", "shape": (OPEN, OPEN, 3)}, "data.preprocess.size"),
        ({"name": "u_net", "shape": (40,)}, "takes images"),
        ({"name": "u_net", "classes": 0}, "model.classes"),
    ],
)
def test_what_cannot_be_built_is_refused(how: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        build(**how)


def test_a_backbone_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="backbone goes with a name"):
        recipe.Model.model_validate({"backbone": "MobileNetV2"})


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_int8_takes_the_network_whole(name: str, tmp_path: Path) -> None:
    """One partition of XNNPACK, with sides that no stride divides."""
    from pipeline.conversion.import_float import import_float
    from pipeline.models.backend import tf_keras
    from pipeline.quantization.ptq import Quantizer, Settings, prepare
    from pipeline.tflite import delegation

    tf_keras.utils.set_random_seed(0)
    model = build((75, 101, 3), name=name)
    images = np.random.default_rng(0).uniform(-1, 1, (4, 75, 101, 3)).astype(np.float32)
    _lively(model, images)
    settings = Settings(bias_correction=False)
    prepared = prepare(import_float(model).content, lambda: [{"x": images}], settings)
    path = tmp_path / "int8.tflite"
    path.write_bytes(Quantizer(prepared, lambda: [{"x": images}], settings)("int8")[0])
    found = delegation.measure(path)
    assert len(found.partitions) == 1
    assert found.share == 1


def _lively(model: Any, images: np.ndarray) -> None:
    """Batch-norm that knows the images, as in a trained network: else deep activations are all but zero."""
    from pipeline.training import batch_norm

    batch_norm.reestimate(model, [{"x": images}])
