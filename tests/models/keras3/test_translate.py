"""A Keras 3 model carried over answers as before, or is refused with every reason; never anything between."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError, PipelineError


def shared(k: Any) -> Any:
    """One convolution called twice, and its two results added and concatenated."""
    inputs = k.Input((6, 6, 3))
    twice = k.layers.Conv2D(3, 3, padding="same", activation="relu")
    first = twice(inputs)
    second = twice(first)
    x = k.layers.Concatenate()([k.layers.Add()([first, second]), second])
    return k.Model(inputs, k.layers.Dense(4, activation="softmax")(k.layers.GlobalAveragePooling2D()(x)))


def ends(k: Any) -> Any:
    """Two inputs and two outputs, of different sizes."""
    one, two = k.Input((3,), name="one"), k.Input((5,), name="two")
    x = k.layers.Concatenate()([one, two])
    return k.Model([one, two], [k.layers.Dense(2)(x), k.layers.Dense(7, activation="softmax")(x)])


def sequence(k: Any, *layers: Any, shape: tuple[int, ...] = (6, 6, 3)) -> Any:
    return k.Sequential([k.Input(shape), *layers])


def outer(k: Any, operation: Callable[[Any], Any]) -> Any:
    """A model in a model, called twice."""
    inputs = k.Input((6,))
    inner = k.Model(inputs, operation(k.layers.Dense(6, activation="hard_silu")(inputs)), name="inner")
    inputs = k.Input((6,))
    return k.Model(inputs, k.layers.Dense(3)(inner(inner(inputs))))


def frozen_base(k: Any) -> Any:
    """Transfer learning as Keras's guide writes it: the base is called with training=False."""
    base = k.Sequential([k.Input((6, 6, 3)), k.layers.Conv2D(4, 3), k.layers.BatchNormalization()], name="base")
    base.trainable = False
    inputs = k.Input((6, 6, 3))
    x = k.layers.GlobalAveragePooling2D()(base(inputs, training=False))
    return k.Model(inputs, k.layers.Dense(2)(k.layers.Dropout(0.2)(x)))


def structured(k: Any) -> Any:
    """Inputs and outputs by name."""
    one, two = k.Input((3,), name="one"), k.Input((3,), name="two")
    return k.Model({"b": one, "a": two}, {"sum": one + two, "difference": k.layers.Subtract()([one, two])})


MODELS: dict[str, Callable[[Any], Any]] = {
    "shared layer, Add, Concatenate": shared,
    "several inputs and outputs": ends,
    "Sequential": lambda k: sequence(k, k.layers.Dense(8, activation="gelu"), k.layers.Dense(3), shape=(6,)),
    "convolutions": lambda k: sequence(
        k,
        k.layers.ZeroPadding2D(((0, 1), (0, 1))),
        k.layers.Conv2D(8, 3, strides=2, use_bias=False),
        k.layers.BatchNormalization(scale=False),
        k.layers.ReLU(6.0),
        k.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2),
        k.layers.SeparableConv2D(4, 3, padding="same"),
        k.layers.Conv2DTranspose(4, 3),
        k.layers.MaxPooling2D(2),
        k.layers.Flatten(),
        k.layers.Dropout(0.5),
    ),
    "normalized": lambda k: sequence(k, k.layers.Rescaling(1 / 127.5, -1), k.layers.LayerNormalization()),
    "regularized": lambda k: sequence(
        k, k.layers.Conv2D(4, 3, kernel_regularizer="l2", kernel_initializer="he_normal", kernel_constraint="max_norm")
    ),
    "LeakyReLU": lambda k: sequence(k, k.layers.LeakyReLU(0.1)),
    "PReLU": lambda k: sequence(k, k.layers.PReLU(shared_axes=[1, 2])),
    "activations": lambda k: sequence(
        k, *[k.layers.Activation(name) for name in ("silu", "relu6", "elu", "tanh", "sigmoid", "softmax")]
    ),
    "squeeze and excite": lambda k: squeeze(k),
    "nested": lambda k: outer(k, k.ops.relu),
    "frozen base": frozen_base,
    "Sequential in Sequential": lambda k: sequence(
        k, k.Sequential([k.Input((6, 6, 3)), k.layers.Conv2D(2, 3)]), k.layers.ReLU()
    ),
    "open sides": lambda k: sequence(k, k.layers.Conv2D(3, 3), k.layers.GlobalMaxPooling2D(), shape=(None, None, 3)),
    "a batch of fixed size": lambda k: k.Sequential([k.Input(batch_shape=(2, 6)), k.layers.Dense(3)]),
}


