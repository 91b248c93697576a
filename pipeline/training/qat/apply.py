"""From a trained float model to one that trains with int8's rounding in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow_model_optimization as tfmot

from pipeline.errors import InputError, one_line
from pipeline.models.backend import tf, tf_keras
from pipeline.models.fake_quant.int8_config import Int8Config, has_kernel
from pipeline.models.fake_quant.qat_objects import QAT_OBJECTS, wrapped_layers
from pipeline.training import batch_norm
from pipeline.training.qat import graph as graphs
from pipeline.training.qat.fake_quant_placement import Rounded, place_fake_quants
from pipeline.training.qat.graph import Graph, Layer
from pipeline.training.qat.rewrites import canonical
from pipeline.training.qat.scheme import EightBitPerChannel


def quantize_aware(model: Any, configs: Mapping[str, Any] | None = None) -> Any:
    """A copy of the model, with the same weights, that computes as int8 will.

    The model is brought into the canonical form, every value that int8 rounds gets a fake-quant, and
    `tensorflow-model-optimization` wraps the layers.

    Args:
        model: A built Functional or Sequential `tf_keras` model.
        configs: `QuantizeConfig`s of the user's, by layer name or class name; they replace this project's.

    Raises:
        InputError: the model is subclassed, or has fake-quant already; a config names no layer, or tfmot refuses a
            layer (it is named).
    """
    wrapped = wrapped_layers(model)
    if wrapped:
        raise InputError(
            f"'{model.name}' was trained with fake-quant already: tfmot's wrappers are around {len(wrapped)} of its "
            "layers. Leave qat out: export takes the ranges that it learned. Or give the float model."
        )
    graph = graphs.read(model)
    canonical(graph)
    own = user_configs(graph, configs or {})
    return quantize(graph, own)


def quantize(graph: Graph, own: Mapping[int, Any] | None = None) -> Any:
    """tfmot's model of a canonical graph.

    Args:
        graph: Layers may be added to it.
        own: The user's `QuantizeConfig`s by the layers' `id`.
    """
    own = own or {}
    rounded = _rounded_by_layer(graph, own)
    plans = {
        id(layer): own.get(id(layer), _config(layer, rounded.get(id(layer))))
        for layer in graph.layers()
        if _wraps(graph, layer) or id(layer) in own
    }

    def annotate(layer: Layer, keras_layer: Any) -> Any:
        config = plans.get(id(layer))
        if config is None:
            return keras_layer
        return tfmot.quantization.keras.quantize_annotate_layer(keras_layer, config)

    classes: dict[str, Any] = {layer.kind.__name__: layer.kind for layer in graph.layers()}
    functions = [layer.config["activation"] for layer in graph.layers() if callable(layer.config.get("activation"))]
    classes |= {getattr(function, "__name__", type(function).__name__): function for function in functions}
    classes |= {type(config).__name__: type(config) for config in own.values()}
    try:
        with tfmot.quantization.keras.quantize_scope({**classes, **QAT_OBJECTS}):
            aware = tfmot.quantization.keras.quantize_apply(graph.build(annotate), scheme=EightBitPerChannel())
    except (ValueError, RuntimeError, TypeError, AttributeError) as error:
        raise InputError(
            f"tensorflow-model-optimization cannot quantize '{graph.name}': {one_line(error, 400)} "
            "`pipeline doctor MODEL` lists what is in the way. Post-training quantization takes every model: run "
            "the recipe with --ptq."
        ) from error
    aware = _under_own_names(aware, graph.output_names)
    fixed = {layer.name for layer in graph.layers() if layer.fixed_statistics}
    batch_norm.freeze(aware, only=lambda layer: layer.name in fixed)
    return aware


def _under_own_names(aware: Any, names: Sequence[str]) -> Any:
    """The model with its outputs called as the float model's are; tfmot's wrappers call them `quant_…`.

    Named layers that do nothing give them, which a saved file keeps.
    """
    outputs = [
        output if own == name else tf_keras.layers.Activation("linear", name=name)(output)
        for name, own, output in zip(names, aware.output_names, aware.outputs, strict=True)
    ]
    structure = aware.output
    flat = outputs[0] if not tf.nest.is_nested(structure) else tf.nest.pack_sequence_as(structure, outputs)
    return tf_keras.Model(aware.input, flat, name=aware.name)


def _config(layer: Layer, output: Rounded | None) -> Int8Config:
    if output is None:
        return Int8Config(weights=_rounds_kernel(layer))
    return Int8Config(_rounds_kernel(layer), output.range, output.exact_in_training)


def _rounded_by_layer(graph: Graph, own: Mapping[int, Any]) -> dict[int, Rounded]:
    """What each layer's output quantizer is to be. A value whose layer cannot have one gets a layer behind it."""
    found: dict[int, Rounded] = {}
    for rounded in place_fake_quants(graph):
        call = graph.producer(rounded.value)
        layer = call.layer
        if id(layer) in own:
            continue  # the user's config rounds the output, or does not
        if not _wraps(graph, layer) or graph.shared(layer):
            layer = graph.layer("Activation", f"{layer.name}_int8", activation="linear")
            graph.after(rounded.value, layer)
        found[id(layer)] = rounded
    return found


def _wraps(graph: Graph, layer: Layer) -> bool:
    """Whether tfmot's wrapper can hold the layer: called on one argument, with one result.

    One that is always called in training or in inference would have the fake-quant behind it always so too.
    """
    return layer.kind is not tf_keras.layers.InputLayer and all(
        len(call.outputs) == 1 and len(call.args) == 1 and all(item is None for item in call.kwargs.values())
        for call in graph.calls_of(layer)
    )


def _rounds_kernel(layer: Layer) -> bool:
    """A depthwise 1x1 kernel has one weight a channel, which int8 holds exactly."""
    size = layer.config.get("kernel_size")
    exact = layer.kind is tf_keras.layers.DepthwiseConv2D and size in (1, (1, 1), [1, 1])
    return has_kernel(layer.kind) and not exact


def user_configs(graph: Graph, configs: Mapping[str, Any]) -> dict[int, Any]:
    """The user's configs by the `id` of the layer that each is for; a name wins over a class.

    Raises:
        InputError: a key that is neither the name nor the class of a layer.
    """
    found: dict[int, Any] = {}
    names = {layer.name for layer in graph.layers()}
    for key, config in sorted(configs.items(), key=lambda entry: entry[0] in names):
        layers = [layer for layer in graph.layers() if key in (layer.name, layer.kind.__name__)]
        if not layers:
            raise InputError(f"qat.configs names '{key}': the model has no layer and no layer class of that name.")
        found |= {id(layer): config for layer in layers}
    return found
