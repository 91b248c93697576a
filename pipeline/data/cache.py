"""Where data that was downloaded or unpacked once is kept, and how it gets there whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import InputError, PipelineError
from pipeline.files import cannot_write


def cache_folder() -> Path:
    """`$PIPELINE_CACHE`, or `~/.cache/keras-int8-pipeline`. It may not exist yet.

    Raises:
        InputError: there is no home folder.
    """
    given = os.environ.get("PIPELINE_CACHE")
    try:
        return Path(given) if given else Path.home() / ".cache" / "keras-int8-pipeline"
    except RuntimeError as error:
        raise InputError(f"{error} Name a folder for what is kept with PIPELINE_CACHE.") from error


@contextmanager
def filled(folder: Path) -> Iterator[Path]:
    """An empty folder to write into, which becomes `folder` when the block ends well and vanishes if not.

    Where another process was faster, its `folder` stays.

    Raises:
        PipelineError: the disk is full, or the folder cannot be written.
    """
    temporary = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        yield temporary
        try:
            temporary.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    except OSError as error:
        raise PipelineError(f"{cannot_write(folder, error)} PIPELINE_CACHE names another folder.") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