def squeeze(k: Any) -> Any:
    inputs = k.Input((6, 6, 4))
    x = k.layers.GlobalAveragePooling2D(keepdims=True)(inputs)
    x = k.layers.Conv2D(4, 1, activation="sigmoid")(x)
    return k.Model(inputs, k.layers.Multiply()([inputs, x]))


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("name", MODELS)
def test_it_answers_the_same(name: str, suffix: str, tmp_path: Path) -> None:
    import keras

    from pipeline.models.load import load_file

    source = MODELS[name](keras)
    generator = np.random.default_rng(0)
    for weight in source.weights:
        if "seed" not in weight.path:
            weight.assign(generator.uniform(0.1, 0.5, weight.shape))
    source.save(tmp_path / f"three.{suffix}")
    carried = load_file(tmp_path / f"three.{suffix}")
    feeds = [
        generator.normal(size=(2, *(side or 9 for side in tensor.shape[1:]))).astype(np.float32)
        for tensor in source.inputs
    ]
    feed = feeds if len(feeds) > 1 else feeds[0]
    theirs, ours = source(feed, training=False), carried(feed, training=False)
    pairs = zip(theirs, ours, strict=True) if isinstance(theirs, list) else [(theirs, ours)]
    for expected, answered in pairs:
        np.testing.assert_allclose(np.asarray(answered), np.asarray(expected), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda k: sequence(k, k.layers.RMSNormalization(name="odd"), shape=(6,)), r"odd \(RMSNormalization\)"),
        (lambda k: sequence(k, k.layers.Activation("sparsemax", name="odd")), r"odd \(Activation\)"),
        (lambda k: outer(k, k.ops.sinc), r"sinc"),
    ],
    ids=["unknown layer", "unknown activation", "in a nested model"],
)
def test_what_cannot_be_carried_is_named_with_the_remedy(
    make: Callable[[Any], Any], named: str, tmp_path: Path
) -> None:
    import keras

    from pipeline.models.load import load_file

    make(keras).save(tmp_path / "three.keras")
    with pytest.raises(InputError, match=named) as caught:
        load_file(tmp_path / "three.keras")
    assert "model.function=module:function" in str(caught.value)


def test_all_unknown_layers_are_named() -> None:
    import keras

    from pipeline.models.keras3.replay import carry

    odd = [keras.layers.RMSNormalization(name=f"odd_{number}") for number in range(3)]
    with pytest.raises(InputError, match=r"odd_0, odd_1, odd_2 "):
        carry(sequence(keras, *odd, shape=(6,)))


def test_a_subclassed_model_is_told_what_to_do() -> None:
    import keras

    from pipeline.models.keras3.replay import carry

    class Mine(keras.Model):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(InputError, match=r"subclassed.*model\.function"):
        carry(Mine())


def test_inputs_and_outputs_by_name_stay_by_name(tmp_path: Path) -> None:
    import keras

    from pipeline.models.load import load_file

    structured(keras).save(tmp_path / "three.keras")
    feed = {"a": np.full((1, 3), 2, np.float32), "b": np.full((1, 3), 5, np.float32)}
    answer = load_file(tmp_path / "three.keras")(feed)
    assert float(answer["sum"][0, 0]) == 7
    assert float(answer["difference"][0, 0]) == 3


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16"])
def test_a_model_in_lower_precision_becomes_float32(policy: str, tmp_path: Path) -> None:
    import keras

    from pipeline.models.load import load_file

    inputs = keras.Input((6,))
    source = keras.Model(inputs, keras.layers.Dense(3, dtype=policy)(keras.layers.Dense(4, dtype=policy)(inputs)))
    source.save(tmp_path / "three.keras")
    model = load_file(tmp_path / "three.keras")
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert {weight.dtype.name for weight in model.weights} == {"float32"}
    np.testing.assert_array_equal(model.get_weights()[0], np.float32(source.get_weights()[0]))


