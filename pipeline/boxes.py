"""How boxes are kept in arrays: the layout that data, tasks and pictures share."""

from __future__ import annotations

Y_MIN, X_MIN, Y_MAX, X_MAX, CLASS, FLAG, AREA = range(7)
"""Columns of a row, float32. A stored row counts in pixels of the stored image, a prepared one in shares of the
model's input; the area is always in pixels of the stored image (COCO's `area`, else the box's)."""
COLUMNS = 7

NO_CLASS = -1
"""The class of a row that only fills up, and holds no object."""
ORDINARY, DIFFICULT, CROWD = range(3)
"""Flags: difficult (Pascal VOC) and crowd (COCO) are neither missed nor wrongly found; a crowd takes any number."""
IGNORED = 255
"""The class of a mask's pixels that count for nothing."""
