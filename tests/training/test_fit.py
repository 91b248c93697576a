"""One loop trains any model: named inputs and outputs, the task's losses and metric, the epoch that it was best in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pipeline import recipe
from pipeline.errors import InputError
from tests.training.tasks import Arrays, Classes, Unjudged, Values

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(160, 4)).astype(np.float32)
TOKENS = RNG.integers(0, 20, (160, 6))
SUMS = TABLE @ np.float32([[1, 0], [0.5, -1], [0, 2], [-1, 0]])
KINDS = (SUMS[:, 0] > 0).astype(np.int64)


@pytest.fixture(scope="module")
def keras() -> Any:
    from pipeline.models.backend import tf_keras

    return tf_keras


def regressor(keras: Any) -> Any:
    x = keras.Input((4,), name="table")
    return keras.Model(x, keras.layers.Dense(2, name="sums")(x), name="regressor")


def trained(model: Any, data: Arrays, task: Any, **how: Any) -> Any:
    from pipeline.training.fit import fit

    options = {"epochs": 3, "batch_size": 16, "learning_rate": 0.05, **how}
    return fit(model, data, recipe.Train(**options), task)  # type: ignore[arg-type]


def test_several_inputs_and_outputs_go_by_name(keras: Any) -> None:
    """Tokens stay integers, the batch's order of names does not matter, and the weights of the losses count."""
    table, tokens = keras.Input((4,), name="table"), keras.Input((None,), dtype="int32", name="tokens")
    words = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(20, 3)(tokens))
    both = keras.layers.Concatenate()([table, words])
    outputs = [keras.layers.Dense(2, name="sums")(both), keras.layers.Dense(1, name="extra")(both)]
    model = keras.Model([table, tokens], outputs)
    untouched = model.get_layer("extra").get_weights()
    data = Arrays({"tokens": TOKENS, "table": TABLE}, {"extra": SUMS[:, :1], "sums": SUMS})
    history = trained(model, data, Values("sums", "extra"), loss_weights={"extra": 0.0}, epochs=9)
    assert history.loss[-1] < 0.2 * history.loss[0]
    for before, after in zip(untouched, model.get_layer("extra").get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_the_epoch_is_chosen_by_the_tasks_metric_in_its_direction(keras: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras has no such metric: it is computed on the validation split. Lower is better, and of equals the later."""
    from pipeline.training import fit as module

    values: Iterator[float] = iter([0.5, 0.2, 0.2, 0.9])
    weights: list[np.ndarray] = []
    model = regressor(keras)

    def judged(*arguments: Any) -> dict[str, float]:
        weights.append(model.get_weights()[0])
        return {"rmse": next(values)}

    monkeypatch.setattr(module, "_judged", judged)
    history = trained(model, Arrays({"table": TABLE}, {"sums": SUMS}), Values("sums"), epochs=4)
    assert (history.best_epoch, history.chosen_by, history.best) == (3, "validation", 0.2)
    assert history.metrics == {"rmse": [0.5, 0.2, 0.2, 0.9]}
    np.testing.assert_array_equal(model.get_weights()[0], weights[2])
    assert history.outcome(Values.metrics[0], 4) == "4 epochs, best validation RMSE 0.2 in epoch 3"


def test_the_metric_is_that_of_the_answers_to_the_validation_split(keras: Any) -> None:
    model, data = regressor(keras), Arrays({"table": TABLE}, {"sums": SUMS})
    history = trained(model, data, Values("sums"))
    error = model(TABLE[-32:]).numpy() - SUMS[-32:]
    assert history.best == pytest.approx(math.sqrt((error**2).mean()), rel=1e-4)
    assert len(history.val_loss) == 3
    assert history.accuracy == history.val_accuracy == []


def test_classifiers_have_keras_accuracy(keras: Any) -> None:
    """Of logits of one unit too, whose middle is 0."""
    for units, loss, activation in ((2, "categorical_crossentropy", "softmax"), (1, "binary_crossentropy", None)):
        x = keras.Input((4,))
        model = keras.Model(x, keras.layers.Dense(units, activation, name=f"kind_{units}")(x))
        task = Classes(f"kind_{units}", "kind", units, loss)  # type: ignore[arg-type]
        history = trained(model, Arrays({"any": TABLE}, {"kind": KINDS}), task)
        scores = model(TABLE[-32:]).numpy()
        answers = scores.argmax(axis=1) if units == 2 else scores[:, 0] > 0
        assert history.scores == history.val_accuracy
        assert history.best == pytest.approx((answers == KINDS[-32:]).mean())
        assert len(history.accuracy) == 3
        assert "best validation top-1" in history.outcome(task.metrics[0], 3)


def test_without_validation_the_loss_chooses(keras: Any) -> None:
    data = Arrays({"table": TABLE}, {"sums": SUMS})
    del data.splits["validation"]
    history = trained(regressor(keras), data, Values("sums"))
    assert (history.chosen_by, history.best_epoch, history.val_loss) == ("loss", 3, [])
    assert (
        history.outcome(Values.metrics[0], 5) == f"3 epochs (stopped early of 5), training loss {history.loss[-1]:.4g}"
    )


def test_the_recipe_names_a_loss_that_the_task_does_not_have(keras: Any) -> None:
    model, data = regressor(keras), Arrays({"table": TABLE}, {"known": SUMS})
    with pytest.raises(InputError, match=r"task 'unjudged' has no loss.*train\.loss=mse"):
        trained(model, data, Unjudged("sums"))
    history = trained(model, data, Unjudged("sums"), loss="huber")
    assert (history.chosen_by, history.loss[-1] < history.loss[0]) == ("val_loss", True)


def test_a_model_keeps_the_loss_that_it_was_compiled_with(keras: Any) -> None:
    def absolute_times_ten(wanted: Any, found: Any) -> Any:
        return 10 * keras.losses.mean_absolute_error(wanted, found)

    model = regressor(keras)
    data = Arrays({"table": TABLE}, {"sums": SUMS})
    with pytest.raises(InputError, match="as_compiled, and 'regressor' has none"):
        trained(model, data, Values("sums"), loss="as_compiled")
    model.compile(loss=absolute_times_ten)
    start = 10 * np.abs(model(TABLE[:128]).numpy() - SUMS[:128]).mean()
    history = trained(model, data, Values("sums"), loss={"sums": "as_compiled"}, epochs=1, learning_rate=1e-6)
    assert history.loss[0] == pytest.approx(start, rel=1e-2)
    assert model.loss is absolute_times_ten


@pytest.mark.parametrize(
    ("inputs", "targets", "how", "says"),
    [
        ({"table": TABLE}, {"sums": SUMS}, {"loss": {"sum": "mse"}}, r"output 'sum'.*Did you mean 'sums'"),
        ({"table": TABLE}, {"sums": SUMS}, {"loss_weights": {"place": 2.0}}, "loss_weights names the output 'place'"),
        ({"table": TABLE, "more": TABLE}, {"sums": SUMS}, {}, "no input 'more'"),
        ({"table": TABLE[:, :3]}, {"sums": SUMS}, {}, r"takes \[4\] as 'table' and was given \[3\]"),
        ({"table": TABLE}, {"a": SUMS, "b": SUMS}, {"loss": "mse"}, "'sums' is trained by a loss, and the data has no"),
    ],
)
def test_what_does_not_fit_is_said(keras: Any, inputs: Any, targets: Any, how: Any, says: str) -> None:
    task = Unjudged("sums") if "a" in targets else Values("sums")
    with pytest.raises(InputError, match=says):
        trained(regressor(keras), Arrays(inputs, targets), task, **how)
