"""Wrong calls and wrong recipes, over every command: each ends with its status and a message that can be read.

    python -m tests.robustness.wrong_calls

The calls are made of what the command line and the recipe's schema say of themselves: every option with values of
another type or range, every command with files of other kinds, every key of a recipe with values that it does not take.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import typer
import yaml

from tests.robustness import forked

MOST_BYTES = 2048
SECONDS = 60.0
RECIPE: dict[str, Any] = {
    "name": "wrong",
    "model": {"path": "model.tflite"},
    "data": {"source": "npz", "path": "data.npz", "preprocess": {"scale": "0..1"}},
}
NUMBERS = ("x", "", "-1", "1e9999", "nan", "inf", "-inf", "9" * 5000, "1.5e300", "\x1b[2J", "x" * 50_000)
"""For options that take a number in bounds: what is none, or out of all bounds."""
VALUES: tuple[Any, ...] = (
    -1, -1e300, 10**30, 1e300, float("nan"), float("inf"), "", "x" * 50_000, "\x1b]0;a\x07", "é" * 3000, [], [[]], {},
    {"a": {"b": []}}, [None] * 1000, True, None, "../../x", "\0", [-1, -1], [10**6, 10**6], ["x"] * 50,
)  # fmt: skip
"""For keys of recipes."""
PATHS = ("missing", "folder", "x" * 300, "x/" * 3000, "", "\x1b[31m", "pipe", "/dev/zero", "loop", "folder/none/a")
KINDS = (
    "empty", "text.txt", "recipe.yaml", "data.npz", "labels.csv", "image.png", "bomb.keras", "bomb.h5", "bomb.npz",
    "deep.json", "digits.json", "cut.tflite", "archive.zip", "anchors.yaml", "utf16.yaml",
)  # fmt: skip
"""Files that are no model, no recipe or no data."""


SETTINGS = (
    "", "=", "a", "a=b", "train=1", "model.path.x=1", "x" * 50_000, "data.seed=" + "9" * 5000,
    "data.limit=" + "[" * 500,
    "name=../x", "data.path=&a [*a, *a]", "train.epochs=1000000000", "data.preprocess.size=[1000000, 1000000]",
)  # fmt: skip


@dataclass(frozen=True)
class Call:
    """A call, and what stands in the recipe that it names."""

    arguments: tuple[str, ...]
    recipe: dict[str, Any] | None = None

    def __str__(self) -> str:
        shown = " ".join(word if len(word) < 60 else f"{word[:50]}…({len(word)})" for word in self.arguments)
        return f"{shown!r}{'' if self.recipe is None else f' with {str(self.recipe)[:150]!r}'}"


@dataclass
class Tally:
    """What came of the calls."""

    calls: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    longest: int = 0
    faults: list[str] = field(default_factory=list)

    def add(self, call: Call, ended: forked.Ended) -> None:
        self.calls += 1
        self.statuses[ended.status] += 1
        faults = ended.faults()
        if ended.status in (1, 2):
            # A usage error repeats how the command is called, and without arguments there is the help.
            said = ended.stderr.rpartition(b"Error:")[2]
            self.longest = max(self.longest, len(said))
            faults += ["long"] if len(said) > MOST_BYTES else []
        if ended.status not in (0, 2) and not faults:
            faults.append("no status of a wrong call")
        for fault in faults:
            self.faults.append(f"{call}: {fault} (status {ended.status}): {ended.output.strip()[-300:]!r}")

    def __str__(self) -> str:
        ends = ", ".join(f"{count:,} ended with {status}" for status, count in sorted(self.statuses.items()))
        return f"{self.calls:,} wrong calls: {ends}; the longest message has {self.longest:,} bytes; " + (
            f"{len(self.faults)} faults"
        )


def commands() -> dict[tuple[str, ...], Any]:
    """Every command of the command line, by its words."""
    from pipeline.cli import app

    found: dict[tuple[str, ...], Any] = {}
    waiting: list[tuple[tuple[str, ...], Any]] = [((), typer.main.get_command(app))]
    while waiting:
        words, command = waiting.pop()
        inner = getattr(command, "commands", None)
        if inner is None:
            found[words] = command
        else:
            waiting.extend(((*words, name), one) for name, one in inner.items())
    return found


SAFE = {("devices", "list"), ("devices", "clean"), ("push",)}
"""They look for phones; their options are tried, without a file that is right."""


def of_options() -> Iterator[Call]:
    """Every option with values of another type and range, misspelt, and without a value."""
    for words, command in commands().items():
        needed = ["recipe.yaml"] if words[0] in ("run", "train", "qat", "doctor") or "show" in words else []
        if words[0] in ("inspect", "explain", "evaluate", "benchmark", "bundle", "verify", "sensitivity", "export"):
            needed = ["model.tflite"]
        yield Call((*words, *needed, "--no-such-option"))
        yield Call((*words, *["more"] * 4, *needed, *["even more"] * 30, "--nor-this=1"))
        for option in command.params:
            flags = [flag for flag in getattr(option, "opts", ()) if flag.startswith("--")]
            if not flags or flags[0] == "--help":
                continue
            yield Call((*words, *needed, f"{flags[0][:-1]}"))  # misspelt
            if getattr(option, "is_flag", False):
                yield Call((*words, *needed, f"{flags[0]}=yes"))
                continue
            yield Call((*words, *needed, flags[0]))  # without its value
            numeric = any(kind in str(option.type_descriptor.annotation) for kind in ("int", "float"))
            if numeric:
                for value in NUMBERS:
                    yield Call((*words, *needed, f"{flags[0]}={value}"))
            elif flags[0] in ("--recipe", "--data", "--reference"):
                for value in PATHS:
                    yield Call((*words, *needed, f"{flags[0]}={value}"))
            elif flags[0] in ("--split", "--as", "--io", "--require", "--run", "--runner", "--package"):
                more = ["--device"] if flags[0] == "--runner" else []
                for value in ("", "nonsense!", "x" * 50_000, "\x1b[2J"):
                    yield Call((*words, *needed, *more, f"{flags[0]}={value}"))
            elif flags[0] == "--set":
                named = ["--recipe=recipe.yaml"] if "--recipe" in _flags(command) else []
                for value in SETTINGS:
                    yield Call((*words, *needed, *named, f"--set={value}"))


def of_files() -> Iterator[Call]:
    """Every command with paths that lead nowhere, and with files of other kinds."""
    for words, command in commands().items():
        takes = [one for one in command.params if type(one).__name__.endswith("Argument")]
        if not takes or words in SAFE:
            continue
        for name in (*PATHS, *KINDS):
            further = ["--data=data.npz", "--int8"] if words == ("export",) else []
            yield Call((*words, name, *further))
        if "--reference" in _flags(command):
            for name in KINDS:
                yield Call((*words, "model.tflite", f"--reference={name}", "--recipe=recipe.yaml"))
    for name in KINDS:
        yield Call(("export", "model.tflite", "--int8", f"--data={name}"))
        yield Call(("evaluate", "model.tflite", "--reference=model.tflite", f"--recipe={name}"))


def of_recipes() -> Iterator[Call]:
    """Every key of a recipe with values that it does not take, misspelt, and sections that are none."""
    from pipeline.recipe import Recipe

    schema = Recipe.model_json_schema(by_alias=True)
    for path in _keys(schema, schema, ()):
        yield Call(("recipes", "show", "wrong.yaml"), _with((*path[:-1], f"{path[-1]}x"), 1))
        for value in VALUES:
            if not _takes(path, value):
                yield Call(("recipes", "show", "wrong.yaml"), _with(path, value))


def _flags(command: Any) -> set[str]:
    return {flag for option in command.params for flag in getattr(option, "opts", ())}


def _keys(schema: dict[str, Any], part: dict[str, Any], at: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The place of every key, sections in sections too."""
    for name, inner in part.get("properties", {}).items():
        yield (*at, name)
        options = [inner, *inner.get("anyOf", ()), *inner.get("allOf", ())]
        for one in [*options, *(option["additionalProperties"] for option in options
                                if isinstance(option.get("additionalProperties"), dict))]:  # fmt: skip
            reference = one.get("$ref")
            if reference and len(at) < 4:
                named = () if one in options else ("x",)
                yield from _keys(schema, schema["$defs"][reference.rpartition("/")[2]], (*at, name, *named))


