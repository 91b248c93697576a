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
from pipeline.quantization.tap import TappedModel, check_finite, float_inputs, nonnegative, tap
from pipeline.tensors import Tensors
from pipeline.tflite import flatbuffer

Item = TypeVar("Item")
Result = TypeVar("Result")


def calibrate(
    content: bytes,
    batches: Iterable[Tensors],
    *,
    estimator: Estimator = "min_max",
    percentile: float | None = None,
    examples: int | None = None,
    threads: int = 2,
    track: Track = quiet,
) -> Ranges:
    """The range of every float32 activation over the representative dataset.

    Inputs' ranges are widened so that zero is one of their steps (`ranges.holding_zero`). Inputs of other types than
    float32, such as token ids, are fed as they are and have no range.

    Args:
        content: A float .tflite file's content.
        batches: [B, ...] arrays by the model's input names, preprocessed as it expects them; streamed, one batch held
            at a time.
        estimator: How a range comes from an activation's values; see `pipeline.quantization.observers`.
        percentile: For the estimator of that name, in percent.
        examples: How many there will be, for the progress bar.
        threads: Interpreter threads.

    Raises:
        InputError: no examples at all, inputs that the model does not take or that are not finite, or an activation
            that becomes so.
    """
    settings = {} if percentile is None else {"percentile": percentile}
    wanted = {str(estimator): (make(estimator, **settings), describe(estimator, **settings))}
    [ranges] = calibrate_many(content, batches, wanted, examples=examples, threads=threads, track=track).values()
    return ranges


def calibrate_many(
    content: bytes,
    batches: Iterable[Tensors],
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
    model = TappedModel(tapped, threads)
    fed = _float_inputs(content)
    every = [*fed, *names]
    floored = nonnegative(content)  # their smallest value need not be looked for: every range reaches to zero
    floors = [*(False for _ in fed), *(name in floored for name in names)]
    observers = {key: [create() for _ in every] for key, (create, _) in estimators.items()}
    seen = 0
    with ThreadPoolExecutor(threads) as pool:  # numpy lets go of the interpreter lock while it reduces
        for piece in track(model.pieces(batches), "calibrating", examples and -(-examples // model.batch)):
            check_finite(piece, seen)
            values = [*(piece.own(piece.arrays[place]) for place in fed.values()), *model.views(piece)]
            work = partial(_extremes, piece.examples)
            extremes = _in_turns(pool, threads, work, list(zip(values, floors, strict=True)))
            for index, found in enumerate(extremes):
                if not np.isfinite(found).all():
                    raise InputError(
                        f"The activation '{every[index]}' becomes NaN or infinite on the representative dataset "
                        f"(among examples {seen} to {seen + piece.examples - 1}): check the weights and the "
                        "preprocessing."
                    )
                for group in observers.values():
                    if found.size:
                        group[index].observe(found if group[index].extremes_only else values[index])
            del values  # LiteRT refuses to run while a view of its memory is held
            seen += piece.examples
    if not seen:
        raise InputError("The representative dataset is empty: give at least one example, better some hundred.")
    return {
        key: _ranges(list(fed), names, observers[key], f"{text} of {seen} example{'s' * (seen != 1)}")
        for key, (_, text) in estimators.items()
    }


def _float_inputs(content: bytes) -> dict[str, int]:
    """Tensor names of the float32 inputs, and their places among the inputs."""
    graph = flatbuffer.read(content).subgraphs[0]
    inputs = [int(index) for index in graph.inputs]
    return {flatbuffer.tensor_name(graph.tensors[index]): inputs.index(index) for index in float_inputs(graph)}


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


def _ranges(fed: list[str], names: list[str], observers: list[Observer], method: str) -> Ranges:
    found = [observer.range() for observer in observers]
    widened = {name: holding_zero(*pair) for name, pair in zip(fed, found[: len(fed)], strict=True)}
    return Ranges({**widened, **dict(zip(names, found[len(fed) :], strict=True))}, method)
