"""QAT begins from calibrated ranges, and stops moving what the schedule says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline import recipe
from pipeline.data import Dataset, load
from tests.training.tasks import digits

X = np.random.default_rng(0).uniform(0, 1, (3, 16, 8, 8, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def data() -> Dataset:
    section = {"source": "digits", "preprocess": {"scale": "0..1"}, "calibration": 20, "limit": 80}
    return load(recipe.Data.model_validate(section))


def aware() -> Any:
    from pipeline.training.qat.apply import quantize_aware
    from tests.tiny_keras import model

    return quantize_aware(model())


def test_ranges_are_the_mean_of_the_batches_extremes() -> None:
    from pipeline.training.qat.calibrated_start import calibrate
    from pipeline.training.qat.range_variables import input_quantizers, ranges

    model = aware()
    untouched = model.get_weights()

    def after(batches: np.ndarray) -> dict[str, tuple[float, float]]:
        model.set_weights(untouched)
        calibrate(model, batches)
        return ranges(model)

    found, alone = after(X), [after(batch[None]) for batch in X]
    assert len(found) >= 5
    assert all(low <= 0 <= high and high - low > 0 for low, high in found.values())
    assert not any(pair == (-6.0, 6.0) for pair in found.values())
    first = next(
        name for name in found if name not in input_quantizers(model).values()
    )  # nothing rounded before it but inputs
    np.testing.assert_allclose(found[first], np.mean([one[first] for one in alone], axis=0), rtol=0.02, atol=1e-3)


def test_nothing_but_the_ranges_changes() -> None:
    from pipeline.training import batch_norm
    from pipeline.training.qat.calibrated_start import calibrate

    model = aware()
    normalization = batch_norm.layers(model)[0]
    normalization.moving_mean.assign(np.full(8, 0.5))
    before = [weight.numpy() for weight in (*model.trainable_weights, *normalization.weights)]
    calibrate(model, X)
    after = [weight.numpy() for weight in (*model.trainable_weights, *normalization.weights)]
    for first, second in zip(before, after, strict=True):
        np.testing.assert_array_equal(first, second)
    normalization(np.zeros((1, 8, 8, 8), np.float32), training=True)
    assert (normalization.moving_mean.numpy() < 0.5).all()  # its statistics follow batches again, as before


def test_ranges_stay_after_their_epochs(data: Dataset) -> None:
    from pipeline.training.fit import fit
    from pipeline.training.qat.range_variables import ranges
    from pipeline.training.qat.schedule import Freezing

    model = aware()
    seen: list[dict[str, tuple[float, float]]] = []
    how = recipe.Qat(epochs=3, range_epochs=2, learning_rate=1e-2)

    def note(trained: Any) -> float:
        seen.append(ranges(trained))
        return float(len(seen))

    fit(model, data, how, digits(model), score=note, callbacks=[Freezing(how)])
    inputs = {name for name in seen[0] if seen[0][name] == seen[1][name]}
    assert any(seen[0][name] != seen[1][name] for name in seen[0])
    assert all(seen[1][name] == seen[2][name] for name in seen[0] if name not in inputs)


def test_batch_norm_follows_for_its_epochs_and_then_stays(data: Dataset) -> None:
    from pipeline.training import batch_norm
    from pipeline.training.fit import fit
    from pipeline.training.qat.schedule import Freezing

    model = aware()
    moving = batch_norm.layers(model)[0].moving_mean
    means: list[np.ndarray] = []
    how = recipe.Qat(epochs=3, batch_norm_epochs=1)

    def note(trained: Any) -> float:
        means.append(moving.numpy())
        return 0.0

    fit(model, data, how, digits(model), score=note, callbacks=[Freezing(how)])
    assert np.abs(means[0]).max() > 0
    np.testing.assert_array_equal(means[0], means[1])
    np.testing.assert_array_equal(means[1], means[2])


def test_the_epoch_of_the_best_score_is_kept(data: Dataset) -> None:
    from pipeline.training.qat.fine_tune import fine_tune
    from tests.tiny_keras import model

    scores = iter([0.1, 0.9, 0.3])
    kept: list[np.ndarray] = []

    def score(trained: Any) -> float:
        kept.append(trained.get_weights()[-1].copy())
        return next(scores)

    tiny, how = model(), recipe.Qat(epochs=3, distill=recipe.Distill())
    trained, history = fine_tune(tiny, data, how, digits(tiny), score=score)
    assert history.best_epoch == 2
    assert history.scores == [0.1, 0.9, 0.3]
    np.testing.assert_array_equal(trained.get_weights()[-1], kept[1])