def _takes(path: tuple[str, ...], value: Any) -> bool:
    """Whether a recipe may say so, by reading it in this process, which costs nothing."""
    from pipeline.errors import InputError
    from pipeline.recipe import parse

    try:
        parse(_with(path, value))
    except InputError:
        return False
    except Exception:
        return False  # what the command line does of it, the call shows
    return True


def _with(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    recipe = json.loads(json.dumps(RECIPE))
    place = recipe
    for part in path[:-1]:
        inner = place.get(part)
        place[part] = inner if isinstance(inner, dict) else {}
        place = place[part]
    place[path[-1]] = value
    return recipe


def make_files() -> None:
    """In the current folder: one model, recipe and data set that are right, and files of every other kind."""
    import h5py
    from PIL import Image

    from tests import tiny_models

    rng = np.random.default_rng(0)
    content = tiny_models.digits()
    Path("model.tflite").write_bytes(content)
    Path("cut.tflite").write_bytes(content[: len(content) // 2])
    Path("recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    np.savez("data.npz", x=rng.integers(0, 255, (40, 8, 8, 1)).astype(np.uint8), y=np.arange(40) % 10)
    Path("empty").touch()
    Path("text.txt").write_text("some text\n" * 100)
    Path("labels.csv").write_text("file,label\nmissing.png,a\n")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save("image.png")
    Path("deep.json").write_text("[" * 100_000)
    Path("digits.json").write_text('{"ranges": {"a": [' + "9" * 5000 + ", 1]}}")
    lines = ["a0: &a0 [" + ", ".join(["x" * 50] * 10) + "]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 9)]
    Path("anchors.yaml").write_text("\n".join(lines))
    Path("utf16.yaml").write_bytes("name: a".encode("utf-16"))
    with zipfile.ZipFile("archive.zip", "w") as file:
        file.writestr("a.txt", "a")
    config = json.dumps({"class_name": "Sequential", "config": {"name": "a", "layers": []}})
    with h5py.File("bomb.h5", "w") as stored:
        stored.attrs["model_config"], stored.attrs["keras_version"] = config, "2.15.0"
        stored.create_dataset("a/a", (1 << 20, 1 << 20), "float32", chunks=True)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        file.writestr("metadata.json", '{"keras_version": "2.15.0"}')
        file.writestr("config.json", config)
        with file.open("model.weights.h5", "w", force_zip64=True) as member:
            for _ in range(600):
                member.write(bytes(1 << 20))
    Path("bomb.keras").write_bytes(packed.getvalue())
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 100)})
    with zipfile.ZipFile("bomb.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x.npy", header.getvalue() + bytes(1000))
    Path("folder").mkdir()
    os.mkfifo("pipe")
    Path("loop").symlink_to("loop")


def attack(calls: list[Call]) -> Tally:
    """Every call in a fork, in a folder of its own."""
    tally, here, runs = Tally(), Path.cwd(), os.environ.get("PIPELINE_RUNS")
    with tempfile.TemporaryDirectory(prefix="wrong-") as folder:
        os.chdir(folder)
        os.environ["PIPELINE_RUNS"] = str(Path(folder) / "runs")
        try:
            make_files()
            for right in (["inspect", "model.tflite"], ["recipes", "show", "recipe.yaml"], ["bundle", "model.tflite"],
                          ["evaluate", "model.tflite", "--recipe=recipe.yaml"]):  # fmt: skip
                forked.preload(right)
            for call in calls:
                if call.recipe is not None:
                    Path("wrong.yaml").write_text(yaml.safe_dump(call.recipe, allow_unicode=True))
                tally.add(call, forked.call(call.arguments, seconds=SECONDS))
        finally:
            os.chdir(here)
            os.environ.pop("PIPELINE_RUNS")
            if runs is not None:
                os.environ["PIPELINE_RUNS"] = runs
    return tally


PARTS: dict[str, Callable[[], Iterator[Call]]] = {"options": of_options, "files": of_files, "recipes": of_recipes}


def every_call(parts: Sequence[str] = tuple(PARTS)) -> list[Call]:
    """All of them, or those of some parts, in an order that is the same every time."""
    calls = [call for part in parts for call in PARTS[part]()]
    random.Random(0).shuffle(calls)
    return calls


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, help="The first so many alone.")
    options.add_argument("--parts", nargs="*", choices=list(PARTS), default=list(PARTS))
    given = options.parse_args()
    tally = attack(every_call(given.parts)[: given.count])
    for fault in tally.faults:
        print(fault)
    print(tally)
    sys.exit(bool(tally.faults))


if __name__ == "__main__":
    main()
