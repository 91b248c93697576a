"""Keras 3's operations (`keras.ops`, and arithmetic on tensors) in a functional graph → `tf_keras`.

Where a layer computes precisely the same it is taken (`ReLU`, `Add`, `GlobalAveragePooling2D`), so that what follows,
quantization-aware training above all, meets the layers it knows; else the TensorFlow function, which `tf_keras`
records as a TFOpLambda and saves by name, not as code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from pipeline.models.backend import tf, tf_keras
from pipeline.models.keras3 import activation_functions as activations
from pipeline.models.keras3.problems import CannotCarryError

L = tf_keras.layers

Call = Callable[..., Any]
"""From the operation and the arguments of its call to the result."""


def call(operation: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """The result of an operation on `tf_keras` tensors and constants.

    Raises:
        CannotCarryError: the operation is not known, or its arguments are not.
    """
    kind = type(operation).__name__
    if kind not in TABLE or type(operation).__module__.split(".")[0] != "keras":
        raise CannotCarryError("an operation that Keras 2 has no counterpart for here")
    constants = [_constant(value) for value in args]
    return TABLE[kind](operation, *constants, **{key: _constant(value) for key, value in kwargs.items()})


def _constant(value: Any) -> Any:
    """NumPy scalars as Python's own: `tf_keras` writes constants into its configuration."""
    import numpy as np

    if isinstance(value, np.generic):
        return value.item()
    if tf.is_tensor(value) and not _symbolic(value):
        return value.numpy()
    return value


def _symbolic(value: Any) -> bool:
    from tf_keras.src.engine.keras_tensor import KerasTensor

    return isinstance(value, KerasTensor)


def _plain(function: Callable[..., Any]) -> Call:
    """An operation whose call takes what the TensorFlow function takes."""
    return lambda operation, *args, **kwargs: function(*args, **kwargs)


def _elementwise(kind: Any, function: Callable[[Any, Any], Any]) -> Call:
    """A merge layer between tensors of one shape; with a constant or where it broadcasts, the function."""

    def build(operation: Any, x: Any, y: Any) -> Any:
        if _symbolic(x) and _symbolic(y) and x.shape == y.shape and x.dtype == y.dtype and x is not y:
            return kind(name=operation.name)([x, y])
        if _symbolic(x) and _symbolic(y) and x.dtype != y.dtype:
            x, y = (tf.cast(side, tf.float32) for side in (x, y))
        return function(x, y)

    return build


def _reduce(function: Callable[..., Any]) -> Call:
    def build(operation: Any, x: Any) -> Any:
        return function(x, axis=_axes(operation.axis), keepdims=operation.keepdims)

    return build


def _pooled(function: Callable[..., Any], kinds: dict[int, Any]) -> Call:
    """A mean or maximum over all sides between batch and channels: global pooling."""

    def build(operation: Any, x: Any) -> Any:
        axes = _axes(operation.axis)
        rank = len(x.shape)
        if getattr(operation, "initial", None) is not None:
            raise CannotCarryError(f"initial={operation.initial}")
        if rank in kinds and axes is not None and sorted(axis % rank for axis in axes) == list(range(1, rank - 1)):
            return kinds[rank](keepdims=operation.keepdims, name=operation.name)(x)
        return function(x, axis=axes, keepdims=operation.keepdims)

    return build


def _axes(axis: Any) -> list[int] | None:
    if axis is None:
        return None
    return [axis] if isinstance(axis, int) else list(axis)


def _batch_kept(shape: Sequence[Any], x: Any) -> bool:
    """Whether a new shape leaves the batch alone."""
    return len(shape) > 0 and (shape[0] == x.shape[0] if x.shape[0] else shape[0] in (-1, None))


def _reshape(operation: Any, x: Any) -> Any:
    shape = list(operation.newshape) if isinstance(operation.newshape, list | tuple) else [operation.newshape]
    rest = [-1 if side is None else side for side in shape[1:]]
    if _batch_kept(shape, x) and rest.count(-1) <= 1:
        # The batch's -1 stays the batch only if the rest comes to as many elements.
        sides = list(x.shape[1:])
        if None not in sides and (-1 in rest or _product(rest) == _product(sides)):
            return L.Reshape(rest, name=operation.name)(x)
    return tf.reshape(x, [-1 if side is None else side for side in shape])


def _product(sides: Sequence[int]) -> int:
    result = 1
    for side in sides:
        result *= side
    return result


