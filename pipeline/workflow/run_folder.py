"""A run folder: everything one run made, and what it was made from.

`manifest.json` holds a record a stage: a key over all that the stage depends on (recipe, data, parents, versions)
and the SHA-256 of every file it wrote. A stage whose key and files still match is not done again, so an interrupted
run goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from pipeline import recipe
from pipeline.errors import InputError
from pipeline.files import copy, write_text
from pipeline.recipe import Recipe

MANIFEST = "manifest.json"
METRICS = "metrics.json"
LABELS = "labels.txt"
_PACKAGES = (
    "keras-int8-pipeline",
    "tensorflow",
    "tf_keras",
    "tensorflow-model-optimization",
    "ai-edge-litert",
    "ai-edge-quantizer",
    "numpy",
)


@dataclass(frozen=True)
class Run:
    """One folder under `runs/`."""

    folder: Path

    def path(self, name: str) -> Path:
        """Where a file of this run lies or will lie."""
        return self.folder / name

    @property
    def manifest(self) -> dict[str, Any]:
        """What is recorded so far; empty for a new run.

        Raises:
            InputError: the file is damaged.
        """
        content = _read_json(self.path(MANIFEST))
        stages = content.get("stages", {})
        records = stages.values() if isinstance(stages, dict) else [None]
        if not all(isinstance(r, dict) and "key" in r and isinstance(r.get("outputs"), dict) for r in records):
            raise InputError(
                f"'{self.path(MANIFEST)}' is damaged: its stages are not what this program writes. Remove it to start "
                "this run anew."
            )
        return content

    @property
    def metrics(self) -> dict[str, Any]:
        """The last measurements, a block a model; empty before the first.

        Raises:
            InputError: the file is damaged.
        """
        return _read_json(self.path(METRICS))

    def describe(self, **facts: Any) -> None:
        """Record facts about the whole run (recipe, data) beside the stages."""
        self._write({**self.manifest, **facts, "versions": versions()})

    def has(self, stage: str, key: str) -> bool:
        """Whether the stage was done with this key and its files are as it left them."""
        record = self.manifest.get("stages", {}).get(stage)
        if record is None or record["key"] != key:
            return False
        return all(
            self.path(name).is_file() and sha256(self.path(name)) == digest
            for name, digest in record["outputs"].items()
        )

    def record(self, stage: str, key: str, outputs: Iterable[str], started: float, **facts: Any) -> None:
        """Note that a stage is done.

        Args:
            stage: Its name.
            key: Over all it depends on.
            outputs: Names of the files it wrote.
            started: `time.time()` when it began.
            facts: What else is worth keeping (history, parents).
        """
        manifest = self.manifest
        stages = dict(manifest.get("stages", {}))
        stages[stage] = {
            "key": key,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "seconds": round(time.time() - started, 2),
            "outputs": {name: sha256(self.path(name)) for name in outputs},
            **facts,
        }
        self._write({**manifest, "stages": stages})

    def forget(self, *stages: str) -> None:
        """Drop the records of stages whose parent was made anew; they no longer belong to this run."""
        manifest = self.manifest
        kept = {name: record for name, record in manifest.get("stages", {}).items() if name not in stages}
        self._write({**manifest, "stages": kept})

    def adopt(self, stage: str, key: str, other: Run) -> bool:
        """Take a stage over from another run that did the same; False where it did not."""
        if self.folder == other.folder or not other.has(stage, key):
            return False
        record = other.manifest["stages"][stage]
        for name in record["outputs"]:
            copy(other.path(name), self.path(name))
        manifest = self.manifest
        self._write({**manifest, "stages": {**manifest.get("stages", {}), stage: record}})
        return True

    def _write(self, manifest: Mapping[str, Any]) -> None:
        write_text(self.path(MANIFEST), json.dumps(manifest, indent=1) + "\n")


def key_of(*parts: Any) -> str:
    """SHA-256 over JSON-able parts: a stage's key."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def identity(path: Path | None) -> Any:
    """What stands for a file or folder in a key, without reading it: path, sizes and times of change."""
    if path is None or not path.exists():
        return str(path)
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]


def versions() -> dict[str, str]:
    """Versions of the packages that decide what a model looks like."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def newest(root: Path) -> Run:
    """The run that was worked on last.

    Raises:
        InputError: there is none.
    """
    manifests = sorted(root.glob(f"*/{MANIFEST}"), key=lambda path: path.stat().st_mtime)
    if not manifests:
        raise InputError(
            f"There is no run in '{root}' yet. Make one with `make qat recipe=mobilenet` or "
            "`pipeline run RECIPE`, or name what to export."
        )
    return Run(manifests[-1].parent)


def root() -> Path:
    """The folder of all runs: `runs` here, or what PIPELINE_RUNS names."""
    return Path(os.environ.get("PIPELINE_RUNS", "runs"))


def model_file(target: Path | None) -> Path:
    """The .tflite file meant by a path: itself, or the int8 model of a run (the newest one by default).

    Raises:
        InputError: there is no run yet, or the run has no int8 model.
    """
    folder = newest(root()).folder if target is None else target
    if not (folder / MANIFEST).is_file():
        return folder
    if (folder / "int8.tflite").is_file():
        return folder / "int8.tflite"
    raise InputError(f"The run '{folder}' has no int8.tflite: make it with `pipeline export --int8 {folder}`.")


def model_files(targets: list[Path]) -> dict[str, Path]:
    """Files by the name that they get in tables: given ones, or those of a run (the newest one by default).

    Of a run, the float model comes first; QAT's simulation and the prepared float model are left out.

    Raises:
        InputError: there is no run yet, or a run holds no models.
    """
    if not targets:
        targets = [newest(root()).folder]
    files: dict[str, Path] = {}
    for target in targets:
        if (target / MANIFEST).is_file():
            found = [path for path in sorted(target.glob("*.tflite")) if path.stem not in ("qat", "prepared")]
            found.sort(key=lambda path: path.stem != "float")
            if not found:
                raise InputError(f"The run '{target}' has no .tflite files: run its recipe to the end.")
        else:
            found = [target]
        for path in found:
            # "host" is the machine's own block beside the models' in the JSON.
            name = path.stem if path.stem not in files and path.stem != "host" else str(path)
            files[name] = path
    return files


def recipe_of(name: str | None, overrides: list[str], files: list[Path]) -> Recipe:
    """The recipe by name, or the one of the run that the first file lies in.

    Raises:
        InputError: no name is given and the file is in no run.
    """
    if name is not None:
        return recipe.load(name, overrides)
    run = Run(files[0].parent)
    content = run.manifest.get("recipe")
    if content is None:
        raise InputError(f"'{files[0]}' is in no run folder: say whose data to use with --recipe RECIPE.")
    for override in overrides:
        recipe.lay_over(content, override)
    return recipe.parse(content, f"the recipe in {run.path(MANIFEST)}")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"'{path}' is damaged ({error}). Remove it to start this run anew.") from error
    if not isinstance(content, dict):
        raise InputError(f"'{path}' is damaged: it holds no JSON object. Remove it to start this run anew.")
    return content
