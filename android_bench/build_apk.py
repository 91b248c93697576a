"""Build and sign the benchmark app's debug APK without an Android SDK, from the sources that Android Studio builds.

Standard library only: `python3.11 android_bench/build_apk.py`, or `make apk`. Needs a JDK of version 17 or later and,
from Debian, maven, aapt, zipalign, apksigner, android-framework-res, clang and lld.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from maven import MissingError, fetch, locked

HERE = Path(__file__).resolve().parent
APP = HERE / "app" / "src" / "main"
APK = HERE / "build" / "bench-debug.apk"
FRAMEWORK = Path("/usr/share/android-framework-res/framework-res.apk")
RUNTIME = ("tensorflow-lite", "tensorflow-lite-api", "tensorflow-lite-gpu", "tensorflow-lite-gpu-api")
TARGETS = {
    "arm64-v8a": "aarch64-linux-android",
    "armeabi-v7a": "armv7a-linux-androideabi",
    "x86_64": "x86_64-linux-android",
}
_PACKAGES = {
    "javac": "openjdk-17-jdk-headless",
    "java": "openjdk-17-jdk-headless",
    "keytool": "openjdk-17-jdk-headless",
    "mvn": "maven",
    "aapt": "aapt",
    "zipalign": "zipalign",
    "apksigner": "apksigner",
    "clang": "clang",
    "ld.lld": "lld",
}
"""Each tool and the Debian package that has it."""

_JDK = 17
_DEX_API = 24
"""dx refuses lambdas and method references below 26. It must: it does not rewrite them, and they would crash there."""

_SHARED_OBJECT = (
    *("-shared", "-fPIC", "-O2", "-nostdlib", "-fuse-ld=lld", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables"),
    *("-Wl,--hash-style=both", "-Wl,--build-id=none", "-Wl,-soname,libaffinity.so", "-Wl,-s"),
    "-Wl,-z,max-page-size=16384",
)
_UNPACKED = 'android:extractNativeLibs="true"'
"""What `useLegacyPackaging` of build.gradle comes to."""

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Settings:
    """What build.gradle says of the app."""

    package: str
    min_sdk: int
    target_sdk: int
    version_code: int
    version_name: str
    abis: tuple[str, ...]


def main() -> int:
    try:
        build()
    except MissingError as missing:
        print(f"Error: {missing}", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as failed:
        print(f"{failed.stdout}{failed.stderr}Error: {failed.cmd[0]} failed ({failed.returncode}).", file=sys.stderr)
        return 1
    return 0


def build() -> Path:
    """The signed APK.

    Raises:
        MissingError: a tool is not installed, or an artifact cannot be had.
        subprocess.CalledProcessError: a tool failed; its output is in there.
    """
    check_tools()
    settings = read_settings()
    APK.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=APK.parent) as name:
        work = Path(name)
        say("fetching what it is built from (about 150 MB the first time)")
        aars = {runtime: unpack(fetch(runtime), work / runtime) for runtime in RUNTIME}
        libraries = [folder / "classes.jar" for folder in aars.values()]
        say("compiling")
        compile_java(libraries, work / "classes")
        compile_dex([work / "classes", *libraries], work / "classes.dex")
        for abi in settings.abis:
            compile_affinity(abi, settings.min_sdk, work / "lib" / abi / "libaffinity.so")
        say("packing and signing")
        package(settings, work / "bare.apk", work)
        content = {"classes.dex": work / "classes.dex"}
        for abi in settings.abis:
            folders = [work / "lib" / abi, *(folder / "jni" / abi for folder in aars.values())]
            content |= {f"lib/{abi}/{file.name}": file for folder in folders for file in sorted(folder.glob("*.so"))}
        add(work / "bare.apk", content)
        run("zipalign", "-f", "-p", "4", work / "bare.apk", work / "aligned.apk")
        sign(work / "aligned.apk", work / "signed.apk")
        check(work / "signed.apk", settings)
        (work / "signed.apk").replace(APK)
    where = os.path.relpath(APK)
    say(f"{where}: {APK.stat().st_size / 1e6:.1f} MB. Install it with: adb install -r {where}")
    return APK


def check_tools() -> None:
    """Raises MissingError, naming all that is missing at once."""
    absent = {tool: package for tool, package in _PACKAGES.items() if shutil.which(tool) is None}
    if not FRAMEWORK.is_file():
        absent[FRAMEWORK.name] = "android-framework-res"
    if absent:
        raise MissingError(
            f"The APK cannot be built, there is no {', '.join(absent)}: "
            f"apt-get install {' '.join(sorted(set(absent.values())))}"
        )
    version = run("javac", "-version")
    found = re.search(r"javac (\d+)", version)
    if found is None or int(found[1]) < _JDK:
        raise MissingError(
            f"A JDK of version {_JDK} or later is needed, not {version.strip()}: apt-get install {_PACKAGES['javac']}"
        )


def read_settings() -> Settings:
    """Read app/build.gradle, and hold its dependencies to the versions that are recorded."""
    text = (HERE / "app" / "build.gradle").read_text(encoding="utf-8")

    def value(key: str) -> str:
        found = re.search(rf"^\s*{key}\s+'?([^'\s]+)'?\s*$", text, re.MULTILINE)
        if found is None:
            raise MissingError(f"app/build.gradle has no line with {key}.")
        return found[1]

    for name in RUNTIME:
        wanted = ":".join(locked()[name][0].split(":")[:3])
        if f"'{wanted}'" not in text:
            raise MissingError(f"app/build.gradle and artifacts.txt disagree: {wanted} is recorded. Change both.")
    abis = re.search(r"abiFilters (.+)", text)
    return Settings(
        package=value("applicationId"),
        min_sdk=int(value("minSdk")),
        target_sdk=int(value("targetSdk")),
        version_code=int(value("versionCode")),
        version_name=value("versionName"),
        abis=tuple(re.findall(r"'([^']+)'", abis[1])) if abis else tuple(TARGETS),
    )


def unpack(archive: Path, folder: Path) -> Path:
    with zipfile.ZipFile(archive) as content:
        content.extractall(folder)
    return folder


def compile_java(libraries: list[Path], classes: Path) -> None:
    # Not as a boot class path, which makes javac 17 crash on Android's classes. They also name annotations that the
    # jar leaves out, hence no class-file warnings.
    path = os.pathsep.join(map(str, [fetch("android-all"), *libraries]))
    sources = sorted(HERE.glob("*/src/main/java/**/*.java"))
    run(
        "javac",
        "-nowarn",
        "-Xlint:-options",
        "--release",
        "8",
        "-encoding",
        "UTF-8",
        "-cp",
        path,
        "-d",
        classes,
        *sources,
    )


def compile_dex(classes: list[Path], target: Path) -> None:
    run(
        *("java", "-Xmx1g", "-cp", fetch("dalvik-dx"), "com.android.dx.command.Main", "--dex"),
        *(f"--min-sdk-version={_DEX_API}", f"--output={target}", *classes),
    )


def compile_affinity(abi: str, api: int, target: Path) -> None:
    target.parent.mkdir(parents=True)
    run("clang", f"--target={TARGETS[abi]}{api}", *_SHARED_OBJECT, "-o", target, APP / "cpp" / "affinity.c")


def package(settings: Settings, target: Path, work: Path) -> None:
    """The manifest in Android's binary form; Gradle too puts package, version and SDK levels into it."""
    manifest = work / "AndroidManifest.xml"
    source = (APP / "AndroidManifest.xml").read_text(encoding="utf-8")
    # Libraries are unpacked at install: TFLite's are not laid out for pages of 16 KB, in which they could be mapped.
    for element, attribute in (("manifest", f'package="{settings.package}"'), ("application", _UNPACKED)):
        source = source.replace(f"<{element}", f"<{element} {attribute}", 1)
    manifest.write_text(source, encoding="utf-8")
    run(
        *("aapt", "package", "-f", "--debug-mode", "-M", manifest, "-S", APP / "res", "-I", FRAMEWORK, "-F", target),
        *("--min-sdk-version", settings.min_sdk, "--target-sdk-version", settings.target_sdk),
        *("--version-code", settings.version_code, "--version-name", settings.version_name),
    )


