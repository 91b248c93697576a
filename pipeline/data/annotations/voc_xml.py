"""Pascal VOC: one XML file an image, as labelImg, CVAT and Roboflow write it too.

http://host.robots.ox.ac.uk/pascal/VOC/voc2012/devkit_doc.pdf
"""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree.ElementTree import Element

from pipeline.boxes import DIFFICULT, ORDINARY
from pipeline.data.annotations import safe_xml
from pipeline.data.annotations.annotated import AnnotatedImage, Box
from pipeline.errors import InputError, readable, shortened

_CORNERS = ("ymin", "xmin", "ymax", "xmax")


def read(path: Path) -> AnnotatedImage:
    """One image's annotation.

    The corners are taken as they are written, as the edges of the box in pixels from the image's upper left corner:
    whether a tool counts from 0 or from 1 no file says.

    Raises:
        InputError: it is no such file, or an object lacks its name, its box or a number in it.
    """
    root = safe_xml.read(path)
    if root.tag != "annotation":
        raise InputError(f"{path} is no Pascal VOC annotation: its root is <{shortened(root.tag)}>, not <annotation>.")
    boxes = [_box(path, number, thing) for number, thing in enumerate(root.findall("object"), 1)]
    file = readable((root.findtext("filename") or "").strip())
    return AnnotatedImage(file.replace("\\", "/").rpartition("/")[2], str(path), boxes, _size(path, root))


def _box(path: Path, number: int, thing: Element) -> Box:
    where = f"object {number}"
    name = readable((thing.findtext("name") or "").strip())
    if not name:
        raise InputError(f"{path}, {where} has no <name>.")
    box = thing.find("bndbox")
    if box is None:
        raise InputError(f"{path}, {where} ('{shortened(name)}') has no <bndbox>; only upright boxes are read.")
    y_min, x_min, y_max, x_max = (_number(path, where, box, tag) for tag in _CORNERS)
    difficult = (thing.findtext("difficult") or "").strip() in ("1", "true", "True")
    return Box(y_min, x_min, y_max, x_max, name, DIFFICULT if difficult else ORDINARY, where=where)


def _number(path: Path, where: str, element: Element, tag: str) -> float:
    text = (element.findtext(tag) or "").strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        what = f"'{shortened(text)}' is no number" if text else "it is missing"
        raise InputError(f"{path}, {where}: <{tag}>: {what}.")
    return value


def _size(path: Path, root: Element) -> tuple[int, int] | None:
    """Some tools write 0 where they do not know."""
    size = root.find("size")
    if size is None or not (size.findtext("width") and size.findtext("height")):
        return None
    height, width = (_number(path, "size", size, tag) for tag in ("height", "width"))
    return (round(height), round(width)) if height >= 1 and width >= 1 else None
