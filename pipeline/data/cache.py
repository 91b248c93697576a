"""Where data that was downloaded or unpacked once is kept, and how it gets there whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_folder() -> Path:
    """`$PIPELINE_CACHE`, or `~/.cache/keras-int8-pipeline`. It may not exist yet."""
    return Path(os.environ.get("PIPELINE_CACHE") or Path.home() / ".cache" / "keras-int8-pipeline")


@contextmanager
def filled(folder: Path) -> Iterator[Path]:
    """An empty folder to write into, which becomes `folder` when the block ends well and vanishes if not.

    Where another process was faster, its `folder` stays.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield temporary
        try:
            temporary.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
