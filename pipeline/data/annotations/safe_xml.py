"""XML as somebody else wrote it: no entity is expanded, nothing is fetched, size and depth are bounded."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from pipeline import limits
from pipeline.errors import InputError, one_line
from pipeline.files import check_ordinary


def read(path: Path) -> Element:
    """The root of a file's tree.

    Raises:
        InputError: it cannot be read, is no XML, declares entities, or is larger or deeper than annotations are.
    """
    check_ordinary(path)
    try:
        return _parsed(limits.file_bytes(path, limits.ANNOTATION_BYTES))
    except (OSError, ValueError, LookupError, expat.ExpatError) as error:
        raise InputError(f"{path} cannot be read as XML: {one_line(error, 200)}.") from error


def _parsed(content: bytes) -> Element:
    builder, depth = TreeBuilder(), 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > limits.XML_DEPTH:
            raise ValueError(f"its elements are nested more than {limits.XML_DEPTH} deep")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(name: str, *_: Any) -> None:
        raise ValueError(f"it declares the entity '{name}', which annotations have no use for")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = refuse
    parser.Parse(content, True)
    return builder.close()
