"""Writing files whole or not at all (a temporary file beside the target, then a rename), and their SHA-256."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import AS_ESCAPES, InputError, PipelineError, one_line

PARTIAL = ".partial-"
"""What the names of files and folders begin with that are not whole yet."""


DISK_ERRORS = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.ENOTDIR)
)
"""What the system says where there is no room, no right or no sound disk to write on."""


def cannot_write(path: object, error: Exception) -> str:
    """One paragraph about what was raised while a file was written.

    Args:
        path: The file; None where it is not known.
        error: Of the system, or of the library that wrote.
    """
    what = f"'{path}' cannot be written" if path is not None else "A file cannot be written"
    system = isinstance(error, OSError) and error.errno is not None
    why = error.strerror if isinstance(error, OSError) and system else f"{type(error).__name__}: {one_line(error, 300)}"
    return (
        f"{what}: {(why or one_line(error, 300)).rstrip('.')}. Nothing was left half-written, and what was there "
        "before is as it was; make room or choose another folder and run again."
    )


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path to write to, which becomes `path` when the block ends well and vanishes otherwise.

    The temporary name keeps the suffix, by which writers such as Keras choose their format.

    Raises:
        PipelineError: the disk is full, the folder cannot be written, or whatever else the writer says: on a full disk
            HDF5 raises RuntimeError, ValueError, or whatever it was doing.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f"{PARTIAL}{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except (PipelineError, MemoryError):
        raise
    except Exception as error:
        raise PipelineError(cannot_write(path, error)) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        PipelineError: the disk is full or the folder cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write a UTF-8 file whole or not at all; bytes of file names that are not UTF-8 are written as escapes.

    Raises:
        PipelineError: the disk is full or the folder cannot be written.
    """
    write_bytes(path, content.encode(errors=AS_ESCAPES))


def copy(source: Path, target: Path) -> None:
    """Copy a file whole or not at all.

    Raises:
        PipelineError: the disk is full or the folder cannot be written.
    """
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


def check_ordinary(path: Path) -> None:
    """See that reading a path that somebody gave comes to an end; whether it is there, whoever reads it says.

    Raises:
        InputError: it is a device, a pipe or a socket.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(f"'{path}' is neither a file nor a folder but a device, a pipe or a socket. Give a file.")


def remove_partial(folder: Path) -> None:
    """Remove what a process that was killed left half-written in a folder in which nobody else writes now."""
    for path in folder.glob(f"{PARTIAL}*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
