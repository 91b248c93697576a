from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError, PipelineError
from pipeline.tasks.reconstruction import Reconstruction
from pipeline.tensors import Batch
from tests.tasks.tensors_of import model, tensor


def of(*shape: int, **options: Any) -> Reconstruction:
    return Reconstruction(output=tensor("y", *shape), **{"source": "x", **options})


def judged(task: Reconstruction, given: Any, wanted: Any, **more: Any) -> dict[str, float]:
    targets = {"x": np.array(wanted), **{name: np.array(values) for name, values in more.items()}}
    return task.reduce(task.statistics({"y": np.array(given, np.float32)}, targets))


def names(task: Reconstruction) -> list[str]:
    return [metric.name for metric in task.metrics]


def test_the_input_is_the_target_where_the_data_has_none() -> None:
    batch = Batch({"x": np.ones((2, 3)), "mask": np.zeros((2, 3))}, {"label": np.zeros(2)})
    assert list(of(3).targets_of(batch)) == ["x"]
    np.testing.assert_array_equal(of(3).targets_of(batch)["x"], 1)
    np.testing.assert_array_equal(of(3).training_targets(of(3).targets_of(batch))["y"], 1)


def test_the_datas_target_is_its_own() -> None:
    task = Reconstruction(output=tensor("y", 3), target="clean")
    batch = Batch({"x": np.ones((2, 3))}, {"clean": np.zeros((2, 3)), "label": np.zeros(2)})
    np.testing.assert_array_equal(task.targets_of(batch)["clean"], 0)


def test_squared_error_and_psnr_by_hand() -> None:
    found = judged(of(2, data_range=2.0), [[0, 0.2], [0, 2]], [[0, 0], [0, 0]])
    assert found["mse"] == pytest.approx((0.02 + 2) / 2)
    # The mean of each example's ratio, not the ratio of the mean.
    assert found["psnr"] == pytest.approx((10 * math.log10(4 / 0.02) + 10 * math.log10(4 / 2)) / 2)


def test_what_decides() -> None:
    assert names(of(2)) == ["mse"]
    assert names(of(2, data_range=1.0)) == ["psnr", "mse"]
    assert names(of(16, 16, 3, data_range=1.0)) == ["psnr", "ssim", "mse"]
    assert names(of(8, 8, 1, data_range=1.0)) == ["psnr", "mse"]  # too small for SSIM's window
    assert names(of(-1, -1, 3, data_range=1.0, metric="mse")) == ["mse", "psnr", "ssim"]
    assert names(of(2, anomaly="odd")) == ["auc", "mse"]


def test_no_error_is_an_infinite_psnr() -> None:
    found = judged(of(2, data_range=1.0), [[0.5, 0.5]], [[0.5, 0.5]])
    assert found == {"psnr": math.inf, "mse": 0.0}


def test_ssim_of_images() -> None:
    image = np.random.default_rng(0).uniform(0, 1, (2, 12, 12, 1)).astype(np.float32)
    assert judged(of(12, 12, 1, data_range=1.0), image, image)["ssim"] == pytest.approx(1)
    assert judged(of(12, 12, 1, data_range=1.0), image[::-1], image)["ssim"] < 0.5


def test_anomalies_by_their_error() -> None:
    task = of(1, anomaly="odd")
    found = judged(task, [[0.1], [0.3], [0.2], [0.9]], [[0.0], [0], [0], [0]], odd=[0, 0, 1, 1])
    assert found["auc"] == 3 / 4
    assert found["mse"] == pytest.approx((0.01 + 0.09) / 2)  # of the normal ones
    with pytest.raises(InputError, match=r"say 0 \(normal\) or 1 \(anomaly\)"):
        judged(task, [[0.1]], [[0.0]], odd=[2])


def test_values_beyond_the_stated_range() -> None:
    image = np.linspace(-1, 1, 12 * 12).reshape(1, 12, 12, 1)
    with pytest.raises(InputError, match="data_range is 1, and the values of a batch range over 2"):
        judged(of(12, 12, 1, data_range=1.0), image, image)


@pytest.mark.parametrize(
    ("given", "wanted", "error", "said"),
    [
        ([[1, 2]], [[1, 2, 3]], InputError, r"'y' is \[1, 2\], and what it is compared with \[1, 3\]"),
        ([[1, 2]], [[1, math.nan]], InputError, "holds NaN"),
        ([[1, math.nan]], [[1, 2]], PipelineError, "'y' holds NaN"),
        ([[1, 2]], [[1, 2], [3, 4]], InputError, "1 examples and 2"),
    ],
)
def test_what_cannot_be_compared(given: Any, wanted: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        judged(of(2), given, wanted)


def test_check() -> None:
    signature = model(tensor("y", 4))
    of(4).check(signature, {})
    with pytest.raises(InputError, match="the data has neither"):
        of(4, source=None).check(signature, {})
    with pytest.raises(InputError, match=r"'clean' is \[\?, 5\]"):
        of(4, target="clean").check(signature, {"clean": tensor("clean", 5)})
    with pytest.raises(InputError, match="reads the target 'od'"):
        of(4, anomaly="od").check(signature, {"odd": tensor("odd")})


def test_agreement() -> None:
    np.testing.assert_allclose(of(2).agreement({"y": np.array([[3.0, 4]])}, {"y": np.array([[3.0, 3]])}), [0.8])