def test_a_model_that_keras_quantized_is_refused(tmp_path: Path) -> None:
    import keras

    from pipeline.models.load import load_file

    source = sequence(keras, keras.layers.Dense(3), shape=(6,))
    source.quantize("int8")
    source.save(tmp_path / "three.keras")
    with pytest.raises(InputError, match="quantized by Keras already"):
        load_file(tmp_path / "three.keras")


OWN = """
import sys
import keras

class Mine(keras.layers.Layer):
    def call(self, x):
        return x

class Model(keras.Model):
    def call(self, x):
        return x

x = inputs = keras.Input((6,))
x = Mine(name="first")(x)
x = keras.layers.RMSNormalization(name="second")(x)
x = keras.layers.Lambda(lambda x: x * 2, name="third")(x)
inner = keras.Sequential([keras.Input((6,)), Mine(name="fourth")])
model = keras.Model(inputs, keras.layers.Dense(3)(keras.ops.sinc(inner(x))))
model.save(sys.argv[1] + "/own.keras")
model.save(sys.argv[1] + "/own.h5")
model = Model(name="subclassed")
model(keras.ops.zeros((1, 3)))
model.save(sys.argv[1] + "/subclassed.keras")
"""
"""Saved by another process, as a user's would be: the classes are not known here."""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    (folder / "save.py").write_text(OWN)
    subprocess.run([sys.executable, folder / "save.py", folder], check=True, capture_output=True, timeout=120)
    return folder


@pytest.mark.parametrize("name", ["own.keras", "own.h5"])
def test_all_that_keras_3_itself_would_stop_at_is_named_at_once(name: str, own: Path) -> None:
    from pipeline.models.load import load_file

    listed = [r"first, fourth \(Mine\)", r"second \(RMSNormalization\)", r"third \(Lambda\)", r"sinc \(Sinc\)"]
    with pytest.raises(InputError, match="5 layers") as caught:
        load_file(own / name, trusted=True)
    for pattern in listed:
        assert re.search(pattern, str(caught.value)), pattern
    assert "model.function=module:function" in str(caught.value)


def test_a_subclassed_model_in_a_file_is_told_what_to_do(own: Path) -> None:
    from pipeline.models.load import load_file

    with pytest.raises(InputError, match=r"subclassed.*in your code.*model\.function"):
        load_file(own / "subclassed.keras", trusted=True)


def test_a_sequence_that_was_never_built_is_told_what_to_do(tmp_path: Path) -> None:
    import keras

    from pipeline.models.load import load_file

    keras.Sequential([keras.layers.Dense(3)]).save(tmp_path / "three.keras")
    with pytest.raises(InputError, match=r"keras\.Input"):
        load_file(tmp_path / "three.keras")


def test_where_the_models_part_the_layer_is_named() -> None:
    import keras

    from pipeline.models.keras3.equivalence import compare
    from pipeline.models.keras3.replay import carry

    inputs = keras.Input((6,))
    x = keras.layers.Dense(6, name="before")(inputs)
    x = keras.layers.Dense(6, name="guilty")(x)
    source = keras.Model(inputs, keras.layers.Dense(6, name="after")(x))
    carried = carry(source)
    layer = carried.model.get_layer("guilty")
    layer.set_weights([weight * 1.001 + 0.001 for weight in layer.get_weights()])
    with pytest.raises(PipelineError, match=r"answers differently.*diverge at 'guilty'"):
        compare(source, carried)


def test_a_source_that_answers_nan_only_proves_nothing() -> None:
    import keras

    from pipeline.models.keras3.equivalence import compare
    from pipeline.models.keras3.replay import carry

    inputs = keras.Input((6,))
    source = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    source.set_weights([weight * np.nan for weight in source.get_weights()])
    with pytest.raises(InputError, match="NaN or infinity only"):
        compare(source, carry(source))


@pytest.mark.parametrize(
    ("output", "wanted"),
    [([1, 2], 0), ([1, 2.5], 0.25), ([1, np.nan], np.inf), ([1], np.inf), ([1, np.inf], np.inf)],
    ids=str,
)
def test_the_difference_is_relative_to_the_outputs_size(output: list[float], wanted: float) -> None:
    from pipeline.models.trial_inputs import difference

    assert difference(np.array([1.0, 2.0]), np.array(output)) == wanted


def test_infinite_values_at_the_same_places_are_no_difference() -> None:
    from pipeline.models.trial_inputs import difference

    assert difference(np.array([np.inf, 2.0]), np.array([np.inf, 2.0])) == 0