def _transpose(x: Any, order: Sequence[int], name: str) -> Any:
    if order[0] == 0:
        return L.Permute(tuple(order[1:]), name=name)(x)
    return tf.transpose(x, list(order))


def _transposed(operation: Any, x: Any) -> Any:
    rank = len(x.shape)
    return _transpose(x, [axis % rank for axis in operation.axes or reversed(range(rank))], operation.name)


def _swapped(operation: Any, x: Any) -> Any:
    order = list(range(len(x.shape)))
    one, two = operation.axis1, operation.axis2
    order[one], order[two] = order[two], order[one]
    return _transpose(x, order, operation.name)


def _moved(operation: Any, x: Any) -> Any:
    rank = len(x.shape)
    source, target = ([axis % rank for axis in axes] for axes in (operation.source, operation.destination))
    order = [axis for axis in range(rank) if axis not in source]
    for place, axis in sorted(zip(target, source, strict=True)):
        order.insert(place, axis)
    return _transpose(x, order, operation.name)


def _concatenate(operation: Any, xs: Sequence[Any]) -> Any:
    if all(_symbolic(x) for x in xs):
        return L.Concatenate(operation.axis, name=operation.name)(list(xs))
    return tf.concat(list(xs), operation.axis)


def _split(operation: Any, x: Any) -> Any:
    axis, wanted = operation.axis, operation.indices_or_sections
    if isinstance(wanted, int):
        return tf.split(x, wanted, axis=axis)
    ends = [0, *wanted, x.shape[axis]]
    if None in ends:
        raise CannotCarryError("it splits a side of unknown length at given places")
    return tf.split(x, [after - before for before, after in pairwise(ends)], axis=axis)


def _squeeze(operation: Any, x: Any) -> Any:
    axes = _axes(operation.axis)
    rank = len(x.shape)
    gone = [axis % rank for axis in axes] if axes is not None else [i for i, side in enumerate(x.shape) if side == 1]
    if 0 not in gone and None not in x.shape[1:]:
        return L.Reshape([side for i, side in enumerate(x.shape) if i and i not in gone], name=operation.name)(x)
    return tf.squeeze(x, gone)


def _expand(operation: Any, x: Any) -> Any:
    axes = _axes(operation.axis) or []
    rank = len(x.shape) + len(axes)
    new = sorted(axis % rank for axis in axes)
    if 0 not in new and None not in x.shape[1:]:
        sides = list(x.shape)
        for axis in new:
            sides.insert(axis, 1)
        return L.Reshape(sides[1:], name=operation.name)(x)
    for axis in new:
        x = tf.expand_dims(x, axis)
    return x


def _pad(operation: Any, x: Any, constant_values: Any = None) -> Any:
    widths = [tuple(pair) for pair in operation.pad_width]
    if len(widths) == 1:
        widths *= len(x.shape)
    only_middle = len(widths) == 4 and widths[0] == widths[3] == (0, 0)
    if operation.mode == "constant" and only_middle and constant_values in (None, 0):
        return L.ZeroPadding2D(widths[1:3], name=operation.name)(x)
    modes = {"constant": "CONSTANT", "reflect": "REFLECT", "symmetric": "SYMMETRIC"}
    if operation.mode not in modes:
        raise CannotCarryError(f"mode='{operation.mode}'")
    return tf.pad(x, [list(pair) for pair in widths], modes[operation.mode], constant_values=constant_values or 0)


def _resize(operation: Any, x: Any) -> Any:
    for option in ("antialias", "crop_to_aspect_ratio", "pad_to_aspect_ratio"):
        if getattr(operation, option, False):
            raise CannotCarryError(f"{option}=True")
    _channels_last(operation)
    return tf.image.resize(x, tuple(operation.size), method=operation.interpolation)


def _channels_last(operation: Any) -> None:
    if getattr(operation, "data_format", None) == "channels_first":
        raise CannotCarryError("channels_first; TFLite computes in channels_last, build the model so")


def _pool(kind: Any) -> Call:
    def build(operation: Any, x: Any) -> Any:
        _channels_last(operation)
        if len(x.shape) != 4:
            raise CannotCarryError(f"over {len(x.shape) - 2} sides")
        return kind(operation.pool_size, operation.strides, operation.padding, name=operation.name)(x)

    return build


def _clip(operation: Any, x: Any) -> Any:
    if operation.x_min == 0 and operation.x_max == 6:
        return L.ReLU(6.0, name=operation.name)(x)
    return tf.clip_by_value(x, operation.x_min, operation.x_max)


