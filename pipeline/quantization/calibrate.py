"""Measure activation ranges on a representative dataset, streamed: memory does not grow with its size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.progress import Track, quiet
from pipeline.quantization.observers import Estimator, describe, make
from pipeline.quantization.observers.observer import Observer
from pipeline.quantization.ranges import Ranges, holding_zero
from pipeline.quantization.tap import Tapped, check_finite, nonnegative, tap

Item = TypeVar("Item")
Result = TypeVar("Result")


def calibrate(
    content: bytes,
    inputs: Iterable[NDArray[np.float32]],
    *,
    estimator: Estimator = "min_max",
    percentile: float | None = None,
    examples: int | None = None,
    threads: int = 2,
    track: Track = quiet,
) -> Ranges:
    """The range of every float activation over the representative dataset.

    The input's range is widened so that zero is one of its steps (`ranges.holding_zero`).

    Args:
        content: A float .tflite file's content; one input.
        inputs: float32 [B, ...] batches, preprocessed as the model expects them; streamed, one held at a time.
        estimator: How a range comes from an activation's values; see `pipeline.quantization.observers`.
        percentile: For the estimator of that name, in percent.
        examples: How many there will be, for the progress bar.
        threads: Interpreter threads.

    Raises:
        InputError: no examples at all, an input that is not finite, or an activation that becomes so.
    """
    settings = {} if percentile is None else {"percentile": percentile}
    wanted = {str(estimator): (make(estimator, **settings), describe(estimator, **settings))}
    [ranges] = calibrate_many(content, inputs, wanted, examples=examples, threads=threads, track=track).values()
    return ranges


def calibrate_many(
    content: bytes,
    inputs: Iterable[NDArray[np.float32]],
    estimators: Mapping[str, tuple[Callable[[], Observer], str]],
    *,
    examples: int | None = None,
    threads: int = 2,
    track: Track = quiet,
) -> dict[str, Ranges]:
    """As :func:`calibrate`, with several estimators in one pass over the data.

    Args:
        estimators: By name: what makes an observer for one activation, and how the ranges' `method` calls it.
    """
    names, tapped = tap(content)
    model = Tapped(tapped, threads)
    floored = nonnegative(content)  # their smallest value need not be looked for: every range reaches to zero
    floors = [False, *(name in floored for name in names)]
    observers = {key: [create() for _ in (model.entry, *names)] for key, (create, _) in estimators.items()}
    seen = 0
    with ThreadPoolExecutor(threads) as pool:  # numpy lets go of the interpreter lock while it reduces
        for piece in track(model.pieces(inputs), "calibrating", examples and -(-examples // model.batch)):
            check_finite(piece, seen)
            values = [piece, *model.views(piece)]
            extremes = _in_turns(pool, threads, partial(_extremes, len(piece)), list(zip(values, floors, strict=True)))
            for index, found in enumerate(extremes):
                if not np.isfinite(found).all():
                    raise InputError(
                        f"The activation '{names[index - 1]}' becomes NaN or infinite on the representative dataset "
                        f"(among examples {seen} to {seen + len(piece) - 1}): check the weights and the preprocessing."
                    )
                for group in observers.values():
                    if found.size:
                        group[index].observe(found if group[index].extremes_only else values[index])
            del values  # LiteRT refuses to run while a view of its memory is held
            seen += len(piece)
    if not seen:
        raise InputError("The representative dataset is empty: give at least one example, better some hundred.")
    return {
        key: _ranges(model.entry, names, observers[key], f"{text} of {seen} example{'s' * (seen != 1)}")
        for key, (_, text) in estimators.items()
    }


def _extremes(examples: int, entry: tuple[NDArray[np.float32], bool]) -> NDArray[np.float32]:
    """The smallest (0 where it is known not to be less) and largest value of each example, float32 [B, 2]."""
    values, floored = entry
    if not values.size:
        return np.empty((0, 2), np.float32)
    rows = values.reshape(examples if values.size % examples == 0 else 1, -1)
    found = np.zeros((len(rows), 2), np.float32)
    if not floored:
        rows.min(axis=1, out=found[:, 0])
    rows.max(axis=1, out=found[:, 1])
    return found


def _in_turns(
    pool: ThreadPoolExecutor, threads: int, work: Callable[[Item], Result], items: Sequence[Item]
) -> list[Result]:
    """The work on every item, thread t taking every t-th: items are too small to be handed over one by one."""
    shares = pool.map(lambda first: [work(item) for item in items[first::threads]], range(threads))
    results: list[Result | None] = [None] * len(items)
    for first, share in enumerate(shares):
        results[first::threads] = share
    return cast(list[Result], results)


def _ranges(entry: str, names: list[str], observers: list[Observer], method: str) -> Ranges:
    first, *others = (observer.range() for observer in observers)
    return Ranges({entry: holding_zero(*first), **dict(zip(names, others, strict=True))}, method)
