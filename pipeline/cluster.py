"""Which worker this process is, by the environment variable TF_CONFIG; read without TensorFlow.

    TF_CONFIG='{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}'

The format is TensorFlow's: https://www.tensorflow.org/guide/distributed_training#TF_CONFIG.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import limits
from pipeline.errors import InputError
from pipeline.recipe import Recipe

EXAMPLE = (
    'TF_CONFIG=\'{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}\''
)


@dataclass(frozen=True)
class Worker:
    """One of the processes that train together."""

    rank: int
    """0 for the chief, which alone writes the run folder."""
    count: int

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run folder and goes on to export and measure."""
        return self.rank == 0

    def __str__(self) -> str:
        return f"worker {self.rank} of {self.count}" + (" (chief)" if self.is_chief else "")


ALONE = Worker(0, 1)


def trains_together(recipe: Recipe) -> bool:
    """Whether the recipe's training is spread over several processes."""
    return any(section is not None and section.strategy == "multi_worker" for section in (recipe.train, recipe.qat))


def worker_of(recipe: Recipe) -> Worker:
    """Who this process is in the recipe's training; alone where it trains in one process.

    Raises:
        InputError: the recipe trains in several processes, and TF_CONFIG is missing or malformed.
    """
    return this_worker(os.environ) if trains_together(recipe) else ALONE


def this_worker(environment: Mapping[str, str]) -> Worker:
    """Read TF_CONFIG.

    Raises:
        InputError: it is missing, no JSON, or does not name the workers and this one among them.
    """
    text = environment.get("TF_CONFIG")
    if not text:
        raise InputError(
            "strategy: multi_worker needs the environment variable TF_CONFIG in every worker's process: the addresses "
            f"of all workers, and which of them this one is. For example {EXAMPLE}. To train in this process alone, "
            "set train.strategy=none and qat.strategy=none."
        )
    try:
        content = limits.json_value(text)
    except ValueError as error:
        raise _malformed(f"it is not JSON ({error})") from error
    cluster = content.get("cluster") if isinstance(content, dict) else None
    task = content.get("task") if isinstance(content, dict) else None
    if not isinstance(cluster, dict) or not isinstance(task, dict):
        raise _malformed("it must be an object with the keys cluster and task")
    other = sorted(set(cluster) - {"chief", "worker"})
    if other:
        raise _malformed(f"cluster has {', '.join(other)}; multi_worker knows chief and worker")
    chiefs, workers = _addresses(cluster, "chief"), _addresses(cluster, "worker")
    if len(chiefs) > 1 or not chiefs + workers:
        raise _malformed("cluster needs at least one worker, and one chief at most")
    kind, index = task.get("type"), task.get("index")
    here = {"chief": chiefs, "worker": workers}.get(str(kind), [])
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(here):
        raise _malformed(f"task says {kind} {index}, which is not in the cluster ({len(chiefs + workers)} addresses)")
    return Worker(index if kind == "chief" else len(chiefs) + index, len(chiefs + workers))


def folder_for(worker: Worker, folder: Path) -> Path:
    """Where a worker's run folder is: the chief's is the run's, the others' is a temporary place of their own.

    It is the same place each time, so that an interrupted run goes on on every worker.
    """
    if worker.is_chief:
        return folder
    place = hashlib.sha256(str(folder.parent.resolve()).encode()).hexdigest()[:12]
    mine = f"keras-int8-pipeline-{os.getuid()}"
    return Path(tempfile.gettempdir()) / mine / place / f"worker-{worker.rank}" / folder.name


def _addresses(cluster: dict[str, Any], kind: str) -> list[str]:
    found = cluster.get(kind, [])
    if not isinstance(found, list) or not all(isinstance(one, str) and re.fullmatch(r".+:\d+", one) for one in found):
        raise _malformed(f'cluster.{kind} must be a list of addresses like "10.0.0.1:2222", not {found!r}')
    return found


def _malformed(why: str) -> InputError:
    return InputError(f"TF_CONFIG cannot be used: {why}. For example {EXAMPLE}.")
