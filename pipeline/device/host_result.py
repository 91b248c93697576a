"""A host's measurement in the schema of the devices' results."""

from __future__ import annotations

import secrets
import time
from importlib import metadata

from pipeline.benchmarking.host import Host
from pipeline.benchmarking.latency import LatencyResult
from pipeline.device.results import Delegation, DeviceFacts, Latency, Memory, ModelFacts, RunResult
from pipeline.device.validity import too_few
from pipeline.files import sha256


def of(timing: LatencyResult, host: Host, *, asked: str) -> RunResult:
    """The result of one model on this host, of kind `host`, as of now.

    Args:
        timing: What `pipeline.benchmarking.latency` measured.
        host: The machine.
        asked: The delegate asked for, xnnpack or none.
    """
    percentiles = {f"p{percent}": timing.percentile_ms(percent) * 1000 for percent in (50, 90, 95, 99)}
    reasons = too_few(len(timing.samples_ms))
    got = "xnnpack" if timing.xnnpack else "none"
    if got != asked:
        reasons.append(f"{asked} was asked for and {got} ran")
    return RunResult(
        run_id=secrets.token_hex(8),
        kind="host",
        model=ModelFacts(name=timing.model.name, sha256=sha256(timing.model), size_bytes=timing.size_bytes),
        device=DeviceFacts(model=host.cpu, abi=host.architecture),
        delegate=Delegation(asked=asked, got=got),
        threads=timing.threads,
        init_us=round(timing.load_ms * 1000),
        first_us=round(timing.first_inference_ms * 1000),
        samples_us=tuple(round(sample * 1000) for sample in timing.samples_ms),
        latency_us=Latency(
            min=timing.latency_min_ms * 1000,
            max=max(timing.samples_ms) * 1000,
            mean=timing.latency_mean_ms * 1000,
            **percentiles,
        ),
        memory=Memory(peak_mb=timing.peak_memory_bytes / 2**20),
        valid=not reasons,
        why_not_valid=tuple(reasons),
        started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        runner_version=f"ai-edge-litert {metadata.version('ai-edge-litert')}",
    )