def add(apk: Path, content: dict[str, Path]) -> None:
    with zipfile.ZipFile(apk, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, file in content.items():
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())


def sign(apk: Path, target: Path) -> None:
    """With the key that Android Studio signs debug builds with: either build installs over the other."""
    keys = Path.home() / ".android" / "debug.keystore"
    secret = ("-storepass", "android", "-keypass", "android", "-alias", "androiddebugkey")
    if not keys.is_file():
        keys.parent.mkdir(parents=True, exist_ok=True)
        run(
            *("keytool", "-genkeypair", "-keystore", keys, *secret, "-keyalg", "RSA", "-keysize", "2048"),
            *("-validity", "10950", "-dname", "C=US, O=Android, CN=Android Debug"),
        )
    run("apksigner", "sign", "--ks", keys, "--ks-pass", "pass:android", "--out", target, apk)


def check(apk: Path, settings: Settings) -> None:
    """Hold the APK to what it should be, by the tools that Android's own are made of."""
    verified = run("apksigner", "verify", "--verbose", "--min-sdk-version", settings.min_sdk, apk)
    badging = run("aapt", "dump", "badging", apk)
    wanted = [
        f"package: name='{settings.package}' versionCode='{settings.version_code}'",
        f"sdkVersion:'{settings.min_sdk}'",
        f"targetSdkVersion:'{settings.target_sdk}'",
        "application-label:'int8 bench'",
        "application-debuggable",
        f"launchable-activity: name='{settings.package}.BenchActivity'",
        *(f"'{abi}'" for abi in settings.abis),
    ]
    absent = [line for line in wanted if line not in badging]
    scheme = "Verified using v2 scheme (APK Signature Scheme v2): true"
    with zipfile.ZipFile(apk) as archive:  # Android 11 refuses an app whose resources are compressed
        if archive.getinfo("resources.arsc").compress_type != zipfile.ZIP_STORED:
            absent.append("resources.arsc, stored")
    if absent or scheme not in verified:
        raise MissingError(f"The APK is not what it should be: {absent or verified}")
    for line in badging.splitlines():
        if line.startswith(("package:", "sdkVersion", "targetSdk", "launchable", "native-code")):
            say(line)
    say("signature verified (APK Signature Scheme v2, debug key)")


def run(*command: object) -> str:
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def say(line: str) -> None:
    print(f"  {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
