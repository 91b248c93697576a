"""The official benchmark_model: given, or fetched once and remembered by its SHA-256."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from pipeline import limits
from pipeline.errors import InputError, PipelineError
from pipeline.files import replacing, sha256, write_text
from pipeline.progress import Track, quiet

_LITERT = "https://storage.googleapis.com/litert/binaries"
_TFLITE = "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/release/lite/tools/nightly/latest"
_MACHINES = {0x03: "x86", 0x28: "armeabi-v7a", 0x3E: "x86_64", 0xB7: "arm64-v8a"}
"""`e_machine` of an ELF file, and Android's name of the ABI."""

_BLOCK = 1 << 18
_SILENCE = 60.0
"""Seconds without a byte after which a download is given up."""


@dataclass(frozen=True)
class Binary:
    """A benchmark_model on this host."""

    path: Path
    sha256: str
    abi: str | None
    """None for a script, which says nothing of it."""


def given(path: Path, abis: Sequence[str]) -> Binary:
    """A binary the user has.

    Args:
        path: The file.
        abis: What the device runs, best first.

    Raises:
        InputError: no such file, no program, or one for another processor.
    """
    if not path.is_file():
        raise InputError(f"There is no benchmark_model at '{path}'.")
    abi = abi_of(path)
    if abi is not None and abi not in abis:
        raise InputError(
            f"'{path}' is built for {abi}, and the device runs {' and '.join(abis) or 'something it does not tell'}. "
            "Give a benchmark_model for it."
        )
    return Binary(path, sha256(path), abi)


def abi_of(path: Path) -> str | None:
    """Android's name of the ABI that an ELF program is built for; None for a script.

    Raises:
        InputError: it is neither.
    """
    with path.open("rb") as file:
        head = file.read(20)
    if head[:2] == b"#!":
        return None
    if head[:4] != b"\x7fELF" or len(head) < 20:
        raise InputError(f"'{path}' is no program: neither an ELF file nor a script. Download it again.")
    machine = int.from_bytes(head[18:20], "little")
    return _MACHINES.get(machine, f"the ELF machine {machine}")


def source(abi: str, environment: Mapping[str, str] = os.environ) -> str:
    """Where the official binary for an ABI is to be had; `PIPELINE_BENCHMARK_URL` names another place.

    Raises:
        InputError: no official one is known for this ABI.
    """
    if environment.get("PIPELINE_BENCHMARK_URL"):
        return environment["PIPELINE_BENCHMARK_URL"].format(abi=abi)
    if abi == "arm64-v8a":
        return f"{_LITERT}/{metadata.version('ai-edge-litert')}/android_arm64/benchmark_model"
    if abi == "armeabi-v7a":
        return f"{_TFLITE}/android_arm_benchmark_model"
    raise InputError(f"There is no official benchmark_model for {abi}: build one and give it with --benchmark-binary.")


def fetched(abis: Sequence[str], *, cache: Path | None = None, url: str | None = None, track: Track = quiet) -> Binary:
    """The official binary for the best ABI of a device, downloaded the first time.

    The SHA-256 of what came is written beside it and must hold from then on.

    Args:
        abis: What the device runs, best first.
        cache: Folder that keeps it; `$XDG_CACHE_HOME/keras-int8-pipeline` by default.
        url: Where from; `source` by default.
        track: Follows the blocks.

    Raises:
        InputError: there is none for this device, or what came is none.
        PipelineError: it cannot be downloaded, or the kept file is not what was downloaded.
    """
    if not abis:
        raise InputError("The device does not say which ABI it runs: give a --benchmark-binary for it.")
    abi = abis[0]
    url = url or source(abi)
    folder = (cache or _cache()) / "benchmark_model" / url.replace("://", "-").replace("/", "_")
    path, record = folder / "benchmark_model", folder / "origin.json"
    if record.is_file() and path.is_file():
        return _kept(path, record, abis)
    with replacing(path) as temporary:
        _download(url, temporary, track)
        binary = given(temporary, abis)
    facts = {"url": url, "sha256": binary.sha256, "abi": abi, "fetched": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
    write_text(record, json.dumps(facts, indent=1) + "\n")
    return Binary(path, binary.sha256, binary.abi)


def _kept(path: Path, record: Path, abis: Sequence[str]) -> Binary:
    try:
        promised = limits.json_file(record)["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PipelineError(f"'{record}' is damaged. Remove '{record.parent}' to download it anew.") from error
    binary = given(path, abis)
    if binary.sha256 != promised:
        raise PipelineError(
            f"'{path}' is no longer what was downloaded: its SHA-256 is {binary.sha256[:12]}…, not {promised[:12]}…. "
            f"Remove '{path.parent}' to download it anew."
        )
    return binary


def _download(url: str, target: Path, track: Track) -> None:
    instead = "Download a benchmark_model elsewhere and give it with --benchmark-binary FILE."
    try:
        with urllib.request.urlopen(url, timeout=_SILENCE) as answer, target.open("wb") as file:
            size = int(answer.headers.get("Content-Length", 0))
            blocks = iter(lambda: answer.read(_BLOCK), b"")
            for block in track(blocks, "benchmark_model", total=-(-size // _BLOCK) or None):
                file.write(block)
            came = file.tell()
    except urllib.error.HTTPError as error:
        raise PipelineError(f"'{url}' cannot be downloaded: HTTP {error.code} {error.reason}. {instead}") from error
    except (urllib.error.URLError, TimeoutError, ConnectionError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise PipelineError(f"'{url}' cannot be downloaded: {reason}. {instead}") from error
    if size and came != size:
        raise PipelineError(f"'{url}' came only in part ({came} of {size} bytes). Try again. {instead}")


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "keras-int8-pipeline"
    except RuntimeError as error:
        raise InputError(f"{error} Name a folder for what is kept with XDG_CACHE_HOME.") from error
