"""Each format as `ai-edge-quantizer` takes it: a list of rules (scope × operator × algorithm × config).

A rule is looked up by a regular expression over the operator's scope, the names of its outputs. The later one wins;
an operator that no rule covers stays float.
"""

from __future__ import annotations

import copy
import re
from typing import Any

from ai_edge_litert.schema_py_generated import OperatorT, SubGraphT
from ai_edge_quantizer import algorithm_manager, qtyping, recipe_manager
from ai_edge_quantizer import recipe as standard

from pipeline.errors import InputError
from pipeline.quantization.kernel_table import Dtype, is_narrow, refused
from pipeline.recipe import Compute, Format, IoType
from pipeline.tflite.flatbuffer import tensor_name

Rule = dict[str, Any]
Rules = list[Rule]

_Algorithm = algorithm_manager.AlgorithmName
_Name = qtyping.TFLOperationName
_AS_IT_IS: Rule = {"algorithm_key": _Algorithm.NO_QUANTIZE, "op_config": {}}
_OWN_NAMES = {"TRANSPOSE_CONV": "CONV_2D_TRANSPOSE"}
"""Operators that ai-edge-quantizer calls otherwise than the schema does."""


def of_format(target: Format, io_type: IoType = "int8") -> Rules:
    """The rules of a whole model.

    Raises:
        InputError: int16x8 with uint8 inputs and outputs, which no kernel takes.
    """
    if target == "dynamic":
        return list(standard.dynamic_wi8_afp32())
    if target == "weight_only":
        return list(standard.weight_only_wi8_afp32())
    if target == "float16":
        return [_float16(_Name.ALL_SUPPORTED)]
    base = _static(_Name.ALL_SUPPORTED, 16 if target == "int16x8" else 8, per_channel=target != "int8_per_tensor")
    in_float = [{"regex": ".*", "operation": operation, **_AS_IT_IS} for operation in _refused(base, _dtype(target))]
    return [base, *in_float, *_ends(base, target, io_type)]


def of_operator(graph: SubGraphT, operator: OperatorT, kind: str, compute: Compute) -> Rules:
    """The rule of one operator and no other.

    Args:
        graph: The subgraph it is in.
        operator: The operator.
        kind: Its type as in the schema, e.g. CONV_2D.
        compute: What it shall compute in. With float16 the weights are stored in half; an operator without weights
            is plain float32.

    Raises:
        InputError: ai-edge-quantizer does not know the operator in that type.
    """
    regex = f"^{re.escape(_scope(graph, operator))}$"
    operation = _Name.__members__.get(_OWN_NAMES.get(kind, kind))
    if compute in ("int8", "int16x8"):
        rule = None if operation is None else _static(operation, 16 if compute == "int16x8" else 8, per_channel=True)
        why = refused(kind, _dtype(compute))
        if rule is None or not _known(rule) or why:
            name = tensor_name(graph.tensors[operator.outputs[0]])
            why = f"its kernel is not fit for use ({why})" if why else f"ai-edge-quantizer has no rule for {kind}"
            raise InputError(
                f"The operator '{name}' ({kind}) cannot be quantized to {compute}: {why} in {compute}. "
                "Keep it in float32."
            )
        return [{**rule, "regex": regex}]
    if operation is None:
        return []  # stays float of itself
    half = _float16(operation)
    if compute == "float16" and _known(half):
        return [{**half, "regex": regex}]
    return [{"regex": regex, "operation": operation, **_AS_IT_IS}]


def takes_int8(kind: str) -> bool:
    """Whether the int8 format quantizes operators of this type."""
    operation = _Name.__members__.get(_OWN_NAMES.get(kind, kind))
    return operation is not None and _known(_static(operation, 8, per_channel=True)) and not refused(kind, "int8")


def _refused(base: Rule, dtype: Dtype) -> list[qtyping.TFLOperationName]:
    """Operators that ai-edge-quantizer would quantize although their kernel is not fit for use, or only for some."""
    return [
        operation
        for operation in _Name.__members__.values()
        if (refused(operation.value, dtype) or is_narrow(operation.value, dtype))
        and _known({**base, "operation": operation})
    ]


def _dtype(target: Format | Compute) -> Dtype:
    return "int16" if target == "int16x8" else "int8"


def _static(operation: qtyping.TFLOperationName, activation_bits: int, *, per_channel: bool) -> Rule:
    manager = recipe_manager.RecipeManager()
    manager.add_static_config(
        regex=".*",
        operation_name=_Name.ALL_SUPPORTED,
        activation_num_bits=activation_bits,
        weight_num_bits=8,
        weight_granularity=(
            qtyping.QuantGranularity.CHANNELWISE if per_channel else qtyping.QuantGranularity.TENSORWISE
        ),
    )
    [rule] = manager.get_quantization_recipe()
    return {**rule, "operation": operation}


def _ends(base: Rule, target: Format, io_type: IoType) -> Rules:
    # Outputs are given their type afterwards: see `pipeline.quantization.output_types`.
    if io_type == "float32":
        return [{"regex": ".*", "operation": _Name.INPUT, **_AS_IT_IS}]
    if io_type == "uint8":
        if target == "int16x8":
            raise InputError("int16x8 models take int16 or float32 inputs and outputs, not uint8: use --io float32.")
        unsigned = copy.deepcopy(base)
        unsigned["op_config"]["activation_tensor_config"]["dtype"] = qtyping.TensorDataType.UINT
        return [{**unsigned, "operation": _Name.INPUT}]
    return []


def _float16(operation: qtyping.TFLOperationName) -> Rule:
    return {
        "regex": ".*",
        "operation": operation,
        "algorithm_key": _Algorithm.FLOAT_CASTING,
        "op_config": {
            "weight_tensor_config": {
                "num_bits": 16,
                "symmetric": True,
                "granularity": qtyping.QuantGranularity.TENSORWISE,
                "dtype": qtyping.TensorDataType.FLOAT,
            },
            "compute_precision": qtyping.ComputePrecision.FLOAT,
            "explicit_dequantize": True,
        },
    }


def _known(rule: Rule) -> bool:
    config = qtyping.OpQuantizationConfig.from_dict(rule["op_config"])
    try:
        algorithm_manager.check_op_quantization_config(rule["algorithm_key"], rule["operation"], config)
    except ValueError:
        return False
    return True


def _scope(graph: SubGraphT, operator: OperatorT) -> str:
    """What ai-edge-quantizer searches with the regular expression."""
    names = [tensor_name(graph.tensors[output]) for output in operator.outputs]
    return "".join(f"{name};" for name in names if name)
