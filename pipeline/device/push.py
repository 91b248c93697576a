"""Files onto a device, whole or not at all, and off it again."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.device.device import FOLDER, Device, words
from pipeline.errors import InputError, PipelineError
from pipeline.files import sha256
from pipeline.progress import Track, quiet

_PART = ".part"
"""Ending of a file that is not yet whole."""

_STALE_MINUTES = 60
"""Age of a part that nobody can still be writing."""

_HASH_BYTES_A_SECOND = 10_000_000


@dataclass(frozen=True)
class Pushed:
    """A file on a device."""

    file: Path
    device: str
    """The device's serial."""
    path: str
    """On the device."""
    sha256: str
    size_bytes: int
    skipped: bool
    """Whether it was there already."""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "file": str(self.file)}


def push(
    device: Device,
    files: Sequence[Path],
    *,
    names: Sequence[str] | None = None,
    folder: str = FOLDER,
    mode: str = "644",
    track: Track = quiet,
) -> list[Pushed]:
    """Copy files to a folder of the device; what is there with the same SHA-256 is left as it is.

    A file goes to a temporary name, is hashed there, and gets its own name only where the hash is right: a
    connection that breaks in between leaves no half file that looks like a model.

    Args:
        device: Where to.
        files: What.
        names: Of the files there, in their order; by default their own.
        folder: Where it lies there.
        mode: Access rights, for chmod. Apps read what everyone may read.
        track: Follows the files.

    Returns:
        One entry a file, in the given order.

    Raises:
        InputError: no such file, a .tflite file that is none, or two files of one name.
        DeviceFullError: there is no room; what was pushed before stays.
        DeviceLostError: the device went away.
        PipelineError: it arrived damaged.
    """
    names = _checked(files, names or [file.name for file in files])
    there = _hashes_there(device, folder, files, names)
    return [
        _push_one(device, file, f"{folder}/{name}", mode, found)
        for file, name, found in track(list(zip(files, names, there, strict=True)), "push", total=len(files))
    ]


def clean(device: Device) -> int:
    """Remove everything that this project put on a device.

    Returns:
        How many files there were.

    Raises:
        DeviceLostError: the device went away.
        PipelineError: they cannot be removed.
    """
    folder = words(FOLDER)
    done = device.must(
        f"if [ -e {folder} ]; then find {folder} -type f | wc -l; rm -rf {folder}; else echo 0; fi",
        f"Removing {FOLDER}",
        timeout=120,
    )
    return int(done.text.split()[-1])


def holds(device: Device) -> list[tuple[str, int]]:
    """Name and size in bytes of what is in this project's folder there.

    Raises:
        DeviceLostError: the device went away.
    """
    done = device.shell(f"cd {words(FOLDER)} 2>/dev/null && find . -type f -exec stat -c '%s %n' {{}} +")
    found = []
    for line in done.text.splitlines():
        size, _, name = line.partition(" ")
        if size.isdigit():
            found.append((name.removeprefix("./"), int(size)))
    return sorted(found)


def _checked(files: Sequence[Path], names: Sequence[str]) -> Sequence[str]:
    for place, (file, name) in enumerate(zip(files, names, strict=True)):
        if not file.is_file():
            raise InputError(f"There is no file '{file}'. Give files, or the folder of a run.")
        with file.open("rb") as content:
            if file.suffix == ".tflite" and content.read(8)[4:] != b"TFL3":
                raise InputError(f"'{file}' is not a .tflite model, or is damaged. Make it again and push it then.")
        if "\n" in name or "\0" in name:
            raise InputError(f"'{file}' has a line break in its name, which a device's tools cannot list. Rename it.")
        if name in names[:place]:
            raise InputError(f"Two of the files would be '{name}' on the device. Rename one, or push them one by one.")
    return names


def _hashes_there(device: Device, folder: str, files: Sequence[Path], names: Sequence[str]) -> list[str | None]:
    """SHA-256 of each file that may be there already; None where there is none, or one of another size.

    The folder is made where there is none yet.
    """
    place = words(folder)
    sizes = [str(file.stat().st_size) for file in files]
    asked = "; ".join(words("same", f"./{name}", size) for name, size in zip(names, sizes, strict=True))
    done = device.must(
        # Mostly the shell's own commands: to start a program costs a device more than to look for a file.
        f"[ -d {place} ] || {{ mkdir -p {place} && chmod 755 {place}; }} && cd {place} || exit 1; "
        # Parts of transfers that broke: the device was gone then, so they can only be removed now.
        f'for part in .*{_PART}; do [ -e "$part" ] && find "$part" -mmin +{_STALE_MINUTES} -exec rm -f {{}} +; done; '
        'same() { if [ -f "$1" ] && [ "$(stat -c %s "$1")" = "$2" ]; '
        'then sum=$(sha256sum < "$1"); echo "${sum%% *}"; else echo -; fi; }; '
        f"{asked}",
        f"Preparing {folder}",
        timeout=300,
    )
    found = [None if word == "-" else word for word in done.text.split()]
    if len(found) != len(names):
        raise device.failure(f"Reading what is in {folder}", done)
    return found


def _push_one(device: Device, file: Path, path: str, mode: str, found: str | None) -> Pushed:
    size = file.stat().st_size
    with ThreadPoolExecutor(1) as beside:
        hashing = beside.submit(sha256, file)  # while the file is on its way, where it is not needed before
        skip = found is not None and found == hashing.result()
        if not skip:
            part = f"{path.rpartition('/')[0]}/.{secrets.token_hex(8)}{_PART}"
            try:
                device.send(file, part)
                _take(device, part, path, hashing.result(), mode, size)
            except BaseException:
                _try_to_remove(device, part)
                raise
        return Pushed(file, device.serial, path, hashing.result(), size, skip)


def _take(device: Device, part: str, path: str, digest: str, mode: str, size: int) -> None:
    """Give a part its final name if it is what was sent."""
    done = device.must(
        f"sum=$(sha256sum < {words(part)}) && case $sum in "
        f"{digest}*) chmod {mode} {words(part)} && mv -f {words(part)} {words(path)};; *) echo damaged;; esac",
        f"Checking '{path}'",
        timeout=60 + size / _HASH_BYTES_A_SECOND,
    )
    if done.text.strip():
        raise PipelineError(
            f"'{path}' arrived damaged on the device {device.serial}: its SHA-256 there is not what was sent. It was "
            "removed again; try another cable or port."
        )


def _try_to_remove(device: Device, part: str) -> None:
    """A part must not stay; where the device is gone, the next push to it removes the part."""
    try:
        device.shell(f"rm -f {words(part)}", timeout=10)
    except PipelineError:
        return
