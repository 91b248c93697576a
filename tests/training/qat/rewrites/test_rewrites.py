"""Every rewrite keeps the answer, names what it did, and finds nothing the second time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.training.qat.same import kinds, rewritten


@pytest.fixture
def keras() -> Any:
    from pipeline.models.backend import tf_keras

    return tf_keras


@pytest.fixture
def tf() -> Any:
    from pipeline.models.backend import tf

    return tf


class TestNested:
    def model(self, keras: Any, **call: Any) -> Any:
        inner = keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(4, name="d"), keras.layers.BatchNormalization(name="n")], name="body"
        )
        a, b = keras.Input((4,)), keras.Input((4,))
        deeper = keras.Model(a, keras.layers.ReLU()(inner(a)), name="deeper")
        return keras.Model([a, b], [inner(a, **call), keras.layers.Dense(2, name="d")(deeper(b))])

    def test_models_in_models_are_flattened_and_share_their_layers_still(self, keras: Any) -> None:
        from pipeline.training.qat.rewrites.nested import flatten_nested

        graph = rewritten(self.model(keras), flatten_nested)
        assert sorted(kinds(graph)) == ["BatchNormalization"] * 2 + ["Dense"] * 3 + ["ReLU"]
        assert len([layer for layer in graph.layers() if layer.kind is keras.layers.Dense]) == 2
        assert len({layer.name for layer in graph.layers()}) == len(list(graph.layers()))

    def test_a_model_called_without_training_keeps_its_statistics(self, keras: Any) -> None:
        from pipeline.training.qat.rewrites.nested import flatten_nested

        built = rewritten(self.model(keras, training=False), flatten_nested).build()
        norm = next(layer for layer in built.layers if isinstance(layer, keras.layers.BatchNormalization))
        calls = [node.call_kwargs.get("training") for node in norm._inbound_nodes]
        assert sorted(map(str, calls)) == ["False", "None"]


class TestOperators:
    @pytest.mark.parametrize(
        ("function", "becomes"),
        [
            (lambda tf, x, y: x + y, ["Add"]),
            (lambda tf, x, y: x - y, ["Subtract"]),
            (lambda tf, x, y: x * y, ["Multiply"]),
            (lambda tf, x, y: tf.maximum(x, y), ["Maximum"]),
            (lambda tf, x, y: x + 3.0, ["math.add"]),
            (lambda tf, x, y: 3.0 - x, ["math.subtract"]),
            (lambda tf, x, y: x - 3.0, ["math.add"]),
            (lambda tf, x, y: x / 4.0, ["math.multiply"]),
            (lambda tf, x, y: 2.0 * x, ["math.multiply"]),
            (lambda tf, x, y: x * np.arange(1, 7, dtype=np.float32), ["math.multiply"]),
            (lambda tf, x, y: tf.nn.relu6(x), ["ReLU"]),
            (lambda tf, x, y: tf.clip_by_value(x, 0.0, 2.0), ["ReLU"]),
            (lambda tf, x, y: tf.clip_by_value(x, -1.0, 2.0), ["clip_by_value"]),
            (lambda tf, x, y: tf.nn.silu(x), ["Activation"]),
            (lambda tf, x, y: tf.nn.gelu(x), ["Activation"]),
            (lambda tf, x, y: tf.nn.gelu(x, approximate=True), ["nn.gelu"]),
            (lambda tf, x, y: tf.nn.softmax(x), ["Softmax"]),
            (lambda tf, x, y: tf.nn.leaky_relu(x, 0.1), ["LeakyReLU"]),
            (lambda tf, x, y: tf.square(x), ["Multiply"]),
            (lambda tf, x, y: tf.reduce_mean(x, [1, 2]), ["GlobalAveragePooling2D"]),
            (lambda tf, x, y: tf.reduce_mean(x, 3, keepdims=True), ["math.reduce_mean"]),
            (lambda tf, x, y: tf.reshape(x, [-1, 96]), ["Reshape"]),
            (lambda tf, x, y: tf.expand_dims(x, 1), ["Reshape"]),
            (lambda tf, x, y: x[:, 1:3, ::2, 0], ["__operators__.getitem"]),
            (lambda tf, x, y: tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]]), ["ZeroPadding2D"]),
            (lambda tf, x, y: tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT"), ["compat.v1.pad"]),
            (lambda tf, x, y: tf.concat([x, y], 3), ["Concatenate"]),
            (lambda tf, x, y: tf.image.resize(x, [8, 8]), ["image.resize"]),
            (lambda tf, x, y: tf.matmul(x, y, transpose_b=True), ["linalg.matmul"]),
            (lambda tf, x, y: tf.transpose(x, [0, 2, 1, 3]), ["compat.v1.transpose"]),
            (lambda tf, x, y: tf.identity(x) * 2.0, ["math.multiply"]),
        ],
    )
    def test_a_function_becomes_a_layer(self, keras: Any, tf: Any, function: Any, becomes: list[str]) -> None:
        from pipeline.training.qat.rewrites.operators import operators_to_layers

        x, y = keras.Input((4, 4, 6)), keras.Input((4, 4, 6))
        last = keras.layers.Activation("linear")  # a function that is gone leaves its name to nobody
        graph = rewritten(keras.Model([x, y], last(function(tf, x, y))), operators_to_layers)
        assert kinds(graph)[:-1] == becomes

    def test_several_results(self, keras: Any, tf: Any) -> None:
        from pipeline.training.qat.rewrites.operators import operators_to_layers

        x = keras.Input((4, 6))
        left, right = tf.split(x, 2, axis=2)
        model = keras.Model(x, keras.layers.Add()([left, right]))
        assert kinds(rewritten(model, operators_to_layers)) == ["split", "Add"]

    def test_a_variable_stays_what_it_was(self, keras: Any, tf: Any) -> None:
        from pipeline.training.qat import graph as graphs
        from pipeline.training.qat.rewrites.operators import operators_to_layers

        x, outside = keras.Input((3,)), tf.Variable([1.0, 2.0, 3.0])
        graph = graphs.read(keras.Model(x, tf.multiply(x, outside)))
        assert operators_to_layers(graph) == []


def test_lambdas_are_opened(keras: Any, tf: Any) -> None:
    from pipeline.training.qat.rewrites.lambdas import expand_lambdas

    x, y = keras.Input((4,)), keras.Input((4,))
    double = keras.layers.Lambda(lambda t: t * 2.0 + 1.0)
    both = keras.layers.Lambda(lambda pair, by: tf.nn.relu(pair[0] - pair[1]) * by, arguments={"by": 3.0})
    named = keras.layers.Activation("linear", name="out")
    graph = rewritten(keras.Model([x, y], named(both([double(x), double(y)]))), expand_lambdas)
    assert "Lambda" not in kinds(graph)


def test_a_separable_convolution_is_split(keras: Any) -> None:
    from pipeline.training.qat.rewrites.separable import split_separable

    x = keras.Input((8, 8, 3))
    shared = keras.layers.SeparableConv2D(5, 3, strides=2, padding="same", depth_multiplier=2, activation="relu")
    model = keras.Model(x, keras.layers.Add()([shared(x), shared(keras.layers.ReLU()(x))]))
    graph = rewritten(model, split_separable)
    assert kinds(graph).count("DepthwiseConv2D") == 2
    assert len([layer for layer in graph.layers() if layer.kind is keras.layers.Conv2D]) == 1


@pytest.mark.parametrize(
    "layer",
    [
        lambda layers: layers.Conv1D(4, 3, strides=2, padding="same", activation="relu"),
        lambda layers: layers.Conv1D(4, 3, padding="causal", dilation_rate=2, use_bias=False),
        lambda layers: layers.Conv1D(4, 3, groups=2),
        lambda layers: layers.DepthwiseConv1D(3, strides=2, padding="same", depth_multiplier=2),
        lambda layers: layers.SeparableConv1D(4, 3, strides=2),
        lambda layers: layers.MaxPooling1D(3, 2),
        lambda layers: layers.AveragePooling1D(2, padding="same"),
    ],
)
def test_layers_over_sequences_become_two_dimensional(keras: Any, layer: Any) -> None:
    from pipeline.training.qat.rewrites.one_dimensional import sequences_to_images

    x = keras.Input((11, 4))
    y = keras.layers.ReLU()(keras.layers.BatchNormalization()(layer(keras.layers)(x)))
    graph = rewritten(keras.Model(x, keras.layers.Flatten()(y)), sequences_to_images)
    # Batch-norm and ReLU stand next to the convolution, the way back behind them.
    assert kinds(graph)[-4:] == ["BatchNormalization", "ReLU", "Reshape", "Flatten"]


def test_dense_over_images_and_sequences_is_a_pointwise_convolution(keras: Any) -> None:
    from pipeline.training.qat.rewrites.pointwise import dense_to_pointwise

    image, sequence, vector = keras.Input((4, 4, 3)), keras.Input((5, 3)), keras.Input((3,))
    dense = keras.layers.Dense
    outputs = [dense(2)(image), dense(2, use_bias=False)(sequence), dense(2)(vector)]
    graph = rewritten(keras.Model([image, sequence, vector], outputs), dense_to_pointwise)
    assert kinds(graph).count("Conv2D") == 2
    assert kinds(graph).count("Dense") == 1


class TestActivations:
    @pytest.mark.parametrize(
        ("activation", "becomes"),
        [
            ("relu", ["Conv2D", "ReLU"]),
            ("swish", ["Conv2D", "Activation", "Multiply"]),
            ("sigmoid", ["Conv2D", "Activation"]),
            ("hard_sigmoid", ["Conv2D", "math.multiply", "math.add", "ReLU", "math.multiply"]),
            ("leaky_relu", ["Conv2D", "LeakyReLU"]),
            ("gelu", ["Conv2D", "Activation"]),
            ("elu", ["Conv2D", "Activation"]),
        ],
    )
    def test_an_activation_is_what_tflite_computes(self, keras: Any, activation: str, becomes: list[str]) -> None:
        from pipeline.training.qat.rewrites.fused_activations import simplify_activations, split_activations

        x = keras.Input((4, 4, 3))
        model = keras.Model(x, keras.layers.Conv2D(2, 1, activation=activation, name="conv")(x))
        graph = rewritten(model, split_activations, simplify_activations)
        assert kinds(graph) == becomes

    @pytest.mark.parametrize(
        ("layer", "becomes"),
        [
            (lambda layers: layers.ReLU(negative_slope=0.2), ["LeakyReLU"]),
            (lambda layers: layers.ReLU(max_value=1.5), ["math.multiply", "ReLU", "math.multiply"]),
        ],
    )
    def test_an_activation_layer_too(self, keras: Any, layer: Any, becomes: list[str]) -> None:
        from pipeline.training.qat.rewrites.fused_activations import simplify_activations

        x = keras.Input((4, 4, 3))
        graph = rewritten(keras.Model(x, layer(keras.layers)(x)), simplify_activations)
        assert kinds(graph) == becomes

    def test_the_users_own_function_stays_inside(self, keras: Any, tf: Any) -> None:
        from pipeline.training.qat.rewrites.fused_activations import split_activations

        x = keras.Input((4,))
        rewritten(keras.Model(x, keras.layers.Dense(2, activation=tf.sin)(x)), split_activations, changes=False)

    def test_the_users_own_function_is_opened_in_front_of_everything_else(self, keras: Any, tf: Any) -> None:
        from pipeline.training.qat.rewrites.fused_activations import simplify_activations
        from pipeline.training.qat.rewrites.lambdas import expand_activations
        from pipeline.training.qat.rewrites.operators import operators_to_layers

        def own_swish(x: Any) -> Any:
            return x * (tf.nn.relu6(x + 3.0) * (1.0 / 6.0))

        x = keras.Input((4, 4, 3))
        y = keras.layers.Conv2D(2, 1, activation=own_swish, name="conv")(x)
        y = keras.layers.Activation(own_swish)(keras.layers.Conv2D(2, 1, activation=keras.layers.LeakyReLU(0.1))(y))
        graph = rewritten(keras.Model(x, y), expand_activations, operators_to_layers, simplify_activations)
        assert kinds(graph) == ["Conv2D", "HardSwish", "Conv2D", "LeakyReLU", "HardSwish"]

    def test_one_that_does_not_run_on_symbols_stays(self, keras: Any) -> None:
        from pipeline.training.qat.rewrites.lambdas import expand_activations

        def looks(x: Any) -> Any:
            if hasattr(x, "_keras_history"):
                raise ValueError("not with me")
            return x

        x = keras.Input((4,))
        rewritten(keras.Model(x, keras.layers.Dense(2, activation=looks)(x)), expand_activations, changes=False)

    def test_mobilenets_hard_swish_is_one_operator(self, keras: Any) -> None:
        from pipeline.training.qat.rewrites.fused_activations import simplify_activations
        from pipeline.training.qat.rewrites.operators import operators_to_layers

        x = keras.Input((4, 4, 3))
        y = keras.layers.Multiply()([x, keras.layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)])
        assert kinds(rewritten(keras.Model(x, y), operators_to_layers, simplify_activations)) == ["HardSwish"]

    def test_a_gate_of_another_value_is_no_hard_swish(self, keras: Any) -> None:
        from pipeline.training.qat.rewrites.fused_activations import simplify_activations
        from pipeline.training.qat.rewrites.operators import operators_to_layers

        x, z = keras.Input((4, 4, 3)), keras.Input((4, 4, 3))
        y = keras.layers.Multiply()([z, keras.layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)])
        graph = rewritten(keras.Model([x, z], y), operators_to_layers, simplify_activations)
        assert kinds(graph) == ["math.add", "ReLU", "math.multiply", "Multiply"]


def test_preprocessing_is_one_convolution_that_is_not_trained(keras: Any) -> None:
    from pipeline.training.qat.rewrites.preprocessing import preprocessing_to_convolutions

    x = keras.Input((4, 4, 3))
    scaled = keras.layers.Rescaling(1 / 128, -1)(x)
    normal = keras.layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 0.5, 2.0])(scaled)
    graph = rewritten(keras.Model(x, normal), preprocessing_to_convolutions)
    assert kinds(graph) == ["DepthwiseConv2D"]
    assert not graph.build().trainable_weights


def test_a_learned_normalization_too(keras: Any) -> None:
    from pipeline.training.qat.rewrites.preprocessing import preprocessing_to_convolutions

    learned = keras.layers.Normalization()
    learned.adapt(np.random.default_rng(0).normal(3, 2, (8, 4, 4, 3)))
    x = keras.Input((4, 4, 3))
    assert kinds(rewritten(keras.Model(x, learned(x)), preprocessing_to_convolutions)) == ["DepthwiseConv2D"]


class TestAveragePooling:
    @pytest.mark.parametrize(
        ("options", "becomes"),
        [
            ({}, "DepthwiseConv2D"),
            ({"pool_size": 3, "strides": 2}, "DepthwiseConv2D"),
            ({"pool_size": 2, "padding": "same"}, "DepthwiseConv2D"),
            ({"pool_size": 3, "strides": 1, "padding": "same"}, "AveragePooling2D"),
            ({"pool_size": 2, "strides": (2, 1)}, "AveragePooling2D"),
            ({"pool_size": 8}, "AveragePooling2D"),
        ],
    )
    def test_without_padding_it_is_a_convolution(self, keras: Any, options: dict[str, Any], becomes: str) -> None:
        from pipeline.training.qat.rewrites.average_pooling import average_pooling_to_convolution

        inputs = keras.Input((8, 8, 3))
        model = keras.Model(inputs, keras.layers.AveragePooling2D(**options)(inputs))
        graph = rewritten(model, average_pooling_to_convolution, changes=becomes == "DepthwiseConv2D")
        assert kinds(graph) == [becomes]

    def test_images_of_open_size_stay(self, keras: Any) -> None:
        from pipeline.training.qat import graph as graphs
        from pipeline.training.qat.rewrites.average_pooling import average_pooling_to_convolution

        inputs = keras.Input((None, None, 3))
        graph = graphs.read(keras.Model(inputs, keras.layers.AveragePooling2D()(inputs)))
        assert average_pooling_to_convolution(graph) == []


class TestLoneBatchNorm:
    @pytest.mark.parametrize("shape", [(4, 4, 3), (5, 3), (3,)], ids=["image", "sequence", "vector"])
    def test_it_gets_a_convolution_of_ones(self, keras: Any, shape: tuple[int, ...]) -> None:
        from pipeline.training.qat.rewrites.lone_batch_norm import carry_lone_batch_norms

        x = keras.Input(shape)
        graph = rewritten(keras.Model(x, keras.layers.BatchNormalization()(x)), carry_lone_batch_norms)
        assert [kind for kind in kinds(graph) if kind != "Reshape"] == ["DepthwiseConv2D", "BatchNormalization"]
        assert len(graph.build().trainable_weights) == 2  # gamma and beta

    def test_behind_a_convolution_of_its_own_it_stays(self, keras: Any) -> None:
        from pipeline.training.qat.rewrites.lone_batch_norm import carry_lone_batch_norms

        x = keras.Input((4, 4, 3))
        model = keras.Model(x, keras.layers.BatchNormalization()(keras.layers.Conv2D(2, 1)(x)))
        rewritten(model, carry_lone_batch_norms, changes=False)

    def test_behind_a_convolution_that_others_read_it_does_not(self, keras: Any) -> None:
        from pipeline.training.qat.rewrites.lone_batch_norm import carry_lone_batch_norms

        x = keras.Input((4, 4, 3))
        y = keras.layers.Conv2D(2, 1)(x)
        model = keras.Model(x, [y, keras.layers.BatchNormalization()(y)])
        assert "DepthwiseConv2D" in kinds(rewritten(model, carry_lone_batch_norms))


def test_a_constant_goes_into_the_bias(keras: Any) -> None:
    from pipeline.training.qat.rewrites.constants import constants_into_biases
    from pipeline.training.qat.rewrites.operators import operators_to_layers

    x = keras.Input((4, 4, 3))
    y = keras.layers.Conv2D(2, 1, use_bias=False)(x) + 3.0
    z = keras.layers.Conv2D(2, 1)(y) + np.array([1.0, 2.0], np.float32)
    graph = rewritten(keras.Model(x, keras.layers.ReLU()(z)), operators_to_layers, constants_into_biases)
    assert kinds(graph) == ["Conv2D", "Conv2D", "ReLU"]


@pytest.mark.parametrize("merge", ["Add", "Multiply", "Maximum", "Average"])
def test_merges_take_two_values_at_a_time(keras: Any, merge: str) -> None:
    from pipeline.training.qat.rewrites.merges import pairwise_merges

    inputs = [keras.Input((4,)) for _ in range(3)]
    graph = rewritten(keras.Model(inputs, getattr(keras.layers, merge)()(inputs)), pairwise_merges)
    assert kinds(graph)[:2] == [{"Average": "Add"}.get(merge, merge)] * 2


def test_the_maximum_over_an_image_is_a_pooling(keras: Any) -> None:
    from pipeline.training.qat.rewrites.pooling import global_max_to_pooling

    x = keras.Input((4, 6, 3))
    model = keras.Model(x, [keras.layers.GlobalMaxPooling2D()(x), keras.layers.GlobalMaxPooling2D(keepdims=True)(x)])
    assert kinds(rewritten(model, global_max_to_pooling)) == ["MaxPooling2D", "Reshape"] * 2


def test_a_lone_relu6_gets_a_convolution_of_ones_and_a_fused_one_does_not(keras: Any) -> None:
    from pipeline.training.qat.rewrites.lone_relu6 import carry_lone_relu6

    x = keras.Input((4, 4, 3))
    fused = keras.layers.ReLU(6.0)(keras.layers.Conv2D(3, 1)(x))
    lone = keras.layers.ReLU(6.0)(keras.layers.Concatenate()([fused, x]))
    graph = rewritten(keras.Model(x, lone), carry_lone_relu6)
    assert kinds(graph) == ["Conv2D", "ReLU", "Concatenate", "DepthwiseConv2D", "ReLU"]


@pytest.mark.parametrize("options", [{}, {"use_bias": False, "value_dim": 5, "dropout": 0.1}])
def test_attention_is_taken_apart(keras: Any, options: dict[str, Any]) -> None:
    from pipeline.training.qat.rewrites.attention import attention_to_operators

    x, memory = keras.Input((5, 8)), keras.Input((7, 8))
    attention = keras.layers.MultiHeadAttention(2, 4, **options)
    graph = rewritten(keras.Model([x, memory], attention(x, memory)), attention_to_operators)
    assert kinds(graph).count("Dense") == 4
    assert kinds(graph).count("linalg.matmul") == 2


def test_attention_with_a_causal_mask_stays(keras: Any) -> None:
    from pipeline.training.qat.rewrites.attention import attention_to_operators

    x = keras.Input((5, 8))
    model = keras.Model(x, keras.layers.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True))
    rewritten(model, attention_to_operators, changes=False)


def test_convnexts_own_layers_become_ones_that_can_be_saved(keras: Any) -> None:
    from tf_keras.src.applications.convnext import LayerScale, StochasticDepth

    from pipeline.training.qat.rewrites.convnext import convnext_to_standard

    x = keras.Input((4, 4, 3))
    y = StochasticDepth(0.5)(LayerScale(1e-2, 3)(x))
    assert kinds(rewritten(keras.Model(x, y), convnext_to_standard)) == ["ChannelScale", "Dropout"]


@pytest.mark.parametrize("epsilon", [1e-6, 1e-2])
@pytest.mark.parametrize("options", [{}, {"center": False}, {"scale": False}])
def test_layer_normalization_is_written_without_the_batch_norm_kernel(
    keras: Any, epsilon: float, options: dict[str, bool]
) -> None:
    from pipeline.training.qat.rewrites.layer_norm import plain_layer_norms

    x = keras.Input((4, 4, 6))
    model = keras.Model(x, keras.layers.LayerNormalization(epsilon=epsilon, **options)(x))
    assert kinds(rewritten(model, plain_layer_norms)) == ["PlainLayerNormalization"]


def test_layer_normalization_over_other_axes_stays(keras: Any) -> None:
    from pipeline.training.qat.rewrites.layer_norm import plain_layer_norms

    x = keras.Input((4, 4, 6))
    rewritten(keras.Model(x, keras.layers.LayerNormalization(axis=[1, 2])(x)), plain_layer_norms, changes=False)
