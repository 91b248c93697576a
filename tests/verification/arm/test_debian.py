"""The private apt: the host's sources and settings, nothing of the host's state touched."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from pipeline.verification.arm import debian
from pipeline.verification.arm.debian import Apt

pytestmark = pytest.mark.skipif(bool(debian.missing_tools()), reason="not a Debian-like host")


def settings(folder: Path) -> dict[str, list[str]]:
    """What apt would go by, with the private configuration over the host's."""
    shown = subprocess.run(
        ["apt-config", "-c", str(folder / "apt.conf"), "dump"], capture_output=True, text=True, check=True
    ).stdout
    found: dict[str, list[str]] = {}
    for line in shown.splitlines():
        name, _, value = line.partition(" ")
        found.setdefault(name, []).append(value.rstrip(";").strip('"'))
    return found


def test_states_and_caches_are_its_own(tmp_path: Path) -> None:
    apt = Apt(tmp_path / "a folder, with a comma")
    found = settings(tmp_path / "a folder, with a comma")
    folder = str(tmp_path / "a folder, with a comma")
    for name in ("Dir::State", "Dir::State::lists", "Dir::Cache", "Dir::Cache::archives"):
        assert found[name][-1].startswith(folder), name
    assert found["APT::Architectures::"] == [apt.architecture, "arm64"]


def test_the_hosts_sources_keys_and_settings_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host's configuration is read first: its proxy, for example."""
    host = tmp_path / "host.conf"
    host.write_text('Acquire::http::Proxy "http://proxy.example:3128";\nAPT::Update::Post-Invoke { "false"; };\n')
    monkeypatch.setenv("APT_CONFIG", str(host))
    Apt(tmp_path / "apt")
    found = settings(tmp_path / "apt")
    assert found["Acquire::http::Proxy"] == ["http://proxy.example:3128"]
    assert found["Dir::Etc"] == ["etc/apt"]
    assert not any(name.startswith("APT::Update::Post-Invoke::") for name in found)


def test_an_unreachable_source_is_told_with_what_it_lacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources, nothing = tmp_path / "sources.list", tmp_path / "none"
    sources.write_text("deb [trusted=yes] http://127.0.0.1:9/debian bookworm main\n")
    nothing.mkdir()
    unreachable = tmp_path / "unreachable.conf"
    unreachable.write_text(
        f'Dir::Etc::sourcelist "{sources}";\nDir::Etc::sourceparts "{nothing}";\nAcquire::Retries "0";\n'
        'Acquire::http::Proxy "DIRECT";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(unreachable))
    apt = Apt(tmp_path / "apt")
    apt.update()
    with pytest.raises(PipelineError, match=r"no-such-package cannot be had .*127\.0\.0\.1:9.*Check the network"):
        apt.fetch_for_host("no-such-package", tmp_path / "into")


def test_a_package_that_is_nowhere_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty.conf"
    empty.write_text(f'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "{tmp_path / "none"}";\n')
    (tmp_path / "none").mkdir()
    monkeypatch.setenv("APT_CONFIG", str(empty))
    apt = Apt(tmp_path / "apt")
    assert not apt.has("no-such-package:arm64")
    with pytest.raises(PipelineError, match="no-such-package:arm64 cannot be had from this host's apt sources"):
        apt.fetch(["no-such-package:arm64"], tmp_path / "into")
