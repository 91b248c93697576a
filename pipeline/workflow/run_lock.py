"""One process at a time works in a run folder: two would write their models over each other's."""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import sys
import time
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.errors import InputError, PipelineError
from pipeline.files import remove_partial


def hold(folder: Path) -> object:
    """Keep other processes out of a run folder for as long as the returned object lives.

    The operating system lets go of it when the process ends, however it ends. The same process may hold it several
    times. Where the file system has no locks, or cannot be written, nobody is kept out; what cannot be written is said
    when it is.

    Raises:
        InputError: the folder, or the one that it is to lie in, is a file.
        PipelineError: another process works there.
    """
    for part in (folder.parent, folder):
        if part.exists() and not part.is_dir():
            raise InputError(
                f"'{part}' is a file, where the folder of the run is to be. Move it away, name another run with --run "
                "NAME, or another folder of all runs with PIPELINE_RUNS."
            )
    # Beside the folder, which need not be there yet, and which a wrong call must not leave behind.
    place = folder.parent / f".{folder.resolve().name}.lock"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place, timeout=0, thread_local=False, is_singleton=True)
        lock.acquire()
        if lock.lock_counter == 1:
            remove_partial(folder)
    except Timeout:
        raise PipelineError(
            f"Another process works in '{folder}'{_owner(place)}. Wait until it ends, or name another run folder with "
            "--run NAME."
        ) from None
    except (OSError, NotImplementedError):
        return None
    command = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    text = f"process {os.getpid()} on {socket.gethostname()}, since {time.strftime('%H:%M:%S')}: {command[:200]}\n"
    with contextlib.suppress(OSError):  # a full disk: the lock holds without it
        place.write_text(text, encoding="utf-8", errors="replace")
    return lock


def _owner(place: Path) -> str:
    with contextlib.suppress(OSError):
        text = place.read_text(encoding="utf-8", errors="replace").strip()[:300]
        if text and text.isprintable():
            return f" ({text})"
    return ""
