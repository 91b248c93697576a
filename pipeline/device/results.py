"""What one run of one model on one device gave: the same JSON whether this host, the native runner or the app wrote it.

Unknown keys are ignored on reading, so a newer app can be read. A value that a runner cannot know is null, as is most
of a run that ended with an error.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pipeline import limits
from pipeline.errors import PipelineError

SCHEMA = 1

Kind = Literal["host", "native", "app", "loopback-standin"]
"""What measured: a `loopback-standin` is test equipment that runs on the host, whatever else the result says."""

Delegate = Literal["xnnpack", "gpu", "none"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Core(_Record):
    """A CPU core of the device."""

    id: int
    max_khz: int | None = None
    """Highest clock; unlike for big and little cores."""


class DeviceFacts(_Record):
    """The device that ran the model, in Android's own words."""

    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    soc: str | None = None
    abi: str | None = None
    """The one that ran: a 64-bit device also runs armeabi-v7a."""
    android: str | None = None
    """The version that people know, such as 14."""
    cpu_cores: tuple[Core, ...] = ()


class ModelFacts(_Record):
    """The model that ran, by content."""

    name: str | None
    sha256: str | None
    size_bytes: int | None


class Delegation(_Record):
    """What was to run the operators, and what did."""

    asked: str | None
    got: str | None
    """`xnnpack`, `gpu`, `none`, another delegate's own name, or `unknown` where the runtime does not say."""
    delegated_nodes: int | None = None
    total_nodes: int | None = None
    partitions: int | None = None


class Thermal(_Record):
    """How hot the device was."""

    status: int | None = None
    """Android's: 0 none, 1 light, 2 moderate (it throttles), up to 6 shutdown."""
    celsius: float | None = None
    """Of the skin sensor, or of the battery where there is none."""


class Battery(_Record):
    percent: int | None = None
    charging: bool | None = None


class ThermalChange(_Record):
    before: Thermal = Thermal()
    after: Thermal = Thermal()


class BatteryChange(_Record):
    before: Battery = Battery()
    after: Battery = Battery()


class Latency(_Record):
    """µs of one inference; a percentile that the runner does not report is null."""

    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    min: float | None = None
    max: float | None = None
    mean: float | None = None


class Memory(_Record):
    peak_mb: float | None = None


class Parity(_Record):
    """The outputs for the golden input, byte for byte."""

    golden: bool
    """Whether there was a golden pair to compare with."""
    identical: bool | None = None
    differing_bytes: int | None = None
    differing_by_output: dict[str, int] | None = None
    """By output name."""


class Failure(_Record):
    what: str


class RunResult(_Record):
    """One model, one run, one device (schema version 1)."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    run_id: str
    kind: Kind
    model: ModelFacts
    device: DeviceFacts
    delegate: Delegation
    threads: int | None
    affinity: tuple[int, ...] | None = None
    """The cores it was bound to; None for any."""
    thermal: ThermalChange = ThermalChange()
    battery: BatteryChange = BatteryChange()
    init_us: int | None = None
    """Opening the model and preparing its tensors."""
    first_us: int | None = None
    """The first inference."""
    samples_us: tuple[int, ...] = ()
    """Every timed inference, in order; empty where the runner only gives statistics, as benchmark_model does."""
    latency_us: Latency = Latency()
    memory: Memory = Memory()
    parity: Parity | None = None
    valid: bool
    """False where something makes the numbers not what they seem; `why_not_valid` says what."""
    why_not_valid: tuple[str, ...] = ()
    error: Failure | None = None
    started: str
    """ISO 8601."""
    runner_version: str

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    @field_validator("latency_us", mode="before")
    @classmethod
    def _nothing_timed(cls, value: object) -> object:
        """Null stands for an object of nulls."""
        return Latency() if value is None else value

    def to_json(self) -> dict[str, object]:
        return self.model_dump(mode="json", by_alias=True)


def read(content: bytes, where: str) -> RunResult:
    """A result from JSON.

    Args:
        content: UTF-8.
        where: What it is, for the message.

    Raises:
        PipelineError: it is cut short, no JSON, of another schema version, or lacks something.
    """
    try:
        return RunResult.model_validate(limits.json_value(content))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise PipelineError(f"{where} is not a result of schema {SCHEMA}: '{place}': {first['msg']}.") from error
    except ValueError as error:
        raise PipelineError(f"{where} holds {len(content)} bytes that are cut short or no JSON ({error}).") from error
