"""The stage: an int8 model on emulated ARM CPUs, compared with the host's XNNPACK and counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.progress import Track, quiet
from pipeline.tensors import Array, Tensors, TensorSpec, take
from pipeline.tflite import flatbuffer
from pipeline.tflite.delegated_nodes import partitions
from pipeline.tflite.inspect import Inspection, inspect
from pipeline.tflite.runner import Call, Runner
from pipeline.verification.arm import sysroot as sysroots
from pipeline.verification.arm.boundary import handed_over
from pipeline.verification.arm.counts import Counts
from pipeline.verification.arm.emulation_result import Answer, Comparison, ProfileResult, compare
from pipeline.verification.arm.findings import bit_exact, examine
from pipeline.verification.arm.machine import Answer as GuestAnswer
from pipeline.verification.arm.machine import GuestError, Job, emulate
from pipeline.verification.arm.profiles import Profile, chosen
from pipeline.verification.arm.sysroot import Sysroot

_NO_INT8 = frozenset({"float32", "float16", "weight_only"})


def run_profiles(
    model: Path | bytes,
    inputs: Tensors,
    profiles: Sequence[str] = (),
    *,
    float_model: Path | bytes | None = None,
    track: Track = quiet,
    say: Callable[[str], None] = lambda message: None,
) -> tuple[ProfileResult, ...]:
    """Run an int8 model under the real ARM kernels of LiteRT, on emulated CPUs.

    Args:
        model: An int8 .tflite.
        inputs: By input name, [B, ...] with B > 0, in the units that the model was trained on; integers without a scale
            and booleans as they are. Dimensions that the model leaves open take their sizes.
        profiles: Names of `profiles.PROFILES`; all by default.
        float_model: The float model it was made from: its instructions are counted beside, on the first example.
        track: Progress, an inference a step.
        say: What is set up, once.

    Returns:
        One result a profile.

    Raises:
        InputError: a profile of no such name, a float model, custom operators, inputs that do not fit.
        CannotEmulateError: this host cannot emulate ARM; nothing was proven.
        PipelineError: a download failed, or the emulator computes wrongly.
    """
    wanted = chosen(profiles)
    inspection = inspect(model)
    _refuse(inspection, model)
    runner = _loaded(model)
    calls = list(runner.calls(inputs))
    if not calls:
        raise InputError("The inputs hold no examples to compare on: give at least 1.")
    host = tuple(tuple(runner.run(*call.arrays)) for call in calls)
    jobs = [Job(model, [call.arrays for call in calls], count=True, name=flatbuffer.label(model))]
    if float_model is not None:
        jobs.append(_float_job(float_model, take(inputs, slice(calls[0].kept))))
    sysroot = sysroots.ensure(track, say)
    return tuple(_one(sysroot, profile, jobs, inspection, runner, calls, host, track) for profile in wanted)


def _loaded(model: Path | bytes) -> Runner:
    """A model on the host's XNNPACK, one thread.

    Raises:
        InputError: LiteRT does not take it; custom operators are named.
    """
    try:
        return Runner(model)
    except InputError as error:
        tree = flatbuffer.read(model)
        custom = {flatbuffer.text(code.customCode) for code in tree.operatorCodes if code.customCode}
        if not custom:
            raise
        raise InputError(
            f"{flatbuffer.label(model)} has custom operators ({', '.join(sorted(custom))}), for which LiteRT has no "
            "kernels, here or on ARM. Replace them by built-in operators, or verify on the phone with the program that "
            "brings them."
        ) from error


def _refuse(inspection: Inspection, model: Path | bytes) -> None:
    if inspection.verdict.kind in _NO_INT8:
        raise InputError(
            f"{flatbuffer.label(model)} is {inspection.verdict.text}, with nothing in int8 to prove. Give the int8 "
            "model (make it with `pipeline export --int8`); a float model is counted beside it."
        )


def _float_job(model: Path | bytes, first: Tensors) -> Job:
    runner = _loaded(model)
    try:
        call = next(runner.calls(first))
    except InputError as error:
        raise InputError(
            f"{flatbuffer.label(model)} is not the model that the int8 one was made from: {error}"
        ) from error
    return Job(model, [call.arrays], count=True, name=flatbuffer.label(model))


def _one(
    sysroot: Sysroot,
    profile: Profile,
    jobs: list[Job],
    inspection: Inspection,
    runner: Runner,
    calls: Sequence[Call],
    host: tuple[Answer, ...],
    track: Track,
) -> ProfileResult:
    undone: list[str] = []
    if sysroot.no_plugin is not None:
        undone.append(f"instructions were not counted: {sysroot.no_plugin}")
    try:
        answers = emulate(sysroot, profile, jobs, track)
    except GuestError as error:
        if error.job is None:
            raise
        if error.job == 0:
            return _did_not_run(sysroot, profile, [*undone, str(error)])
        undone.append(f"the float model was not counted: {error}")
        answers = emulate(sysroot, profile, jobs[:1], track)
    answer = answers[0]
    outputs = tuple(
        _shaped(raw, runner.outputs, reference) for raw, reference in zip(answer.outputs, host, strict=True)
    )
    comparison = compare(host, outputs, [spec.name for spec in runner.outputs])
    count, taken = partitions([(node["name"], node["inputs"], node["outputs"]) for node in answer.nodes])
    left = frozenset(range(count)).difference(*taken)
    boundary = None
    if comparison.differing_bytes and left and bit_exact(inspection):
        boundary = _boundary(sysroot, profile, jobs[0], left, track)
    return ProfileResult(
        profile=profile.name,
        core=profile.core,
        emulator=f"{sysroot.qemu_version}, -cpu {profile.cpu.value}",
        answers=runner.gather(zip(outputs, calls, strict=True)),
        comparison=comparison,
        boundary=boundary,
        delegated=1 - len(left) / count if count else 0.0,
        counts=answer.counts,
        float_counts=_counts_of(answers),
        findings=examine(profile, inspection, comparison, answer.counts, left, boundary),
        undone=tuple(undone),
    )


def _boundary(sysroot: Sysroot, profile: Profile, job: Job, left: frozenset[int], track: Track) -> Comparison | None:
    """Compare what XNNPACK hands over; None where it hands nothing over."""
    copied, added = handed_over(job.model, left)
    if not added:
        return None
    runner = Runner(copied, shapes=[array.shape for array in job.examples[0]])
    host = tuple(tuple(runner.run(*example)) for example in job.examples)
    [answer] = emulate(sysroot, profile, [Job(copied, job.examples, name=job.name)], track)
    arm = [_shaped(raw, runner.outputs, like) for raw, like in zip(answer.outputs, host, strict=True)]
    names = [spec.name for spec in runner.outputs][-added:]
    return compare([outputs[-added:] for outputs in host], [outputs[-added:] for outputs in arm], names)


def _did_not_run(sysroot: Sysroot, profile: Profile, undone: list[str]) -> ProfileResult:
    return ProfileResult(
        profile=profile.name,
        core=profile.core,
        emulator=f"{sysroot.qemu_version}, -cpu {profile.cpu.value}",
        answers=None,
        comparison=None,
        boundary=None,
        delegated=0.0,
        counts=None,
        float_counts=None,
        findings=(),
        undone=tuple(undone),
    )


def _counts_of(answers: Sequence[GuestAnswer]) -> Counts | None:
    return answers[1].counts if len(answers) > 1 else None


def _shaped(raw: tuple[bytes, ...], specs: Sequence[TensorSpec], reference: Sequence[Array]) -> Answer:
    """The guest's bytes as arrays; their shapes are the host's, which may depend on the example."""
    return tuple(
        np.frombuffer(content, spec.dtype).reshape(expected.shape)
        for content, spec, expected in zip(raw, specs, reference, strict=True)
    )
