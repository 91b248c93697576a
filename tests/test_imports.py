"""Packages import downwards only, in no cycle, and TensorFlow comes in through three of them.

All imports count: at the top of a module, inside a function, and under `TYPE_CHECKING`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

LAYERS: tuple[tuple[str, ...], ...] = (
    (
        "boxes",
        "errors",
        "files",
        "finding",
        "foreign_files",
        "importing",
        "limits",
        "placement",
        "progress",
        "supervision",
        "tensors",
        "text_table",
        "versions",
    ),
    ("recipe",),
    ("cluster", "tflite", "data"),
    ("tasks",),
    ("evaluation",),
    ("quantization",),
    ("models", "conversion", "training"),
    ("benchmarking", "bundle", "device", "diagnosis", "report", "verification"),
    ("workflow",),
    ("api",),
    ("cli",),
)
"""Modules and packages of `pipeline`, the lowest first. One may import what stands below it, and beside it."""

TENSORFLOW = {"tensorflow", "tensorflow_model_optimization", "tf_keras", "keras"}
BRINGS_TENSORFLOW = {"models", "conversion", "training"}
MAY_IMPORT_TENSORFLOW = {
    *BRINGS_TENSORFLOW,
    "data/sources/fetch_keras.py",  # a process of its own that downloads a data set of Keras
}


@dataclass(frozen=True)
class Import:
    file: str
    """Within `pipeline/`."""
    line: int
    target: str
    """The whole dotted name."""
    inside: bool
    """Inside a function, or for type checkers only: it costs nothing when the module is imported."""

    @property
    def package(self) -> str:
        """The package or module of `pipeline` that imports."""
        return self.file.partition("/")[0].removesuffix(".py")

    @property
    def imported(self) -> str | None:
        """The package or module of `pipeline` that is imported."""
        first, _, rest = self.target.partition(".")
        return rest.partition(".")[0] if first == "pipeline" and rest else None

    def __str__(self) -> str:
        return f"pipeline/{self.file}:{self.line} imports {self.target}"


def imports_of(source: str, file: str) -> Iterator[Import]:
    tree = ast.parse(source)
    inside = {
        id(node)
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _for_types(outer)
        for node in ast.walk(outer)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (Import(file, node.lineno, name, id(node) in inside) for name in names)


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def all_imports() -> list[Import]:
    folder = ROOT / "pipeline"
    return [
        entry
        for path in sorted(folder.rglob("*.py"))
        for entry in imports_of(path.read_text(encoding="utf-8"), path.relative_to(folder).as_posix())
    ]


IMPORTS = all_imports()
LAYER = {name: place for place, names in enumerate(LAYERS) for name in names}


def cycles(edges: set[tuple[str, str]]) -> set[str]:
    """The nodes from which a way leads back to themselves."""
    followers: dict[str, set[str]] = {}
    for first, second in edges:
        followers.setdefault(first, set()).add(second)
    found = set()
    for start in followers:
        reached, todo = set[str](), [start]
        while todo:
            for node in followers.get(todo.pop(), set()) - reached:
                reached.add(node)
                todo.append(node)
        if start in reached:
            found.add(start)
    return found


def test_an_import_is_found_wherever_it_stands() -> None:
    source = """
import pipeline.cli
from pipeline.data import load
if TYPE_CHECKING:
    from pipeline.workflow.stages import RunContext
def work():
    import tensorflow as tf
"""
    found = [(entry.target, entry.imported, entry.inside) for entry in imports_of(source, "tflite/a.py")]
    assert found == [
        ("pipeline.cli", "cli", False),
        ("pipeline.data.load", "data", False),
        ("pipeline.workflow.stages.RunContext", "workflow", True),
        ("tensorflow", None, True),
    ]


def test_a_cycle_is_found() -> None:
    assert cycles({("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")}) == {"a", "b", "c"}


def test_every_package_has_its_layer() -> None:
    names = {
        path.stem for path in (ROOT / "pipeline").iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()
    }
    assert names - {"__init__", "__main__"} <= LAYER.keys()


def test_nothing_imports_what_stands_above_it() -> None:
    upwards = [
        entry
        for entry in IMPORTS
        if entry.imported in LAYER and entry.package in LAYER and LAYER[entry.imported] > LAYER[entry.package]
    ]
    assert not upwards, "\n".join(map(str, upwards))


def test_packages_do_not_import_each_other_in_a_cycle() -> None:
    edges = {
        (entry.package, entry.imported)
        for entry in IMPORTS
        if entry.imported in LAYER and entry.package in LAYER and entry.imported != entry.package
    }
    assert cycles(edges) == set()


def test_tensorflow_is_imported_by_three_packages_alone() -> None:
    others = [
        entry
        for entry in IMPORTS
        if entry.target.partition(".")[0] in TENSORFLOW and not {entry.package, entry.file} & MAY_IMPORT_TENSORFLOW
    ]
    assert not others, "\n".join(map(str, others))


def test_what_brings_tensorflow_in_is_imported_inside_functions() -> None:
    at_once = [
        entry
        for entry in IMPORTS
        if entry.imported in BRINGS_TENSORFLOW and entry.package not in BRINGS_TENSORFLOW and not entry.inside
    ]
    assert not at_once, "\n".join(map(str, at_once))


def test_nobody_imports_the_command_line() -> None:
    others = [entry for entry in IMPORTS if entry.imported == "cli" and entry.package not in ("cli", "__main__")]
    assert not others, "\n".join(map(str, others))


def test_no_two_modules_have_one_name() -> None:
    """A command's file is called as what it calls; every other name is one module's alone."""
    paths = [path for path in (ROOT / "pipeline").rglob("*.py") if path.stem not in ("__init__", "__main__")]
    names = [path.stem for path in paths if path.parent.name != "cli"]
    assert sorted({name for name in names if names.count(name) > 1}) == []
