"""The emulated machine, set up once: in the user's cache, where a later session finds it."""

from __future__ import annotations

import os

import pytest

from pipeline.errors import PipelineError
from pipeline.verification.arm import sysroot as sysroots
from pipeline.verification.arm.sysroot import Sysroot


@pytest.fixture(scope="session")
def sysroot() -> Sysroot:
    """Skips where ARM cannot be emulated; fails instead where PIPELINE_REQUIRE_ARM is set, as in CI."""
    try:
        return sysroots.ensure()
    except PipelineError as error:
        if os.environ.get("PIPELINE_REQUIRE_ARM"):
            raise
        pytest.skip(f"ARM cannot be emulated here: {error}")


@pytest.fixture(scope="session")
def counting(sysroot: Sysroot) -> Sysroot:
    """With a counter."""
    if sysroot.no_plugin is not None:
        if os.environ.get("PIPELINE_REQUIRE_ARM"):
            pytest.fail(sysroot.no_plugin)
        pytest.skip(f"instructions cannot be counted here: {sysroot.no_plugin}")
    return sysroot
