"""Which operator of the model each of the profiler's entries belongs to.

TFLite's own kernels are logged with the operator's place. XNNPACK logs its own operators, in the order of the model's:
it fuses some (a padding into its convolution), and adds others (a clamp, a copy). The two sequences are aligned, as
texts are compared: by kind and order (S. B. Needleman, C. D. Wunsch, J. Mol. Biol. 48, 1970). What XNNPACK added counts
to the operator before it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.benchmarking.profile.profiler import Profile, Timing

_MATCH, _SKIPPED = 4, -1
_KINDS = {
    # The beginning of XNNPACK's name, or a word in it, and the operators that it computes.
    "DWConv": {"DEPTHWISE_CONV_2D"},
    "Convolution": {"CONV_2D", "DEPTHWISE_CONV_2D"},
    "Fully Connected": {"FULLY_CONNECTED", "CONV_2D"},
    "Deconvolution": {"TRANSPOSE_CONV"},
    "Batch Matrix Multiply": {"BATCH_MATMUL"},
    "Dynamic Fully Connected": {"FULLY_CONNECTED"},
    "Add": {"ADD"},
    "Subtract": {"SUB"},
    "Multiply": {"MUL"},
    "Divide": {"DIV"},
    "Maximum": {"MAXIMUM"},
    "Minimum": {"MINIMUM"},
    "Squared Difference": {"SQUARED_DIFFERENCE"},
    "Mean": {"MEAN", "AVERAGE_POOL_2D"},
    "Sum": {"SUM", "MEAN"},
    "Global Average Pooling": {"MEAN", "AVERAGE_POOL_2D"},
    "Average Pooling": {"AVERAGE_POOL_2D", "MEAN"},
    "Max Pooling": {"MAX_POOL_2D"},
    "Softmax": {"SOFTMAX"},
    "Sigmoid": {"LOGISTIC"},
    "Tanh": {"TANH"},
    "HardSwish": {"HARD_SWISH"},
    "Leaky ReLU": {"LEAKY_RELU"},
    "PReLU": {"PRELU"},
    "ELU": {"ELU"},
    "GELU": {"GELU"},
    "Clamp": {"RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"},
    "Reshape": {"RESHAPE", "EXPAND_DIMS"},
    "Transpose": {"TRANSPOSE"},
    "Constant Pad": {"PAD", "PADV2"},
    "Resize Bilinear": {"RESIZE_BILINEAR"},
    "Slice": {"SLICE", "STRIDED_SLICE", "SPLIT"},
    "Copy": {"CONCATENATION", "SPLIT", "RESHAPE"},
    "Concat": {"CONCATENATION"},
    "Convert": {"QUANTIZE", "DEQUANTIZE"},
    "Depth To Space": {"DEPTH_TO_SPACE"},
    "Depth to Space": {"DEPTH_TO_SPACE"},
    "Space To Depth": {"SPACE_TO_DEPTH"},
    "Reduce": {"MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"},
}


def fits(tag: str, kind: str) -> bool:
    """Whether an operator of XNNPACK's may compute one of the model's: `Add (ND)` computes ADD."""
    first = next((kinds for words, kinds in _KINDS.items() if words in tag), None)
    if first is not None and kind in first:
        return True
    # XNNPACK names elementwise operators as TFLite does.
    word = tag.split(" (")[0].replace(" ", "").upper()
    return word == kind.replace("_", "")


def attribute(profile: Profile, kinds: Sequence[str]) -> tuple[list[float], list[list[str]], frozenset[int]]:
    """Microseconds of each of the model's operators.

    Args:
        profile: Of the model.
        kinds: The main graph's operators (`CONV_2D`), in order.

    Returns:
        The operators' times; what ran for each, by the profiler's names (nothing where it was fused into another one);
        and the places of those that ran outside of the delegate.
    """
    times, tags = [0.0] * len(kinds), [list[str]() for _ in kinds]

    def count(place: int, timing: Timing) -> None:
        times[place] += timing.us
        tags[place].append(timing.tag)

    own = {timing.place: timing for timing in profile.timings if not timing.delegated and timing.place < len(kinds)}
    for place, timing in own.items():
        count(place, timing)
    pieces = _pieces(profile.timings)
    for piece, places in zip(pieces, _places(profile, len(kinds), frozenset(own), len(pieces)), strict=True):
        for entry, place in _align([timing.tag for timing in piece], [kinds[place] for place in places]):
            count(places[place], piece[entry])
    return times, tags, frozenset(own)


def _pieces(timings: Sequence[Timing]) -> list[list[Timing]]:
    """The delegate's entries by piece: each begins to count at 0."""
    pieces: list[list[Timing]] = []
    before: Timing | None = None
    for timing in timings:
        if timing.delegated:
            if before is None or not before.delegated or timing.place <= before.place:
                pieces.append([])
            pieces[-1].append(timing)
        before = timing
    return pieces


def _places(profile: Profile, count: int, own: frozenset[int], pieces: int) -> list[list[int]]:
    """The operators of each piece."""
    if len(profile.partitions) == pieces:
        return [list(partition) for partition in profile.partitions]
    # Otherwise cut where an operator ran outside.
    rest = [place for place in range(count) if place not in own]
    groups: list[list[int]] = []
    for place in rest:
        if not groups or place != groups[-1][-1] + 1:
            groups.append([])
        groups[-1].append(place)
    while len(groups) > pieces > 0:
        groups[-2:] = [groups[-2] + groups[-1]]
    return groups + [[]] * (pieces - len(groups))


def _align(tags: Sequence[str], kinds: Sequence[str]) -> list[tuple[int, int]]:
    """For each of XNNPACK's operators, which of the model's it counts to."""
    if not kinds:
        return []
    rows, columns = len(tags) + 1, len(kinds) + 1
    best = [[0] * columns for _ in range(rows)]
    for row in range(rows):
        for column in range(columns):
            choices = []
            if row and column and fits(tags[row - 1], kinds[column - 1]):
                choices.append(best[row - 1][column - 1] + _MATCH)
            if row:
                choices.append(best[row - 1][column] + _SKIPPED)
            if column:
                choices.append(best[row][column - 1] + _SKIPPED)
            best[row][column] = max(choices, default=0)
    matched: dict[int, int] = {}
    row, column = len(tags), len(kinds)
    while row and column:
        if fits(tags[row - 1], kinds[column - 1]) and best[row][column] == best[row - 1][column - 1] + _MATCH:
            row, column = row - 1, column - 1
            matched[row] = column
        elif best[row][column] == best[row - 1][column] + _SKIPPED:
            row -= 1
        else:
            column -= 1
    pairs, current = [], min(matched.values(), default=0)
    for entry in range(len(tags)):
        current = matched.get(entry, current)
        pairs.append((entry, current))
    return pairs
