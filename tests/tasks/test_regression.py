from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import r2_score

from pipeline.errors import InputError, PipelineError
from pipeline.tasks.regression import Regression
from tests.tasks.tensors_of import model, tensor


def of(*shape: int, **options: Any) -> Regression:
    return Regression(output=tensor("y", *shape), target="t", **options)


def judged(task: Regression, given: Any, wanted: Any) -> dict[str, float]:
    return task.reduce(task.statistics({"y": np.array(given)}, {"t": np.array(wanted)}))


def test_by_hand() -> None:
    found = judged(of(1), [[1.0], [2], [6]], [1.0, 3, 5])
    assert found["r2"] == 1 - 2 / 8
    assert found["rmse"] == pytest.approx((2 / 3) ** 0.5)
    assert found["mae"] == pytest.approx(2 / 3)


def test_r2_decides_or_what_the_recipe_says() -> None:
    assert [metric.name for metric in of(1).metrics] == ["r2", "rmse", "mae"]
    assert [metric.name for metric in of(1, metric="mae").metrics] == ["mae", "r2", "rmse"]
    with pytest.raises(InputError, match=r"no metric 'rmes'.*Did you mean 'rmse'"):
        of(1, metric="rmes")


def test_less_error_is_better() -> None:
    r2, rmse, mae = of(1).metrics
    assert (r2.higher_is_better, rmse.higher_is_better, mae.higher_is_better) == (True, False, False)
    assert rmse.drop(3.0, 2.0) == 1.0
    assert r2.drop(0.5, 0.6) == pytest.approx(0.1)


def test_several_values_have_the_mean_of_their_r2() -> None:
    generator = np.random.default_rng(0)
    wanted = generator.normal(size=(30, 3)) * [1, 10, 100]
    given = wanted + generator.normal(size=(30, 3))
    assert judged(of(3), given, wanted)["r2"] == pytest.approx(r2_score(wanted, given))


@pytest.mark.parametrize("metric", ["r2", "rmse", "mae"])
def test_samples_are_measured_as_the_examples_in_them(metric: str) -> None:
    generator = np.random.default_rng(1)
    task, wanted = of(3, metric=metric), generator.normal(1e4, 1, size=(30, 3))
    counts = np.bincount(generator.integers(0, 30, 30), minlength=30)
    given = wanted + generator.normal(size=(30, 3)) / 2
    statistics = task.statistics({"y": given}, {"t": wanted})
    found = judged(task, np.repeat(given, counts, axis=0), np.repeat(wanted, counts, axis=0))[metric]
    assert task.resampling(statistics)(counts) == pytest.approx(found)
    assert found == pytest.approx(task.reduce(np.repeat(statistics, counts, axis=0))[metric])


def test_a_value_that_never_changes_is_left_out_of_r2() -> None:
    found = judged(of(2), [[1.0, 5], [2, 6]], [[1.0, 4], [2, 4]])
    assert found["r2"] == 1
    assert found["mae"] == pytest.approx(3 / 4)
    assert np.isnan(judged(of(1), [[1.0]], [[2.0]])["r2"])


def test_agreement_is_one_less_the_relative_difference() -> None:
    one = {"y": np.array([[3.0, 4], [3, 4], [3, 4], [0, 0], [0, 0]])}
    two = {"y": np.array([[3.0, 4], [3, 3], [-9, 4], [0, 0], [0, 1]])}
    np.testing.assert_allclose(of(2).agreement(one, two), [1, 0.8, 0, 1, 0])
    assert of(2).agreement({"y": np.array([[np.nan, 1]])}, {"y": np.array([[1.0, 1]])}) == 0


@pytest.mark.parametrize(("shape", "wanted"), [((1,), (2, 1)), ((3, 1), (2, 3, 1)), ((3,), (2, 3))])
def test_targets_come_in_the_outputs_shape(shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    values = np.arange(2 * int(np.prod(shape))).reshape(2, -1).squeeze()
    found = of(*shape).training_targets({"t": values})["y"]
    assert (found.shape, found.dtype) == (wanted, np.float32)
    assert of(*shape, loss="huber").losses == {"y": "huber"}
    assert of(*shape).losses == {"y": "mse"}


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ([[1.0], [2]], "holds 1 values for each example, and .* 2"),
        ([[1.0, 2]], "2 examples and 1"),
        ([[1, np.nan]] * 2, "NaN"),
    ],
)
def test_targets_of_another_shape_or_without_a_value(wanted: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        judged(of(2), [[1.0, 2], [3, 4]], wanted)


def test_a_model_that_gives_infinity() -> None:
    with pytest.raises(PipelineError, match="holds infinity for 1 of 2"):
        judged(of(1), [[np.inf], [1]], [1.0, 2])


def test_check() -> None:
    of(1).check(model(tensor("y", 1)), {"t": tensor("t")})
    of(21, 2).check(model(tensor("y", 21, 2)), {"t": tensor("t", 21, 2)})
    with pytest.raises(InputError, match=r"'y' is \[\?, 2\], and the target 't' is \[\?, 3\]"):
        of(2).check(model(tensor("y", 2)), {"t": tensor("t", 3)})
    with pytest.raises(InputError, match="takes numbers"):
        of(1).check(model(tensor("y", 1)), {"t": tensor("t", dtype="U8")})
