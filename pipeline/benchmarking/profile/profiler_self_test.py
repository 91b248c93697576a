"""A model whose profile is known, to prove that the profiler's answers are read as they are meant."""

from __future__ import annotations

import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.benchmarking.profile.litert import Library, Profiled
from pipeline.errors import PipelineError
from pipeline.tflite import flatbuffer
from pipeline.tflite.edit import Editor
from pipeline.tflite.signature import with_signature

_WIDTH = 64


def model() -> bytes:
    """FULLY_CONNECTED, which XNNPACK takes, then L2_NORMALIZATION, which it does not."""
    tree = schema.ModelT()
    tree.version, tree.buffers, tree.operatorCodes = 3, [schema.BufferT()], []
    graph = schema.SubGraphT()
    graph.tensors, graph.operators, tree.subgraphs = [], [], [graph]
    editor = Editor(tree)
    x, y, z = (editor.tensor(name, [1, _WIDTH]) for name in ("x", "y", "z"))
    weights = editor.constant("w", np.eye(_WIDTH, dtype=np.float32))
    bias = editor.constant("b", np.ones(_WIDTH, np.float32))
    editor.operator(schema.BuiltinOperator.FULLY_CONNECTED, [x, weights, bias], [y], ("FullyConnectedOptions", {}))
    editor.operator(schema.BuiltinOperator.L2_NORMALIZATION, [y], [z], ("L2NormOptions", {}))
    graph.inputs, graph.outputs = [x], [z]
    return with_signature(flatbuffer.serialize(tree))


def check(library: Library) -> None:
    """Profile the known model and compare.

    Raises:
        PipelineError: the profile is not what it must be: this LiteRT's structures are laid out otherwise.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "known.tflite"
        path.write_bytes(model())
        found = Profiled(library, path, [np.ones((1, _WIDTH), np.float32)]).profile()
    delegated = [event for event in found.events if event.delegated]
    own = [event for event in found.events if not event.delegated]
    right = (
        [(event.tag, event.place) for event in own] == [("L2_NORMALIZATION", 1)]
        and any(event.tag.startswith("Fully Connected") for event in delegated)
        and [event.place for event in delegated] == list(range(len(delegated)))
        and sum(event.us for event in found.events) <= found.total_us + len(found.events) < 10_000_000
    )
    if not right:
        raise PipelineError(
            f"LiteRT {metadata.version('ai-edge-litert')}'s profiler does not answer as it is known to (a model of two "
            f"operators gave {[(e.tag[:40], e.place, e.us) for e in found.events[:4]]}): its structures are laid out "
            "otherwise, and no times can be read. Install the version in constraints.txt."
        )
