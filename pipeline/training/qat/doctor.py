"""Examine a Keras model: everything between it and QAT and int8, at once, and what will be done about it.

The model is brought into the canonical form, converted, and wrapped by tfmot, as a recipe would do it. So what is
reported is what happens, not what a table of layer names expects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pipeline.errors import InputError, PipelineError, one_line
from pipeline.finding import Diagnosis, Finding, worst_first
from pipeline.models.backend import tf_keras
from pipeline.models.fake_quant.qat_objects import wrapped_layers
from pipeline.training.qat import graph as graphs
from pipeline.training.qat.apply import quantize, user_configs
from pipeline.training.qat.graph import Graph, Layer
from pipeline.training.qat.rewrites import Change, canonical
from pipeline.training.qat.rewrites.fixed_mode import TRAINING_ONLY
from pipeline.training.qat.rewrites.recurrent import KINDS

_NAMES_SHOWN = 3
RECURRENT = (*KINDS, "Bidirectional", "RNN")
_PTQ = "Take post-training quantization, which takes every model that converts: run the recipe with --ptq."


def examine(
    model: Any, configs: Mapping[str, Any] | None = None, say: Callable[[str], None] = lambda message: None
) -> Diagnosis:
    """Say what is between a model and an int8 file, and what is done about it.

    Args:
        model: A `tf_keras` model; it is left alone.
        configs: The user's `QuantizeConfig`s, as :func:`~pipeline.training.qat.apply.quantize_aware` takes them.
        say: Told of each step.

    Returns:
        A finding for each kind of thing that is rewritten (note), stays float (warning) or cannot be mended (error).
    """
    if wrapped_layers(model):
        return _trained(model, say)
    try:
        graph = graphs.read(model)
    except InputError as error:
        return Diagnosis((_subclassed(model, error),), {}, ("the model's graph",), ())
    before = sum(1 for _ in graph.layers())
    findings: list[Finding] = []
    checked = [f"{before} layers"]
    left_out: list[str] = []
    changes = canonical(graph)
    findings += _rewritten(changes)
    findings += _channels_first(graph) + _unknown(graph, configs or {}) + _functions(graph)
    say("converting the model")
    converted, content = _convert(graph)
    findings += converted
    if content is not None:
        findings += _float_operators(content)
        checked.append("the converted operators")
    else:
        left_out.append("the operators: the model does not convert")
    say("wrapping the layers")
    findings += _wrap(graph, configs or {})
    checked.append("tfmot's wrappers around every layer")
    return Diagnosis(worst_first(findings), {}, tuple(checked), tuple(left_out))


def _trained(model: Any, say: Callable[[str], None]) -> Diagnosis:
    """Of a model that QAT trained, this project's or plain tfmot's: what its int8 file takes from it."""
    from pipeline.conversion.import_float import import_float
    from pipeline.quantization.tap import activations

    wrapped = wrapped_layers(model)
    say("converting the model")
    try:
        imported = import_float(model)
    except PipelineError as error:
        failed = _refused("conversion", error, "There is no .tflite file of this model.", "Export the float model.")
        return Diagnosis(
            (failed,), {}, (f"{len(model.layers)} layers",), ("the operators: the model does not convert",)
        )
    known = activations(imported.content)
    missing = [name for name in known if name not in imported.ranges]
    findings = [
        Finding(
            "QAT model",
            "note",
            f"trained with fake-quant already: tfmot's wrappers around {_count('layer', wrapped)}",
            f"The int8 file takes the ranges that were learned for {len(known) - len(missing)} of {len(known)} "
            "tensors, and weights as they were trained.",
            "Export it as it is; a qat section is for the float model it came from.",
            {"layers": wrapped, "learned": len(known) - len(missing)},
        )
    ]
    if missing:
        findings.append(
            Finding(
                "unlearned range",
                "warning",
                f"{len(missing)} of {len(known)} tensors were not rounded in training ({_some(missing)})",
                "Their ranges are measured on calibration data, and the training did not make up for their rounding.",
                "Give data with --data or --recipe; or apply QAT to the whole model.",
                {"tensors": missing},
            )
        )
    findings += _float_operators(imported.content)
    checked = (f"{len(model.layers)} layers", "the learned ranges", "the converted operators")
    return Diagnosis(worst_first(findings), {}, checked, ())


def _subclassed(model: Any, error: InputError) -> Finding:
    return Finding(
        "graph",
        "error",
        str(error).split(": ")[0] + ".",
        "Nothing can be wrapped or rewritten: QAT is impossible.",
        "Write a function that builds the model with the functional API and name it with --set "
        f"model.function=module:function. {_PTQ}",
        {"layers": [model.name]},
    )


def _rewritten(changes: Iterable[Change]) -> list[Finding]:
    groups: dict[tuple[str, str, str], list[str]] = {}
    for change in changes:
        groups.setdefault((change.kind, change.reason, change.remedy), []).append(change.layer)
    return [
        Finding(
            "rewrite",
            "note",
            f"{_count(kind, layers)}: {reason}",
            "The answer is the same; every value that int8 rounds is now a layer's output.",
            f"Nothing to do: {remedy}.",
            {"kind": kind, "layers": layers, "done": remedy},
        )
        for (kind, reason, remedy), layers in groups.items()
    ]


def _channels_first(graph: Graph) -> list[Finding]:
    layers = [layer.name for layer in graph.layers() if layer.config.get("data_format") == "channels_first"]
    if not layers:
        return []
    return [
        Finding(
            "layout",
            "error",
            f"{_count('layer', layers)}: channels before height and width (channels_first)",
            "TFLite has no such kernels; TensorFlow on a CPU has not either.",
            "Build the model with data_format channels_last and carry the weights over.",
            {"layers": layers},
        )
    ]


def _unknown(graph: Graph, configs: Mapping[str, Any]) -> list[Finding]:
    """Layers whose inside this project does not know."""
    groups: dict[str, list[Layer]] = {}
    for layer in graph.layers():
        if layer.name in configs or layer.kind.__name__ in configs or _known(layer):
            continue
        groups.setdefault(layer.kind.__name__, []).append(layer)
    findings = []
    for kind, layers in groups.items():
        names = [layer.name for layer in layers]
        if kind in RECURRENT:
            findings.append(_recurrent(kind, names))
            continue
        own = layers[0].kind.__module__.partition(".")[0] not in ("tf_keras", "keras")
        inside = " and its weights are" if any(layer.weights for layer in layers) else " is"
        findings.append(
            Finding(
                "unknown layer",
                "warning",
                f"{_count(kind, names)}: " + ("a class of the user's" if own else "no rules for its inside"),
                f"QAT rounds what goes in and what comes out; what is inside{inside} quantized after training, if "
                "TFLite has kernels for it.",
                f"Give it a QuantizeConfig: qat.configs: {{{kind}: module:Class}}. Or leave it so.",
                {"kind": kind, "layers": names},
            )
        )
    return findings


def _recurrent(kind: str, names: list[str]) -> Finding:
    return Finding(
        "recurrent layer",
        "warning",
        f"{_count(kind, names)}: not unrolled, or with a state that is kept or given",
        "Unrolled over a known number of steps, each step's operators are rounded in QAT as int8 rounds them. As it "
        "is, QAT does not know its inside: a plain LSTM becomes one int8 operator, quantized after training; anything "
        "else loops at run time, which has no int8 form.",
        "Build it with unroll=True, a fixed number of steps, stateful=False and return_state=False.",
        {"kind": kind, "layers": names},
    )


_KNOWN = (
    *(
        "InputLayer",
        "Conv2D",
        "DepthwiseConv2D",
        "Conv2DTranspose",
        "Dense",
        "BatchNormalization",
        "ReLU",
        "Activation",
    ),
    *("Softmax", "Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average", "Concatenate", "Dot"),
    *("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D"),
    *("AveragePooling2D", "MaxPooling2D", "MaxPooling1D", "AveragePooling1D", "UpSampling2D", "UpSampling1D"),
    *("Reshape", "Flatten", "Permute", "RepeatVector", "ZeroPadding1D", "ZeroPadding2D", "Cropping1D", "Cropping2D"),
    *(
        "Embedding",
        "LayerNormalization",
        "UnitNormalization",
        "PReLU",
        "LeakyReLU",
        "ELU",
        "ThresholdedReLU",
        "Resizing",
    ),
)


def _known(layer: Layer) -> bool:
    from pipeline.models.fake_quant.qat_objects import QAT_OBJECTS

    kinds = {getattr(tf_keras.layers, name, None) for name in (*_KNOWN, *TRAINING_ONLY)}
    return layer.kind in kinds or layer.kind in QAT_OBJECTS.values()


def _functions(graph: Graph) -> list[Finding]:
    """Function calls that could not be kept as data."""
    layers = [layer.name for layer in graph.layers() if "OpLambda" in layer.kind.__name__]
    if not layers:
        return []
    return [
        Finding(
            "function",
            "error",
            f"{_count('function', layers)}: reads a variable or an object that is no data",
            "It can be neither copied nor wrapped: QAT is impossible.",
            f"Write it as a layer that owns its variables. {_PTQ}",
            {"layers": layers},
        )
    ]


def _convert(graph: Graph) -> tuple[list[Finding], bytes | None]:
    from pipeline.conversion.import_float import import_float

    try:
        return [], import_float(graph.build()).content
    except (PipelineError, ValueError, TypeError) as error:
        effect = "There is no .tflite file of this model, float or int8."
        remedy = "Replace the operators that are named, or write the layer with operators that TFLite has."
        return [_refused("conversion", error, effect, remedy)], None


def _float_operators(content: bytes) -> list[Finding]:
    """What is still float in the int8 file; which ranges it is written with makes no difference."""
    from pipeline.quantization.formats import write
    from pipeline.quantization.ranges import Ranges
    from pipeline.quantization.tap import activations
    from pipeline.tflite.inspect import inspect

    ranges = Ranges(dict.fromkeys(activations(content), (-1.0, 1.0)))
    try:
        operators = inspect(write(content, "int8", ranges)).float_operators
    except PipelineError as error:
        remedy = (
            "Do as it says, or keep the operator that is named in float32: quantize.keep in the recipe, --keep on the "
            "command line."
        )
        return [_refused("int8", error, "There is no int8 file of this model.", remedy)]
    names: dict[str, list[str]] = {}
    for op in operators:
        names.setdefault(op.name, []).append(op.output)
    counts = Counter(op.name for op in operators)
    return [
        Finding(
            "float operator",
            "warning",
            f"{kind} (x{counts[kind]}) at {_some(outputs)}",
            f"{_why_float(kind)}: it stays float, between a DEQUANTIZE and a QUANTIZE.",
            "Replace it by an operator that has one, or accept a mixed model: the audit will name it.",
            {"operator": kind, "count": counts[kind], "outputs": outputs},
        )
        for kind, outputs in names.items()
    ]


def _why_float(kind: str) -> str:
    from pipeline.quantization.kernel_table import refused, runtime_of_table

    reason = refused(kind, "int8")
    if not reason:
        return "There is no int8 form of it here"
    return f"LiteRT {runtime_of_table()} has no int8 kernel of it that is fit for use ({reason})"


def _refused(check: str, error: Exception, effect: str, remedy: str) -> Finding:
    what = one_line(error, 300)
    return Finding(check, "error", what, effect, remedy, {"error": what})


def _wrap(graph: Graph, configs: Mapping[str, Any]) -> list[Finding]:
    try:
        quantize(graph, user_configs(graph, configs))
    except InputError as error:
        return [
            Finding("tfmot", "error", str(error).split(" `pipeline doctor")[0], "QAT is impossible.", _PTQ, {}),
        ]
    return []


def _count(kind: str, layers: list[str]) -> str:
    return f"{kind} {_some(layers)}" if len(layers) == 1 else f"{len(layers)} x {kind} ({_some(layers)})"


def _some(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:_NAMES_SHOWN])
    return shown + (", …" if len(names) > _NAMES_SHOWN else "")