def _normalize(operation: Any, x: Any) -> Any:
    if operation.order != 2:
        raise CannotCarryError(f"order={operation.order}")
    return tf.math.l2_normalize(x, axis=operation.axis, epsilon=(operation.epsilon or 1e-7) ** 2)


def _take(operation: Any, x: Any, indices: Any) -> Any:
    if operation.axis is None:
        raise CannotCarryError("axis=None, over the flattened tensor")
    return tf.gather(x, indices, axis=operation.axis)


def _item(operation: Any, x: Any, key: Any) -> Any:
    keys = list(key) if isinstance(key, list | tuple) else [key]
    if Ellipsis in keys:  # tf_keras cannot save it
        place = keys.index(Ellipsis)
        taken = sum(one is not None for one in keys) - 1
        keys[place : place + 1] = [slice(None)] * (len(x.shape) - taken)
    return x[tuple(keys)]


def _repeat(operation: Any, x: Any) -> Any:
    return tf.repeat(x, operation.repeats, axis=operation.axis)


def _composed(name: str) -> Call:
    return lambda operation, x: activations.COMPOSED[name](x, operation.name)


def _activation(name: str) -> Call:
    return lambda operation, x: L.Activation(name, name=operation.name)(x)


def _gelu(operation: Any, x: Any) -> Any:
    if operation.approximate:
        return tf.nn.gelu(x, approximate=True)
    return L.Activation("gelu", name=operation.name)(x)


def _celu(operation: Any, x: Any) -> Any:
    if operation.alpha == 1:
        return L.Activation("elu", name=operation.name)(x)
    return tf.maximum(x, 0.0) + operation.alpha * tf.math.expm1(tf.minimum(x, 0.0) / operation.alpha)


def _softmax(operation: Any, x: Any) -> Any:
    if operation.axis is None:
        raise CannotCarryError("axis=None, over the flattened tensor")
    return L.Softmax(operation.axis, name=operation.name)(x)


def _glu(operation: Any, x: Any) -> Any:
    value, gate = tf.split(x, 2, axis=operation.axis)
    return L.Multiply(name=operation.name)([value, tf.sigmoid(gate)])


def _matmul(operation: Any, x: Any, y: Any) -> Any:
    if len(x.shape) == 1 or len(y.shape) == 1:
        raise CannotCarryError("a product with a vector")
    return tf.matmul(x, y)


def _einsum(operation: Any, *operands: Any) -> Any:
    raise CannotCarryError("tf_keras cannot save it in a functional graph; matmul and EinsumDense are carried")


