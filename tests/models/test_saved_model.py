"""SavedModels of every origin give their serving signature, or the one that is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.conversion.import_float import import_float
from pipeline.errors import InputError
from pipeline.tflite.runner import Runner

X = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def tf() -> Any:
    from pipeline.models.backend import tf

    return tf


def answers(path: Path, signature: str | None = None) -> dict[str, np.ndarray]:
    return dict(Runner(import_float(path, signature=signature).content)({"x": X}).real)


@pytest.fixture(scope="module")
def module(tf: Any) -> Any:
    class Named(tf.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.weights = tf.Variable(tf.random.stateless_normal((4, 3), (1, 2)))

        @tf.function(input_signature=[tf.TensorSpec([None, 4])])  # type: ignore[untyped-decorator]
        def scores(self, x: Any) -> Any:
            return {"logits": x @ self.weights}

        @tf.function(input_signature=[tf.TensorSpec([None, 4])])  # type: ignore[untyped-decorator]
        def double(self, x: Any) -> Any:
            return 2 * x

    return Named()


def test_the_serving_signature_is_taken_of_several_and_another_by_name(tf: Any, module: Any, tmp_path: Path) -> None:
    signatures = {"other": module.double, "serving_default": module.scores}
    tf.saved_model.save(module, str(tmp_path / "sm"), signatures=signatures)
    np.testing.assert_allclose(answers(tmp_path / "sm")["logits"], X @ module.weights.numpy(), rtol=1e-5)
    [doubled] = answers(tmp_path / "sm", "other").values()
    np.testing.assert_array_equal(doubled, 2 * X)
    with pytest.raises(InputError, match=r"no signature 'odder', it has 'other', 'serving_default'"):
        import_float(tmp_path / "sm", signature="odder")


def test_several_without_a_serving_one_are_listed(tf: Any, module: Any, tmp_path: Path) -> None:
    tf.saved_model.save(module, str(tmp_path / "sm"), signatures={"a": module.double, "b": module.scores})
    with pytest.raises(InputError, match=r"several signatures.*'a', 'b'.*model\.signature=NAME"):
        import_float(tmp_path / "sm")


def test_functions_stand_in_where_there_are_no_signatures(tf: Any, module: Any, tmp_path: Path) -> None:
    tf.saved_model.save(module, str(tmp_path / "sm"))
    with pytest.raises(InputError, match=r"several functions: 'double', 'scores'"):
        import_float(tmp_path / "sm")
    np.testing.assert_allclose(answers(tmp_path / "sm", "scores")["logits"], X @ module.weights.numpy(), rtol=1e-5)


def test_a_callable_without_signatures_is_called_as_in_inference(tf: Any, tmp_path: Path) -> None:
    """As TF Hub's models are, traced for training and for inference."""

    class Hub(tf.Module):  # type: ignore[misc, name-defined]
        @tf.function  # type: ignore[untyped-decorator]
        def __call__(self, x: Any, training: bool = False) -> Any:
            return -x if training else x + 1

    hub = Hub()
    for training in (True, False):
        hub.__call__.get_concrete_function(tf.TensorSpec([None, 4], name="x"), training=training)
    tf.saved_model.save(hub, str(tmp_path / "hub"))
    [values] = answers(tmp_path / "hub").values()
    np.testing.assert_array_equal(values, X + 1)


def test_nothing_to_call_is_said(tf: Any, tmp_path: Path) -> None:
    tf.saved_model.save(tf.Module(), str(tmp_path / "sm"))
    with pytest.raises(InputError, match="no signature, so nothing says"):
        import_float(tmp_path / "sm")


def test_of_two_graphs_the_one_for_serving_is_taken(tf: Any, tmp_path: Path) -> None:
    """TensorFlow 1 saved one for training beside it."""
    v1 = tf.compat.v1
    with v1.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 4], name="x")
        builder = v1.saved_model.Builder(str(tmp_path / "sm"))
        for place, (tag, y) in enumerate((("train", 3 * x), ("serve", 2 * x))):
            signature = v1.saved_model.predict_signature_def({"x": x}, {"y": y})
            signatures = {"serving_default": signature}
            if place == 0:
                builder.add_meta_graph_and_variables(session, [tag], signature_def_map=signatures)
            else:
                builder.add_meta_graph([tag], signature_def_map=signatures)
        builder.save()
    np.testing.assert_array_equal(answers(tmp_path / "sm")["y"], 2 * X)


def test_keras_3s_export_needs_no_code_and_qat_says_what_it_needs(tmp_path: Path) -> None:
    import keras

    from pipeline.models.load import load_file

    class Half(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x / 2

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), Half()])
    model.export(str(tmp_path / "sm"), verbose=False)
    [values] = answers(tmp_path / "sm").values()
    np.testing.assert_allclose(values, model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match=r"quantized after training.*QAT need the Keras model.*module:function"):
        load_file(tmp_path / "sm")
