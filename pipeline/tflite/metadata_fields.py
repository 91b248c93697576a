"""What our metadata may hold: a file from elsewhere can have anything under the same names."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30 and math.isfinite(value)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _several(of: Check) -> Check:
    return lambda value: isinstance(value, list | tuple) and all(map(of, value))


def _side(value: Any) -> bool:
    return _whole(value) or value == -1


METADATA: Mapping[str, Check] = {
    "name": _text, "description": _text, "version": _text, "labels": _several(_text), "preprocessing": _mapping,
    "provenance": _mapping, "task": _mapping,
}  # fmt: skip
PREPROCESSING: Mapping[str, Check] = {
    "kind": _text, "order": _several(_text), "columns": _several(_text), "shape": _several(_side),
    "channels": lambda value: _whole(value) or _flag(value), "resize": _text, "fit": _text, "antialias": _flag,
    "padding": _whole,
    "size": lambda value: _several(_whole)(value) and len(value) == 2 and all(value), "scale": _text,
    "mean": _several(_number), "std": lambda value: _several(_number)(value) and all(one > 0 for one in value),
    "dtype": _text, "features": _text, "window": _text, "spectrum": _text, "mel_scale": _text, "mel_norm": _text,
    "log": _text, "dct": _text, "sample_rate": _whole, "samples": _whole, "frame": _whole, "hop": _whole, "fft": _whole,
    "mels": _whole, "coefficients": _whole, "fmin": _number, "fmax": _number, "log_floor": _number,
    "standardize": _mapping, "inputs": _mapping,
}  # fmt: skip
STANDARDIZE: Mapping[str, Check] = {"mean": _several(_number), "std": _several(_number)}
PROVENANCE: Mapping[str, Check] = {
    "format": _text, "recipe_sha256": _text, "data_sha256": _text, "ranges": _text, "calibration": _text, "io": _text,
    "keep": _several(_text), "golden": _mapping, "versions": _mapping,
}  # fmt: skip
GOLDEN: Mapping[str, Check] = {
    "version": _whole, "examples": _whole, "input_sha256": _text, "output_sha256": _text,
}  # fmt: skip
TASK: Mapping[str, Check] = {"name": _text, "outputs": _mapping}


def problem(metadata: Mapping[str, Any]) -> str | None:
    """The first field that is not of its type, in words; None where all are. Fields that may be absent may be null."""
    places: list[tuple[str, Any, Mapping[str, Check]]] = [("", metadata, METADATA)]
    while places:
        where, values, checks = places.pop()
        for name, value in values.items():
            place = f"{where}{name}"
            if name in checks and not checks[name](value) and not (where and value is None):
                return f"'{place}' is not what stands there"
            if not isinstance(value, dict):
                continue
            if place == "preprocessing" or (name == "standardize" and checks is PREPROCESSING):
                places.append((f"{place}.", value, PREPROCESSING if place == "preprocessing" else STANDARDIZE))
            elif place == "preprocessing.inputs":
                if not all(isinstance(one, dict) for one in value.values()):
                    return f"'{place}' is not what stands there"
                places.extend((f"{place}.{key}.", one, PREPROCESSING) for key, one in value.items())
            elif place in ("provenance", "task", "provenance.golden"):
                known = {"provenance": PROVENANCE, "task": TASK, "provenance.golden": GOLDEN}
                places.append((f"{place}.", value, known[place]))
    return None
