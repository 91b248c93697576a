"""From what a source found, by its own names, to the inputs and targets that the recipe asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.data import fingerprint
from pipeline.data.columns import ArrayColumn
from pipeline.data.examples import Column, Examples, Labels
from pipeline.data.located_columns import boxes_of, rarest_classes
from pipeline.data.sources.groups import split_by_group
from pipeline.data.sources.source import KnownTarget, Source
from pipeline.data.target_kinds import read_target
from pipeline.data.windows import windowed
from pipeline.errors import InputError, did_you_mean
from pipeline.recipe import Data, Input, Target


@dataclass(frozen=True, eq=False)
class Found:
    """One split as it is stored.

    Attributes:
        inputs: By the names that the source has for them.
        targets: The same: an array or sequence with an entry an example, or a column.
        groups: What `data.split_by` may name: the group's name → its value for each example.
    """

    inputs: Mapping[str, Column]
    targets: Mapping[str, Any] = field(default_factory=dict)
    groups: Mapping[str, list[str]] = field(default_factory=dict)


def assemble(
    found: Mapping[str, Found],
    data: Data,
    given: tuple[str, ...] | None,
    known: Mapping[str, KnownTarget] | None = None,
    print_of_files: str | None = None,
    notes: tuple[str, ...] = (),
    *,
    named: bool = False,
) -> Source:
    """Make a source.

    Args:
        found: By split; empty ones are left out.
        data: The recipe's section: its `inputs`, `targets`, `window` and `split_by` count here.
        given: The names in `data.labels`.
        known: What the source knows of its targets, by its own names.
        print_of_files: The fingerprint, where it is not to be taken of the examples.
        notes: What should be told, a sentence each.
        named: The source went by the recipe's names already.

    Raises:
        InputError: an input or target that is not there, different numbers of them, or a target that makes no sense.
    """
    chosen = dict(found) if named else {split: _renamed(split, parts, data) for split, parts in found.items()}
    for split, parts in chosen.items():
        _check_copies(data, parts)
        _check_lengths(split, parts)
    chosen = {split: parts for split, parts in chosen.items() if len(_first(parts))}
    if not chosen:
        raise InputError("The data has no examples at all.")
    if data.window is not None:
        cut = {split: windowed(parts.inputs, parts.targets, data.window, split) for split, parts in chosen.items()}
        series_groups = {split: part.groups for split, part in cut.items()}
        spans = {split: part.spans for split, part in cut.items()}
        chosen = {split: Found(part.inputs, part.targets) for split, part in cut.items()}
    else:
        series_groups, spans = dict.fromkeys(chosen), dict.fromkeys(chosen)
    names = _same_targets(chosen)
    if given and not names:
        raise InputError("data.labels names classes, and the data has no targets. Set data.labels to null.")
    targets: dict[str, KnownTarget] = {}
    columns: dict[str, dict[str, Column]] = {split: {} for split in chosen}
    for name in names:
        section = (data.targets or {}).get(name, Target())
        stored = {split: (parts.targets[name], _first(parts).where) for split, parts in chosen.items()}
        of_source = (known or {}).get(name if named else section.stored or name) or _only_known(known, names)
        targets[name], by_split, told = read_target(name, stored, section, of_source, given)
        notes += told
        for split, column in by_split.items():
            columns[split][name] = column
    classes = [name for name, target in targets.items() if target.kind == "class"]
    splits = {
        split: Examples(
            parts.inputs,
            columns[split],
            _labels(columns[split][classes[0]]) if len(classes) == 1 else None,
            series_groups[split],
            spans[split],
            _strata(columns[split]) if not classes else None,
        )
        for split, parts in chosen.items()
    }
    if data.split_by is not None:
        splits = split_by_group(splits, {split: parts.groups for split, parts in chosen.items()}, data.split_by)
    return Source(splits, targets, print_of_files or fingerprint.of_examples(splits), notes)


def _only_known(known: Mapping[str, KnownTarget] | None, names: list[str]) -> KnownTarget | None:
    """What the source says of its one target, whatever the recipe calls it."""
    return next(iter(known.values())) if known and len(known) == len(names) == 1 else None


def _strata(columns: Mapping[str, Column]) -> Labels | None:
    """By the one target of boxes, where there is one."""
    found = [boxes for column in columns.values() if (boxes := boxes_of(column)) is not None]
    return rarest_classes(found[0]) if len(found) == 1 else None


def _labels(column: Column) -> Labels:
    assert isinstance(column, ArrayColumn)  # as read_target makes those of classes
    return column.array


def _first(parts: Found) -> Column:
    return next(iter(parts.inputs.values()))


def _renamed(split: str, parts: Found, data: Data) -> Found:
    """Under the recipe's names, and only what it asks for."""
    inputs, targets = dict(parts.inputs), dict(parts.targets)
    if data.inputs is not None:
        only = next(iter(parts.inputs)) if len(parts.inputs) == 1 else None
        alone = len(data.inputs) == 1
        inputs = {
            name: _pick(
                f"data.inputs.{name}",
                name,
                section,
                parts.inputs,
                only if alone or section.columns is not None else None,
                split,
            )
            for name, section in data.inputs.items()
        }
    if data.targets is not None:
        wanted = {name: section for name, section in data.targets.items() if section.copy_of is None}
        only = next(iter(parts.targets)) if len(parts.targets) == len(wanted) == 1 else None
        there = {**parts.inputs, **parts.targets}
        targets = {
            name: _pick(f"data.targets.{name}", name, section, there, only, split) for name, section in wanted.items()
        }
    return Found(inputs, targets, parts.groups)