def _where(operation: Any, condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None or y is None:
        raise CannotCarryError("where() with a condition only")
    return tf.where(condition, x, y)


def _image(function: Callable[[Any, int], Any]) -> Call:
    def build(operation: Any, x: Any) -> Any:
        _channels_last(operation)
        return function(x, operation.block_size)

    return build


AVERAGE = {3: L.GlobalAveragePooling1D, 4: L.GlobalAveragePooling2D, 5: L.GlobalAveragePooling3D}
LARGEST = {3: L.GlobalMaxPooling1D, 4: L.GlobalMaxPooling2D, 5: L.GlobalMaxPooling3D}

TABLE: dict[str, Call] = {
    # arithmetic
    "Add": _elementwise(L.Add, tf.add),
    "Subtract": _elementwise(L.Subtract, tf.subtract),
    "Multiply": _elementwise(L.Multiply, tf.multiply),
    "Maximum": _elementwise(L.Maximum, tf.maximum),
    "Minimum": _elementwise(L.Minimum, tf.minimum),
    "Divide": _plain(tf.divide),
    "TrueDivide": _plain(tf.divide),
    "Power": _plain(tf.pow),
    "FloorDivide": _plain(tf.math.floordiv),
    "Mod": _plain(tf.math.floormod),
    "Matmul": _matmul,
    "Einsum": _einsum,
    "Negative": _plain(tf.negative),
    "Absolute": _plain(tf.abs),
    "Square": _plain(tf.square),
    "Sqrt": _plain(tf.sqrt),
    "Rsqrt": _plain(tf.math.rsqrt),
    "Reciprocal": _plain(tf.math.reciprocal),
    "Exp": _plain(tf.exp),
    "Expm1": _plain(tf.math.expm1),
    "Log": _plain(tf.math.log),
    "Log1p": _plain(tf.math.log1p),
    "Sign": _plain(tf.sign),
    "Floor": _plain(tf.floor),
    "Ceil": _plain(tf.math.ceil),
    "Sin": _plain(tf.sin),
    "Cos": _plain(tf.cos),
    "Erf": _plain(tf.math.erf),
    "Clip": _clip,
    "Where": _where,
    "Equal": _plain(tf.equal),
    "NotEqual": _plain(tf.not_equal),
    "Greater": _plain(tf.greater),
    "GreaterEqual": _plain(tf.greater_equal),
    "Less": _plain(tf.less),
    "LessEqual": _plain(tf.less_equal),
    "LogicalAnd": _plain(tf.logical_and),
    "LogicalOr": _plain(tf.logical_or),
    "LogicalNot": _plain(tf.logical_not),
    # activations
    "Relu": _activation("relu"),
    "Relu6": _composed("relu6"),
    "Sigmoid": _activation("sigmoid"),
    "Tanh": _activation("tanh"),
    "Silu": _activation("swish"),
    "Selu": _activation("selu"),
    "Mish": _activation("mish"),
    "Softplus": _activation("softplus"),
    "Softsign": _activation("softsign"),
    "HardSigmoid": _composed("hard_sigmoid"),
    "HardSilu": _composed("hard_silu"),
    "HardTanh": _composed("hard_tanh"),
    "LogSigmoid": _composed("log_sigmoid"),
    "TanhShrink": _composed("tanh_shrink"),
    "Gelu": _gelu,
    "Glu": _glu,
    "Celu": _celu,
    "Elu": lambda operation, x: L.ELU(operation.alpha, name=operation.name)(x),
    "LeakyRelu": lambda operation, x: L.LeakyReLU(operation.negative_slope, name=operation.name)(x),
    "Softmax": _softmax,
    "LogSoftmax": lambda operation, x: tf.nn.log_softmax(x, axis=operation.axis),
    # over axes
    "Mean": _pooled(tf.reduce_mean, AVERAGE),
    "Max": _pooled(tf.reduce_max, LARGEST),
    "Amax": _pooled(tf.reduce_max, LARGEST),
    "Sum": _reduce(tf.reduce_sum),
    "Min": _reduce(tf.reduce_min),
    "Amin": _reduce(tf.reduce_min),
    "Prod": _reduce(tf.reduce_prod),
    "Std": _reduce(tf.math.reduce_std),
    "Var": _reduce(tf.math.reduce_variance),
    "Logsumexp": _reduce(tf.reduce_logsumexp),
    "Argmax": lambda operation, x: tf.argmax(x, axis=operation.axis, output_type=tf.int32),
    "Argmin": lambda operation, x: tf.argmin(x, axis=operation.axis, output_type=tf.int32),
    "Cumsum": lambda operation, x: tf.cumsum(x, axis=operation.axis),
    "Normalize": _normalize,
    # shapes
    "Reshape": _reshape,
    "Transpose": _transposed,
    "Swapaxes": _swapped,
    "Moveaxis": _moved,
    "Concatenate": _concatenate,
    "Stack": lambda operation, xs: tf.stack(list(xs), axis=operation.axis),
    "Unstack": lambda operation, x: tf.unstack(x, operation.num, axis=operation.axis),
    "Split": _split,
    "Squeeze": _squeeze,
    "ExpandDims": _expand,
    "Pad": _pad,
    "GetItem": _item,
    "Take": _take,
    "Slice": lambda operation, x, start: tf.slice(x, list(start), list(operation.shape)),
    "Tile": lambda operation, x: tf.tile(x, list(operation.repeats)),
    "Repeat": _repeat,
    "Flip": lambda operation, x: tf.reverse(x, _axes(operation.axis) or list(range(len(x.shape)))),
    "BroadcastTo": lambda operation, x: tf.broadcast_to(x, list(operation.shape)),
    "OneHot": lambda operation, x: tf.one_hot(tf.cast(x, tf.int32), operation.num_classes, axis=operation.axis),
    "Cast": lambda operation, x: tf.cast(x, operation.dtype),
    "StopGradient": _plain(tf.stop_gradient),
    "Copy": _plain(tf.identity),
    "OnesLike": lambda operation, x: tf.ones_like(x),
    "ZerosLike": lambda operation, x: tf.zeros_like(x),
    # images
    "Resize": _resize,
    "MaxPool": _pool(L.MaxPooling2D),
    "AveragePool": _pool(L.AveragePooling2D),
    "DepthToSpace": _image(tf.nn.depth_to_space),
    "SpaceToDepth": _image(tf.nn.space_to_depth),
}
"""By the class of the operation."""
