"""The APK that is built without an Android SDK, the native part of it, and what is said where a tool is missing."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from android_bench import build_apk, maven
from tests.android import jvm

ROOT = Path(__file__).parents[2]


def build(path: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "android_bench/build_apk.py"],
        cwd=ROOT,
        env={**os.environ, **({} if path is None else {"PATH": path})},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


@pytest.mark.slow
def test_the_apk_is_signed_and_holds_tflite_for_phones() -> None:
    jvm.need("javac", "mvn", "aapt", "zipalign", "apksigner", "clang", "ld.lld")
    done = build()
    assert done.returncode == 0, done.stderr
    assert "package: name='dev.kerasint8.bench'" in done.stdout
    assert "launchable-activity: name='dev.kerasint8.bench.BenchActivity'" in done.stdout
    assert "signature verified" in done.stdout
    with zipfile.ZipFile(build_apk.APK) as apk:
        names = set(apk.namelist())
        assert b"Ldev/kerasint8/bench/core/Run;" in apk.read("classes.dex")
        assert b"Lorg/tensorflow/lite/Interpreter;" in apk.read("classes.dex")
    for abi in ("arm64-v8a", "armeabi-v7a", "x86_64"):
        assert {f"lib/{abi}/libtensorflowlite_jni.so", f"lib/{abi}/libaffinity.so"} <= names


def test_what_is_missing_is_named_with_the_packages_that_have_it(tmp_path: Path) -> None:
    done = build(str(tmp_path))
    assert done.returncode == 2
    for word in ("javac", "zipalign", "apt-get install", "openjdk-17-jdk-headless", "apksigner"):
        assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_gradle_and_the_recorded_versions_agree() -> None:
    settings = build_apk.read_settings()
    assert settings.package == "dev.kerasint8.bench"
    assert settings.abis == ("arm64-v8a", "armeabi-v7a", "x86_64")
    core = (ROOT / "android_bench" / "core" / "build.gradle").read_text(encoding="utf-8")
    for name in ("json", "junit"):
        assert f"'{maven.locked()[name][0].removesuffix(':jar')}'" in core


def test_an_artifact_that_is_not_the_recorded_one_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(maven, "CACHE", tmp_path)
    path = tmp_path / "junit-4.13.2.jar"
    path.write_bytes(b"another jar")
    monkeypatch.setattr(maven, "_download", lambda coordinates: path.write_bytes(b"and again"))
    with pytest.raises(maven.MissingError, match=r"is not what artifacts\.txt records"):
        maven.fetch("junit")
    assert not path.exists()


def test_the_native_library_keeps_a_thread_to_the_cores_asked(tmp_path: Path) -> None:
    """The x86-64 build of the very source: it needs no C library, so Linux loads it as Android would."""
    jvm.need("clang", "ld.lld")
    if os.uname().machine != "x86_64" or not hasattr(os, "sched_getaffinity"):
        pytest.skip("the machine is no x86-64 Linux")
    build_apk.compile_affinity("x86_64", 24, tmp_path / "lib" / "libaffinity.so")
    pin = ctypes.CDLL(str(tmp_path / "lib" / "libaffinity.so")).Java_dev_kerasint8_bench_Affinity_set
    pin.argtypes, pin.restype = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_longlong), ctypes.c_int
    wanted = max(core for core in os.sched_getaffinity(0) if core < 64)
    seen: list[object] = []

    def work() -> None:
        seen.append(pin(None, None, 1 << wanted))
        seen.append(os.sched_getaffinity(0))
        started = threading.Thread(target=lambda: seen.append(os.sched_getaffinity(0)))
        started.start()
        started.join()
        seen.append(pin(None, None, 0))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen[:3] == [0, {wanted}, {wanted}]  # a thread that it starts inherits it
    assert seen[3] == -22  # EINVAL: no core at all


@pytest.mark.parametrize("abi", sorted(build_apk.TARGETS))
def test_the_native_library_needs_no_other(abi: str, tmp_path: Path) -> None:
    jvm.need("clang", "ld.lld")
    library = tmp_path / "lib" / "libaffinity.so"
    build_apk.compile_affinity(abi, 24, library)
    content = library.read_bytes()
    assert b"Java_dev_kerasint8_bench_Affinity_set" in content
    if shutil.which("readelf"):
        dynamic = subprocess.run(["readelf", "-dW", library], capture_output=True, text=True, check=True).stdout
        assert "NEEDED" not in dynamic
        assert "TEXTREL" not in dynamic