def _pick(
    where: str, name: str, section: Input | Target, there: Mapping[str, Any], only: str | None, split: str
) -> Any:
    """What is stored under the section's name or its own, or the only thing there is; its columns, if it asks for some.

    Args:
        where: The recipe's key, for messages.
        name: The input's or target's.
        section: The recipe's.
        there: What is stored.
        only: What is meant by a name that is not there.
        split: For messages.
    """
    key = section.stored if section.stored is not None else name
    if key not in there and section.stored is None and only is not None:
        key = only
    if key not in there:
        raise InputError(
            f"{where}: the {split} split has no '{key}'.{did_you_mean(key, there)} Name what is stored: "
            f"`--set {where}.from=…`."
        )
    picked = there[key]
    if section.columns is None:
        return picked
    known = getattr(picked, "names", ())
    if not known:
        raise InputError(f"{where}.columns are for tables, and '{key}' has no columns with names.")
    for column in section.columns:
        if column not in known:
            raise InputError(f"{where}.columns: there is no column '{column}'.{did_you_mean(column, known)}")
    return picked.of_columns(section.columns)


def _check_copies(data: Data, parts: Found) -> None:
    for name, section in (data.targets or {}).items():
        if section.copy_of is not None and section.copy_of not in parts.inputs:
            raise InputError(
                f"data.targets.{name}.copy_of: there is no input '{section.copy_of}'."
                f"{did_you_mean(section.copy_of, parts.inputs)}"
            )


def _check_lengths(split: str, parts: Found) -> None:
    lengths = {name: len(column) for name, column in parts.inputs.items()}
    first, count = next(iter(lengths.items()))
    for name, length in lengths.items():
        if length != count:
            raise InputError(
                f"The {split} split has {count} examples of the input '{first}' but {length} of '{name}'. Every "
                "input needs one entry an example."
            )
    for name, stored in parts.targets.items():
        if len(stored) != count:
            raise InputError(
                f"The {split} split has {count} examples but {len(stored)} targets '{name}'. Every example needs one."
            )


def _same_targets(chosen: Mapping[str, Found]) -> list[str]:
    """The names of the targets, which every split must have."""
    names = list(next(iter(chosen.values())).targets)
    for split, parts in chosen.items():
        for one, other in ((names, parts.targets), (parts.targets, names)):
            missing = next((name for name in one if name not in other), None)
            if missing is not None:
                lacking = split if one is names else next(iter(chosen))
                raise InputError(
                    f"The {lacking} split has no target '{missing}', which another split has. Add it, or leave targets "
                    "out altogether with `--set data.targets={}`."
                )
    return names
