"""XML as somebody else wrote it: no entity is expanded, nothing is fetched, size and depth are bounded."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from pipeline.errors import InputError, one_line
from pipeline.files import check_ordinary

MOST_BYTES = 64 * 2**20
MOST_DEPTH = 64


def read(path: Path) -> Element:
    """The root of a file's tree.

    Raises:
        InputError: it cannot be read, is no XML, declares entities, or is larger or deeper than annotations are.
    """
    check_ordinary(path)
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError(f"it is larger than {MOST_BYTES >> 20} MB")
        return _parsed(content)
    except (OSError, ValueError, LookupError, expat.ExpatError) as error:
        raise InputError(f"{path} cannot be read as XML: {one_line(error, 200)}.") from error


def _parsed(content: bytes) -> Element:
    builder, depth = TreeBuilder(), 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MOST_DEPTH:
            raise ValueError(f"its elements are nested more than {MOST_DEPTH} deep")
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
