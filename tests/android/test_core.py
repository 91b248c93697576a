"""The benchmark app's logic, which needs no phone: its own JUnit tests, and that Android's Java takes it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.android import jvm

CORE = Path(__file__).parents[2] / "android_bench" / "core" / "src"


def test_the_tests_of_the_app_s_core_pass(tmp_path: Path) -> None:
    jvm.need("javac", "java")
    libraries = [jvm.jar("json"), jvm.jar("junit"), jvm.jar("hamcrest-core")]
    jvm.javac(sorted(CORE.rglob("*.java")), tmp_path, libraries)
    tests = sorted(CORE.rglob("*Test.java"))
    names = [".".join(path.relative_to(CORE / "test" / "java").with_suffix("").parts) for path in tests]
    written = sum(len(re.findall(r"^    @Test$", path.read_text(encoding="utf-8"), re.MULTILINE)) for path in tests)
    assert jvm.junit([tmp_path, jvm.jar("json")], names) == written > 0
