"""A run folder: everything one run made, and what it was made from.

`manifest.json` holds a record a stage: a key over all that the stage depends on (recipe, data, parents, versions)
and the SHA-256 of every file it wrote. A stage whose key and files still match is not done again, so an interrupted
run goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import limits
from pipeline.errors import InputError, shortened
from pipeline.files import copy, sha256, write_text
from pipeline.recipe import MOST_OF_A_NAME, RUN_NAME
from pipeline.versions import versions

MANIFEST = "manifest.json"
METRICS = "metrics.json"
LABELS = "labels.txt"
FLOAT_KERAS = "float.keras"
QAT_KERAS = "qat.h5"
"""HDF5, the one format that tfmot's layers survive: Keras 2 builds its QuantizeLayer twice from a .keras file."""
FLOAT, QAT, PREPARED = "float.tflite", "qat.tflite", "prepared.tflite"
"""As it was converted; what QAT computes, in float; and what every format is written from."""
RANGES = "ranges.json"
CALIBRATION = "calibration.json"
"""How PTQ was done: the settings, what else was tried, what was scaled. Not written for QAT, which learned its own."""
MIXED_RANGES = "mixed_ranges"
"""In the record of the float model's stage: what joins parts of very different ranges, and the keep rules for it."""


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
        return record is not None and record["key"] == key and self._changed(record) is None

    def check_intact(self, *stages: str) -> None:
        """See that the files of these stages, which others are to be made from, are as the stages left them.

        Raises:
            InputError: one is missing, or another program wrote it.
        """
        records = self.manifest.get("stages", {})
        for stage in stages:
            changed = self._changed(records[stage])
            if changed is not None:
                raise InputError(
                    f"'{self.path(changed)}' is not the file that this run made: it is missing, or something else "
                    "wrote it since. Run the recipe again, which makes it anew."
                )

    def is_intact(self, stage: str) -> bool:
        """Whether the stage was done, and its files are as it left them."""
        record = self.manifest.get("stages", {}).get(stage)
        return record is not None and self._changed(record) is None

    def _changed(self, record: Mapping[str, Any]) -> str | None:
        """The first file that is not as its stage left it."""
        for name, digest in record["outputs"].items():
            if not self.path(name).is_file() or sha256(self.path(name)) != digest:
                return str(name)
        return None

    def record(
        self,
        stage: str,
        key: str,
        outputs: Iterable[str],
        started: float,
        about: Mapping[str, Any] | None = None,
        **facts: Any,
    ) -> None:
        """Note that a stage is done.

        Args:
            stage: Its name.
            key: Over all it depends on.
            outputs: Names of the files it wrote.
            started: `time.time()` when it began.
            about: What holds of the whole run from now on, as `describe` takes it.
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
        self._write({**manifest, **(about or {}), "versions": versions(), "stages": stages})

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
        if self._changed(record) is not None:  # another process makes the other run anew
            return False
        manifest = self.manifest
        self._write({**manifest, "stages": {**manifest.get("stages", {}), stage: record}})
        return True

    def _write(self, manifest: Mapping[str, Any]) -> None:
        write_text(self.path(MANIFEST), json.dumps(manifest, indent=1) + "\n")


def key_of(*parts: Any) -> str:
    """SHA-256 over JSON-able parts: a stage's key."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


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


def run_named(name: str) -> Run:
    """The run of that name, there or not.

    Raises:
        InputError: it is no name but a path, or has signs that not every file system takes.
    """
    if not re.fullmatch(RUN_NAME, name) or len(name) > MOST_OF_A_NAME:
        raise InputError(
            f"A run is called by letters, digits, '.', '_' and '-', the first a letter or digit, at most "
            f"{MOST_OF_A_NAME}, not '{shortened(name)}'. It lies in '{root()}'; PIPELINE_RUNS names another folder."
        )
    return Run(root() / name)


def name_for(path: Path) -> str:
    """What the run of a model file is called: the file's name without its ending, as far as a run may be called so."""
    return re.sub("[^A-Za-z0-9._-]+", "-", path.absolute().stem).strip("-._")[:MOST_OF_A_NAME] or "model"


def root() -> Path:
    """The folder of all runs: `runs` here, or what PIPELINE_RUNS names."""
    return Path(os.environ.get("PIPELINE_RUNS", "runs"))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = limits.json_file(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"'{path}' is damaged ({error}). Remove it to start this run anew.") from error
    if not isinstance(content, dict):
        raise InputError(f"'{path}' is damaged: it holds no JSON object. Remove it to start this run anew.")
    return content
