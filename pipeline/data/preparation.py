"""From one stored example to the inputs and targets of one example, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from pipeline.data.augment import Change
from pipeline.data.examples import Column, CorruptExampleError, Examples
from pipeline.data.located import Located, as_image, for_located, image_preprocessor, view_of
from pipeline.data.preprocess import Preprocessor, for_input, for_target, is_standardized, standardized
from pipeline.data.sources.source import KnownTarget
from pipeline.errors import InputError
from pipeline.placement import SUFFIX
from pipeline.recipe import LOCATED, Data, Target
from pipeline.tensors import Array


@dataclass(frozen=True, eq=False)
class Preparation:
    """How every input and target is prepared.

    Attributes:
        inputs: By name.
        targets: Those of values, by name; other targets stay as they are.
        copies: Target → the input that it is a copy of.
        located: What prepares the targets that lie in the image, by name.
        image: The input that they lie in, where there are such targets.
    """

    inputs: Mapping[str, Preprocessor]
    targets: Mapping[str, Preprocessor] = field(default_factory=dict)
    copies: Mapping[str, str] = field(default_factory=dict)
    located: Mapping[str, Located] = field(default_factory=dict)
    image: str = ""

    def read(
        self, examples: Examples, index: int, draw: Callable[[], Change] | None = None
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """One example as the model is fed it, and its targets but the copies.

        Beside each target that lies in the image there is another one, its name and `placement.SUFFIX`, that says where
        the image lies in the input.

        Args:
            examples: Of a split.
            index: Which one.
            draw: Draws the change of its images, once it has been read.

        Raises:
            CorruptExampleError: a part of it is broken, or holds NaN or infinity.
            InputError: it cannot be prepared as the recipe says.
        """
        stored = {name: column[index] for name, column in examples.inputs.items()}
        known = {name: column[index] for name, column in examples.targets.items()}
        change = draw() if draw is not None else None
        inputs = {
            name: _prepared(examples, index, raw, name, self.inputs[name], "input", change)
            for name, raw in stored.items()
        }
        targets = {
            name: _prepared(examples, index, raw, name, self.targets.get(name), "target", change)
            for name, raw in known.items()
            if name not in self.located
        }
        if self.located:
            recipe = as_image(self.inputs[self.image])
            assert recipe is not None  # as _chosen saw to
            view = view_of(stored[self.image], recipe, change)
            for name, located in self.located.items():
                try:
                    targets[name] = located(known[name], view)
                except ValueError as error:
                    raise CorruptExampleError(examples.where(index), f"target '{name}': {error}") from error
                targets[f"{name}{SUFFIX}"] = view.placement.row()
        return inputs, targets


def prepare(
    splits: Mapping[str, Examples], known: Mapping[str, KnownTarget], data: Data, skipped: dict[str, str] | None
) -> tuple[Preparation, dict[str, Array], dict[str, Array], str]:
    """Choose the preprocessors, by the recipe and the first example that can be read.

    Args:
        splits: The examples.
        known: What the source knows of the targets.
        data: The recipe's section.
        skipped: Filled with broken examples and why, if given; without it the first one ends the search.

    Returns:
        The preparation; of that example the inputs, the targets, and its name.

    Raises:
        CorruptExampleError: an example is broken.
        InputError: none can be read, or the recipe asks for what cannot be done with them.
    """
    for examples in splits.values():
        for index in range(len(examples)):
            try:
                preparation = _chosen(examples, index, splits, known, data)
                inputs, targets = preparation.read(examples, index)
            except CorruptExampleError as error:
                if skipped is None:
                    raise
                skipped[error.where] = error.reason
            else:
                targets |= {name: inputs[copied] for name, copied in preparation.copies.items()}
                return preparation, inputs, targets, examples.where(index)
    raise InputError("None of the examples can be read; data.on_corrupt=fail says why.")


def _chosen(
    examples: Examples, index: int, splits: Mapping[str, Examples], known: Mapping[str, KnownTarget], data: Data
) -> Preparation:
    train = splits.get("train")
    inputs: dict[str, Preprocessor] = {}
    for name, column in examples.inputs.items():
        preprocessor = for_input(name, column, column[index], data)
        if is_standardized(name, column, data):
            training = None if train is None else train.inputs[name]
            preprocessor = _standardized(preprocessor, training, f"data.inputs.{name}.standardize", data)
        inputs[name] = preprocessor
    targets: dict[str, Preprocessor] = {}
    located: dict[str, Located] = {}
    for name, column in examples.targets.items():
        section = (data.targets or {}).get(name, Target())
        if known[name].kind != "value":
            if section.standardize or section.preprocess is not None:
                raise InputError(
                    f"data.targets.{name}: standardize and preprocess are for values, and this target is of the kind "
                    f"{known[name].kind}. Set data.targets.{name}.kind to value, or remove them."
                )
            if known[name].kind in LOCATED:
                columns = [split.targets[name] for split in splits.values()]
                located[name] = for_located(name, known[name], columns, section)
            continue
        preprocessor = for_target(column, column[index], section, data)
        if section.standardize:
            training = None if train is None else train.targets[name]
            preprocessor = _standardized(preprocessor, training, f"data.targets.{name}.standardize", data)
        targets[name] = preprocessor
    copies = {name: target.copy_of for name, target in (data.targets or {}).items() if target.copy_of is not None}
    if not located:
        return Preparation(inputs, targets, copies)
    shapes = {name: column[index].shape for name, column in examples.inputs.items()}
    return Preparation(inputs, targets, copies, located, image_preprocessor(inputs, shapes))


def _standardized(inner: Preprocessor, training: Column | None, where: str, data: Data) -> Preprocessor:
    if training is None:
        raise InputError(
            f"{where} takes mean and deviation from the training split, and the data has none. Add it, or give them: "
            "preprocess: {scale: mean_std, mean: …, std: …} and standardize: false."
        )
    return standardized(inner, training, where, skip=data.on_corrupt == "skip")


def _prepared(
    examples: Examples,
    index: int,
    raw: Array,
    name: str,
    preprocessor: Preprocessor | None,
    what: str,
    change: Change | None,
) -> Array:
    several = len(examples.inputs) > 1 or what == "target"
    if preprocessor is None:
        return raw
    try:
        if change is not None and as_image(preprocessor) is not None and len(preprocessor.output_shape(raw.shape)) == 3:
            x = change.image(preprocessor(change.tinted(raw)))
        else:
            x = preprocessor(raw)
    except InputError as error:
        place = f"{what} '{name}' of " if several else ""
        raise InputError(f"{place}{examples.where(index)}: {error}") from error
    if raw.dtype.kind == "f" and not np.isfinite(x).all():
        subject = f"its {what} '{name}'" if several else "it"
        raise CorruptExampleError(examples.where(index), f"{subject} holds NaN or infinite values")
    return x
