"""How people name the operators of a .tflite: by the layers that were fused into them.

TFLite's operators have no names. One goes by the name of its first output, which the converter joins from the
Keras layers inside: `net/conv_1_relu/Relu6;net/conv_1_bn/FusedBatchNormV3;net/conv_1/Conv2D1`.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

_NEAREST = 3
_WILD = frozenset("*?[")


def matches(pattern: str, name: str) -> bool:
    """Whether a shell pattern (`*`, `?`, `[…]`, case counts) fits the name, or a path of layers in it.

    `conv_1`, `conv_1*`, `net/conv_1` and `*Relu6*` all fit the name above; `conv` does not.
    """
    return any(fnmatchcase(candidate, pattern) for candidate in (name, *paths(name)))


def paths(name: str) -> list[str]:
    """Every path of a fused name and every stretch of those: `net/conv_1/Conv2D1`, `net/conv_1`, `conv_1`, …"""
    found = dict.fromkeys(
        "/".join(steps[start:end])
        for steps in _split(name)
        for start in range(len(steps))
        for end in range(len(steps), start, -1)
    )
    return [path for path in found if path]


def nearest(pattern: str, names: Iterable[str]) -> list[str]:
    """The layers and names most like a pattern that fits none."""
    known = {path for name in names for path in (name, *paths(name))}
    return difflib.get_close_matches(pattern.strip("*?"), sorted(known), n=_NEAREST, cutoff=0.5)


def short_names(operators: Sequence[tuple[str, str]]) -> list[str]:
    """A name for each operator that is short and, as a pattern for :func:`matches`, fits it alone.

    It is the layer that does the operator's work (`conv_1`), with the blocks around it where several share that, and
    the whole name where nothing shorter is its own.

    Args:
        operators: The whole name and the type (`CONV_2D`) of each.
    """
    sharers = Counter(path for name, _ in operators for path in {name, *paths(name)})

    def short(name: str, kind: str) -> str:
        steps = _work(name, kind)
        candidates = [*_endings(steps[:-1] or steps), *_endings(steps)[1:]]
        return next((path for path in candidates if sharers[path] == 1 and not _WILD & set(path)), name)

    return [short(name, kind) for name, kind in operators]


def _split(name: str) -> list[list[str]]:
    return [part.split("/") for part in name.split(";")]


def _work(name: str, kind: str) -> list[str]:
    """The path of the layer that gives the operator its type: the convolution, not its batch-norm or its ReLU."""
    parts = [part for part in _split(name) if any(part)] or [[name]]
    return next((part for part in parts if _does(part[-1], kind)), parts[0])


def _endings(steps: list[str]) -> list[str]:
    return ["/".join(steps[start:]) for start in range(len(steps) - 1, -1, -1)]


def _does(step: str, kind: str) -> bool:
    word = step.rstrip("0123456789")
    return bool(word) and (kind.replace("_", "").startswith(word.upper()) or word == "MatMul")
