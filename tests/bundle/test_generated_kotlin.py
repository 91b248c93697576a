"""The Kotlin of a bundle, compiled by Kotlin's compiler from Maven Central. Slow: the compiler takes its time."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.android import jvm
from tests.bundle.test_generated_java import MODELS, NAMED, SOUNDS, of_sounds, resize_cases, unpacked

COMPILER = (
    *("kotlin-compiler-embeddable", "kotlin-stdlib", "kotlin-script-runtime", "kotlin-reflect"),
    *("kotlin-daemon-embeddable", "trove4j", "annotations"),
)
RESIZE_CASES = """
package dev.kerasint8.contract
import java.io.File
fun main(arguments: Array<String>) {
    val folder = File(arguments[0])
    val lines = File(folder, "cases").readLines()
    var differ = 0
    for (line in lines) {
        val word = line.split(" ")
        val sizes = word.drop(3).map { it.toInt() }
        val image = Image(File(folder, word[0] + ".stored").readBytes(), sizes[0], sizes[1], sizes[2])
        val right = if (sizes[5] == 1) image.grey() else image
        val method = Resize.Method.valueOf(word[1])
        var made = Resize.resize(right, sizes[3], sizes[4], method, Resize.Fit.valueOf(word[2]), sizes[6])
        made = if (sizes[5] == 3) made.rgb() else made
        if (!made.pixels.contentEquals(File(folder, word[0] + ".wanted").readBytes())) {
            differ++
            System.err.println("differs: $line")
        }
    }
    println("${lines.size} cases, $differ differ")
}
"""


def kotlin_classes(folder: Path, *sources: Path) -> Path:
    """The bundle's Kotlin, compiled; a warning is an error."""
    compiler, classes = [jvm.jar(jar) for jar in COMPILER], folder / "classes"
    libraries = [jvm.jar("kotlin-stdlib"), jvm.jar("junit"), jvm.jar("hamcrest-core")]
    done = subprocess.run(
        [
            *("java", "-Xmx1g", "-cp", jvm.class_path(*compiler), "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"),
            *("-no-stdlib", "-no-reflect", "-Werror", "-jvm-target", "1.8", "-Xsuppress-deprecated-jvm-target-warning"),
            *("-cp", jvm.class_path(*libraries), "-d", str(classes), str(folder / "kotlin"), *map(str, sources)),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=jvm.TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
    return classes


def kotlin_tests(folder: Path, classes: Path) -> int:
    """How many of the bundle's own tests passed; all of them did."""
    tests = [f"dev.kerasint8.contract.{path.stem}" for path in folder.glob("kotlin/test/**/*Test.kt")]
    return jvm.junit([classes, folder, jvm.jar("kotlin-stdlib")], tests)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["int8", "one_sigmoid"])
def test_the_bundle_s_own_tests_pass_in_kotlin(name: str, tmp_path: Path) -> None:
    jvm.need("java")
    folder = unpacked(MODELS[name], tmp_path)
    resize_cases(tmp_path, 300)
    (folder / "ResizeCases.kt").write_text(RESIZE_CASES)
    classes = kotlin_classes(folder, folder / "ResizeCases.kt")
    assert kotlin_tests(folder, classes) == 7
    told = jvm.java([classes, jvm.jar("kotlin-stdlib")], "dev.kerasint8.contract.ResizeCasesKt", str(tmp_path))
    assert told == "300 cases, 0 differ\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMED)
def test_tensors_by_name_meet_the_golden_vectors_in_kotlin(name: str, tmp_path: Path) -> None:
    jvm.need("java")
    folder = unpacked(NAMED[name], tmp_path)
    assert kotlin_tests(folder, kotlin_classes(folder)) == 5


@pytest.mark.slow
@pytest.mark.parametrize("name", SOUNDS)
def test_sounds_have_the_host_s_features_in_kotlin(name: str, tmp_path: Path) -> None:
    jvm.need("java")
    folder = unpacked(of_sounds(name), tmp_path)
    assert kotlin_tests(folder, kotlin_classes(folder)) == 8
