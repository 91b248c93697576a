"""benchmark_model: given or fetched once, for the right processor, and what it was then."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.device.binary import fetched, given, source
from pipeline.errors import InputError, PipelineError
from pipeline.files import sha256

ARM64, ARM32, X86 = ("arm64-v8a",), ("armeabi-v7a",), ("x86_64",)
PHONE = ("arm64-v8a", "armeabi-v7a", "armeabi")


def elf(machine: int) -> bytes:
    """The beginning of an ELF program for that machine, and some content."""
    return b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little") + bytes(range(256)) * 2000


@pytest.mark.parametrize(("machine", "abis", "abi"), [(0xB7, PHONE, "arm64-v8a"), (0x28, PHONE, "armeabi-v7a")])
def test_a_binary_for_the_device_is_taken(tmp_path: Path, machine: int, abis: tuple[str, ...], abi: str) -> None:
    path = tmp_path / "benchmark_model"
    path.write_bytes(elf(machine))
    binary = given(path, abis)
    assert (binary.abi, binary.sha256) == (abi, sha256(path))


def test_a_script_around_a_binary_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "benchmark_model"
    path.write_text('#!/system/bin/sh\nexec /data/local/tmp/benchmark_model "$@"\n')
    assert given(path, ARM64).abi is None


@pytest.mark.parametrize(
    ("content", "abis", "reason"),
    [
        (elf(0xB7), ARM32, "built for arm64-v8a, and the device runs armeabi-v7a"),
        (elf(0x3E), PHONE, "built for x86_64"),
        (elf(0xF3), PHONE, "the ELF machine 243"),
        (b"<html>404</html>", PHONE, "no program"),
        (b"\x7fELF", PHONE, "no program"),
        (None, PHONE, "no benchmark_model at"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, content: bytes | None, abis: tuple[str, ...], reason: str) -> None:
    path = tmp_path / "benchmark_model"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=reason):
        given(path, abis)


def test_where_the_official_ones_are() -> None:
    assert source("arm64-v8a", {}).endswith("/android_arm64/benchmark_model")
    assert "ai-edge" not in source("arm64-v8a", {})
    assert source("armeabi-v7a", {}).endswith("/android_arm_benchmark_model")
    assert source("x86", {"PIPELINE_BENCHMARK_URL": "http://mirror/{abi}/b"}) == "http://mirror/x86/b"
    with pytest.raises(InputError, match="no official benchmark_model for x86"):
        source("x86", {})


@dataclass
class Server:
    """An HTTP server on loopback that gives one content."""

    content: bytes = elf(0xB7)
    status: int = 200
    promised: int | None = None
    asked: list[str] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    served = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            self.send_response(served.status)
            self.send_header("Content-Length", str(served.promised or len(served.content)))
            self.end_headers()
            self.wfile.write(served.content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{http.server_port}/benchmark_model"
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield served
    http.shutdown()
    http.server_close()


def test_it_is_fetched_once_and_its_hash_recorded(tmp_path: Path, server: Server) -> None:
    first = fetched(PHONE, cache=tmp_path, url=server.url)
    second = fetched(PHONE, cache=tmp_path, url=server.url)
    assert first == second
    assert first.path.read_bytes() == server.content
    assert server.asked == ["/benchmark_model"]
    record = json.loads(first.path.with_name("origin.json").read_text())
    assert (record["url"], record["sha256"], record["abi"]) == (server.url, first.sha256, "arm64-v8a")


def test_a_kept_binary_that_changed_is_not_run(tmp_path: Path, server: Server) -> None:
    path = fetched(PHONE, cache=tmp_path, url=server.url).path
    path.write_bytes(elf(0xB7) + b"more")
    with pytest.raises(PipelineError, match="no longer what was downloaded"):
        fetched(PHONE, cache=tmp_path, url=server.url)


def test_a_damaged_record_is_said_so(tmp_path: Path, server: Server) -> None:
    record = fetched(PHONE, cache=tmp_path, url=server.url).path.with_name("origin.json")
    record.write_text("{")
    with pytest.raises(PipelineError, match="damaged"):
        fetched(PHONE, cache=tmp_path, url=server.url)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": 404}, "HTTP 404"),
        ({"content": b"<html>login first</html>"}, "no program"),
        ({"content": elf(0x28)}, None),
        ({"content": elf(0x3E)}, "built for x86_64"),
        ({"promised": 10_000_000}, "came only in part"),
    ],
)
def test_a_failed_download_leaves_nothing(
    tmp_path: Path, server: Server, change: dict[str, object], reason: str | None
) -> None:
    for name, value in change.items():
        setattr(server, name, value)
    if reason is None:
        assert fetched(PHONE, cache=tmp_path, url=server.url).abi == "armeabi-v7a"
        return
    with pytest.raises(PipelineError, match=reason):
        fetched(PHONE, cache=tmp_path, url=server.url)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "no such scheme://x", "nothing"])
def test_no_network_is_an_error_with_a_way_out(tmp_path: Path, url: str) -> None:
    with pytest.raises(PipelineError, match="--benchmark-binary FILE"):
        fetched(PHONE, cache=tmp_path, url=url)


def test_a_device_that_tells_no_abi(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not say which ABI"):
        fetched((), cache=tmp_path)
