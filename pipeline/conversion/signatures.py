"""Which of a .tflite file's signatures is meant, and that one as the main graph, which everything here looks at."""

from __future__ import annotations

from typing import Any

from ai_edge_litert.schema_py_generated import ModelT, SubGraphT

from pipeline.errors import InputError, did_you_mean
from pipeline.tflite import flatbuffer
from pipeline.tflite.prune import prune
from pipeline.tflite.signature import KEY


def main_signature(content: bytes, wanted: str | None = None) -> bytes:
    """The model with one signature, over its first subgraph; the content itself where it is so already.

    Args:
        content: A .tflite file's content.
        wanted: The signature to take; None: `serving_default`, else the only one.

    Raises:
        InputError: it has no such signature, or several over different graphs to choose from.
    """
    model = flatbuffer.read(content)
    known = list(model.signatureDefs or [])
    chosen = _chosen(known, wanted)
    if chosen is None or (known == [chosen] and chosen.subgraphIndex == 0):
        return content
    model.signatureDefs = [chosen]
    _keep_from(model, int(chosen.subgraphIndex))
    prune(model)
    return flatbuffer.serialize(model)


def _chosen(known: list[Any], wanted: str | None) -> Any | None:
    by_key = {flatbuffer.text(signature.signatureKey): signature for signature in known}
    listed = ", ".join(f"'{key}'" for key in by_key) or "none"
    if wanted is not None:
        if wanted not in by_key:
            raise InputError(
                f"The .tflite model has no signature '{wanted}', it has {listed}.{did_you_mean(wanted, by_key)}"
            )
        return by_key[wanted]
    if KEY in by_key or not known:
        return by_key.get(KEY)
    if len({signature.subgraphIndex for signature in known}) > 1:
        raise InputError(
            f"The .tflite model has several signatures, and none is called {KEY}: {listed}. Say which is meant with "
            "--set model.signature=NAME."
        )
    return known[0]


def _keep_from(model: ModelT, first: int) -> None:
    """Make one subgraph the first, and drop those that neither it nor what it calls names."""
    kept = [first]
    for index in kept:  # grows meanwhile
        kept += [other for other in _called(model.subgraphs[index]) if other not in kept]
    new = {old: place for place, old in enumerate(kept)}
    model.subgraphs = [model.subgraphs[index] for index in kept]
    for graph in model.subgraphs:
        for options, field in _references(graph):
            setattr(options, field, new[int(getattr(options, field))])
    for signature in model.signatureDefs:
        signature.subgraphIndex = new[int(signature.subgraphIndex)]


def _called(graph: SubGraphT) -> list[int]:
    return list(dict.fromkeys(int(getattr(options, field)) for options, field in _references(graph)))


def _references(graph: SubGraphT) -> list[tuple[Any, str]]:
    """Options of control flow (WHILE, IF, CALL_ONCE, …) and their fields that are the number of a subgraph."""
    found = []
    for operator in graph.operators:
        for options in (operator.builtinOptions, getattr(operator, "builtinOptions2", None)):
            fields = vars(options) if options is not None else {}
            found += [(options, field) for field in fields if field == "subgraph" or field.endswith("SubgraphIndex")]
    return found
