"""What a model file would run as Python, or do to files, if it were loaded: found by reading, nothing is imported.

A Keras model is a configuration that names classes and functions, and can hold Python byte code (Lambda); a SavedModel
is a TensorFlow program, whose operators can read and write files. Keras asks before byte code of `.keras` files alone
(`safe_mode`). Here one rule holds for every format: nothing of it runs unless the file is trusted.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline import limits
from pipeline.errors import InputError, shortened
from pipeline.models import custom_objects, stored_config

_LAMBDA, _BYTE_CODE = "Lambda", "__lambda__"
_RUNS_OTHER_FILES = ("TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
"""Layers of Keras that load a program of their own: a SavedModel, a pickle."""
_TF_SYMBOLS = ("TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty")
"""Keras 2's layers for a function of TensorFlow's, named in their configuration."""
_NOT_ARITHMETIC = frozenset(
    (
        "io", "py_function", "numpy_function", "py_func", "keras", "summary", "profiler", "saved_model", "train",
        "data", "distribute", "config", "debugging", "raw_ops", "utils", "test", "autograph", "lite", "tpu",
    )
)  # fmt: skip
"""Parts of TensorFlow's namespace whose functions do something else than compute."""
_FILE_OPERATORS = (
    "PyFunc", "PyFuncStateless", "EagerPyFunc", "WriteFile", "ReadFile", "MatchingFiles", "PrintV2", "Print",
    "LoadLibrary", "WholeFileReader", "TextLineReader", "FixedLengthRecordReader", "TFRecordReader", "LMDBReader",
    "WholeFileReaderV2", "TextLineReaderV2", "FixedLengthRecordReaderV2", "TFRecordReaderV2", "TextLineDataset",
    "TFRecordDataset", "FixedLengthRecordDataset", "SaveDataset", "LoadDataset", "Rpc", "TryRpc",
    "CreateSummaryFileWriter", "WriteSummary", "DebugIdentity", "DebugIdentityV2", "DebugIdentityV3",
)  # fmt: skip
_MOST_NAMED = 3


def check(path: Path, *, trusted: bool) -> None:
    """See that loading a model file runs nothing that nobody agreed to.

    Args:
        path: A `.keras` or `.h5` file, or the folder of a SavedModel.
        trusted: Whether somebody did.

    Raises:
        InputError: it would, naming what and where, and how to agree.
    """
    found = [] if trusted else list(dict.fromkeys(code_in(path)))
    if not found:
        return
    listed = "; ".join(found[:_MOST_NAMED]) + (f"; and {len(found) - _MOST_NAMED} more" if found[_MOST_NAMED:] else "")
    raise InputError(
        f"'{path}' would run code that came with it: {listed}. If you made it, or trust who did, say so with --trust "
        "(in a recipe model.trust: true, in Python trust=True). Or give a function of yours that builds it, "
        "model.function=module:function, or a float .tflite, which holds no code."
    )


def code_in(path: Path) -> Iterator[str]:
    """What of a model file is no plain layer of Keras's, in words; damaged files are left to whoever loads them."""
    if path.is_dir():
        yield from _in_saved_model(path)
        return
    try:
        yield from (f"'{shortened(name)}' of your own Python" for name in custom_objects.names_beside(path))
        yield from _in_config(stored_config.read(path))
    except (OSError, ValueError, KeyError, RecursionError):
        return


def _in_config(config: Any, layer: str = "") -> Iterator[str]:
    """In a Keras configuration, at any depth.

    Args:
        config: JSON.
        layer: The layer that it belongs to.
    """
    waiting: list[tuple[Any, str]] = [(config, layer)]
    while waiting:
        item, layer = waiting.pop()
        if isinstance(item, list):
            waiting.extend((inner, layer) for inner in item)
        if not isinstance(item, dict):
            continue
        kind, inner = item.get("class_name"), item.get("config")
        if isinstance(inner, dict) and isinstance(inner.get("name"), str):
            layer = inner["name"]
        if isinstance(kind, str):
            yield from _of_entry(item, kind, inner, f" in the layer '{shortened(layer)}'" if layer else "")
        waiting.extend((value, layer) for value in item.values())


def _of_entry(item: dict[str, Any], kind: str, inner: Any, where: str) -> Iterator[str]:
    if kind in (_LAMBDA, _BYTE_CODE):
        yield f"Python code{where}{' (Lambda)' if kind == _LAMBDA else ''}"
    elif kind in _RUNS_OTHER_FILES:
        yield f"the program that {kind} loads{where}"
    elif kind in _TF_SYMBOLS:
        symbol = str(inner.get("function", inner.get("cls_ref", ""))) if isinstance(inner, dict) else ""
        if _NOT_ARITHMETIC & set(symbol.split(".")):
            yield f"the function tf.{shortened(symbol)}{where}"
    module = item.get("module")
    if isinstance(module, str) and not _is_plain(module, kind, inner):
        yield f"'{shortened(module)}:{shortened(str(inner) if kind == 'function' else kind)}'{where}"


def _is_plain(module: str, kind: str, inner: Any) -> bool:
    """Whether `module` and `class_name` name a building block of Keras, not just something in its packages."""
    root = module.partition(".")[0]
    if root == "builtins":
        return kind in ("function", "str", "int", "float", "bool", "list", "tuple", "dict", "slice", "set")
    if root not in ("keras", "tf_keras", "tensorflow_model_optimization", "pipeline"):
        return False
    try:
        named = getattr(importlib.import_module(module), str(inner) if kind == "function" else kind)
    except Exception:
        return kind != "function"  # moved since: Keras finds it by its name, or does not
    if kind == "function":
        return root in ("keras", "tf_keras") and ".activations" in str(getattr(named, "__module__", ""))
    return inspect.isclass(named) and hasattr(named, "from_config")


def _in_saved_model(path: Path) -> Iterator[str]:
    """Byte code among the layers that Keras wrote beside the graph, and operators that touch files."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2
    from tf_keras.protobuf import saved_metadata_pb2

    try:
        if (path / "keras_metadata.pb").is_file():
            metadata = saved_metadata_pb2.SavedMetadata.FromString((path / "keras_metadata.pb").read_bytes())
            for node in metadata.nodes:
                yield from _in_config(limits.json_value(node.metadata))
        if not (path / "saved_model.pb").is_file():
            return
        saved = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    except (OSError, ValueError, DecodeError, RecursionError):
        return
    for graph in saved.meta_graphs:
        functions = [(function.signature.name, function.node_def) for function in graph.graph_def.library.function]
        for name, nodes in [("the graph", graph.graph_def.node), *functions]:
            for node in nodes:
                if node.op in _FILE_OPERATORS:
                    yield f"the operator {node.op} ('{shortened(node.name)}' in '{shortened(name)}')"
