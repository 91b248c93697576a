"""`pipeline verify`: what the int8 model answers, rung by rung, and where it loses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import AsJson, Overrides
from pipeline.cli.show import echo

FILE_WIDTH, NAME_WIDTH = 20, 60

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.evaluation.statistics import Difference
    from pipeline.tasks.task import Metric
    from pipeline.verification.arm.arm_rung import ArmRung
    from pipeline.verification.arm.emulation_result import ProfileResult
    from pipeline.verification.inside import TensorGap
    from pipeline.verification.ladder import Step
    from pipeline.verification.rung import Rung
    from pipeline.workflow.verification import Verification


def verify(
    target: Annotated[
        Path | None,
        typer.Argument(metavar="[TARGET]", help="A run folder or an int8 .tflite file; the newest run by default."),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", metavar="FILE", help="The float .tflite; the run's by default.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option("--recipe", metavar="RECIPE", help="Whose data and promises; the run's by default.")
    ] = None,
    profiles: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PROFILE]...", help="With --arm: armv8.0 dotprod i8mm a55; all by default."),
    ] = None,
    arm: Annotated[
        bool, typer.Option("--arm", help="Under the real ARM kernels too, on emulated CPUs, byte by byte.")
    ] = False,
    arm_examples: Annotated[
        int,
        typer.Option(
            "--arm-examples", min=1, max=10**9, metavar="N", help="How many an emulated CPU or a phone is given."
        ),
    ] = 4,
    device: Annotated[
        bool, typer.Option("--device", help="On the phone at hand too, through TFLite's benchmark_model.")
    ] = False,
    serial: Annotated[str | None, typer.Option("--serial", help="With --device, where there are several.")] = None,
    benchmark_binary: Annotated[
        Path | None, typer.Option("--benchmark-binary", metavar="FILE", help="With --device; else fetched once.")
    ] = None,
    overrides: Overrides = None,
    split: Annotated[str, typer.Option("--split", help="train, calibration, validation or test.")] = "test",
    examples: Annotated[
        int | None, typer.Option("--examples", min=1, max=10**9, metavar="N", help="At most N of them, the first.")
    ] = None,
    keras: Annotated[
        bool, typer.Option("--keras/--no-keras", help="With the run's Keras models, which takes TensorFlow.")
    ] = True,
    batch: Annotated[int, typer.Option("--batch", min=1, max=10**6, help="Examples in one call of a model.")] = 8,
    threads: Annotated[int, typer.Option("--threads", min=1, max=1024, help="Rungs that run at the same time.")] = 2,
    json: AsJson = False,
) -> None:
    """Prove the int8 model: every form and every set of kernels on the same examples, each against the one above.

    A file without a recipe has no ladder; --arm compares it on random inputs. Exit status 1 where a promise of the
    recipe's verify section is broken, the file is not what its metadata say, or ARM answers otherwise.

    Example: pipeline verify runs/mobilenet
    Example: pipeline verify runs/mobilenet dotprod i8mm --arm
    Example: pipeline verify model_int8.tflite --reference model.tflite --recipe mobilenet --set verify.max_drop=2
    """
    from contextlib import ExitStack

    from pipeline.cli import show
    from pipeline.errors import InputError, PipelineError
    from pipeline.progress import bar
    from pipeline.workflow.command_targets import has_recipe
    from pipeline.workflow.ladder_rungs import arm_rungs, open_ladder
    from pipeline.workflow.verification import verify as stage

    if profiles and not arm:
        raise InputError(f"{' '.join(profiles)}: profiles of ARM CPUs go with --arm.")
    if (serial or benchmark_binary) and not device:
        raise InputError("--serial and --benchmark-binary go with --device.")
    rungs: list[ArmRung] = []
    if arm:
        from pipeline.verification.arm.profiles import chosen

        chosen(profiles or [])
        if not has_recipe(target, recipe):
            _arm_alone(target, reference, profiles or [], arm_examples, as_json=json)
            return
        rungs = arm_rungs(target, reference, profiles or [], arm_examples, bar, show.say)
    opened = open_ladder(target, reference, recipe, overrides or [], keras=keras)
    with ExitStack() as stack:
        further: list[Rung] = [*rungs]
        if device:
            from pipeline.verification.phone_rung import phone_rung

            phone = phone_rung(opened.model, serial, benchmark_binary, arm_examples, bar)
            further.append(stack.enter_context(phone))
        found = stage(
            opened,
            split=split,
            examples=examples,
            batch=batch,
            threads=threads,
            track=bar,
            say=show.say,
            further=further,
        )
    emulated = [rung.result for rung in rungs if rung.result is not None]
    if json:
        show.as_json({**found.to_json(), "arm": [result.to_json() for result in emulated]} if arm else found.to_json())
    else:
        _print(found)
        if emulated:
            _print_arm(emulated)
    if found.broken:
        raise PipelineError(" ".join(found.broken))
    if any(result.failed for result in emulated):
        raise typer.Exit(1)


def _arm_alone(
    target: Path | None, reference: Path | None, profiles: Sequence[str], examples: int, *, as_json: bool
) -> None:
    from pipeline.cli import show
    from pipeline.progress import bar
    from pipeline.verification.arm.emulate import run_profiles
    from pipeline.workflow.ladder_rungs import inputs_for
    from pipeline.workflow.targets import model_file

    model = model_file(target)
    results = run_profiles(model, inputs_for(model, examples), profiles, float_model=reference, track=bar, say=show.say)
    if as_json:
        show.as_json([result.to_json() for result in results])
    else:
        _print_arm(results)
    if any(result.failed for result in results):
        raise typer.Exit(1)


def _print_arm(results: Sequence[ProfileResult]) -> None:
    from pipeline.cli import show
    from pipeline.verification.arm import result_table as words

    show.table(words.COLUMNS, [words.row(result) for result in results])
    for line in words.notes(results):
        echo(line)


def _print(found: Verification) -> None:
    from pipeline.cli import show
    from pipeline.workflow.ladder_rungs import LAST

    if found.skipped:
        show.say(f"{len(found.skipped)} examples could not be read and were left out: {', '.join(found.skipped)}")
    last = next(step for step in found.steps if step.name == LAST)
    metric = last.metric
    judged = [] if metric is None else [f"vs above{f', {metric.unit_of_points}' if metric.unit == '%' else ''}"]
    show.table(
        ["rung", "file", *([metric.label] if metric else []), *judged, "agreement", "LSB", "SQNR"],
        [_row(step) for step in found.steps],
        title=f"{found.model}, {last.n} examples of the {found.split} split",
    )
    if last.overall is not None:
        whole = last.overall
        change = "" if metric is None or whole.difference is None else f"{_change(whole.difference, metric)}, "
        echo(f"In all, {last.name} against {whole.against}: {change}agreement {show.percent(whole.agreement)}.")
        first = next(step for step in found.steps if step.name == whole.against)
        if others := last.metrics[1:]:
            both = ((one, first.values.get(one.name), last.values.get(one.name)) for one in others)
            pairs = "; ".join(f"{one.label} {one.show(above)}, {one.show(below)}" for one, above, below in both)
            echo(f"The other metrics, {first.name} and {last.name}: {pairs}.")
        if len(whole.fidelity) > 1:
            outputs = ", ".join(f"'{name}' {show.decibels(one.sqnr_db)}" for name, one in whole.fidelity.items())
            echo(f"Its outputs: {outputs}.")
    for line in _loss(found):
        echo(line)
    if found.provenance:
        echo("The file's metadata:")
        for check in found.provenance:
            echo(f"  {check.state:6} {check.what}: {check.message}")
    else:
        echo("The file carries no metadata: nothing says where it comes from.")
    for line in found.left_out:
        echo(f"not held to: {line}")


def _row(step: Step) -> tuple[str, ...]:
    from pipeline.cli import show

    above = step.above
    judged: tuple[str, ...] = ()
    if step.metric is not None:
        difference = above.difference if above else None
        value = step.metric.show(step.values.get(step.metric.name))
        judged = (value, _points(difference, step.metric) if difference else "–")
    return (
        step.name,
        show.shorten(Path(step.source).name, FILE_WIDTH),
        *judged,
        show.percent(above.agreement) if above else "–",
        "–" if above is None or above.max_lsb is None else str(above.max_lsb),
        "–" if above is None else "same" if above.identical else show.decibels(above.sqnr_db),
    )


def _points(difference: Difference, metric: Metric) -> str:
    return metric.show_points(*(metric.factor * value for value in (difference.value, difference.low, difference.high)))


def _change(difference: Difference, metric: Metric) -> str:
    """The same as a phrase."""
    unit = "points" if metric.unit == "%" else f"{metric.unit} {metric.label}".strip()
    return f"{_points(difference, metric)} {unit}"


def _loss(found: Verification) -> list[str]:
    from pipeline.cli import show

    step = found.lost or found.weakest
    if step is None or step.above is None:
        return ["Every rung gives the same answers as the one above it."]
    agreed = f"it agrees with {step.above.against} on {show.percent(step.above.agreement)}"
    if found.lost and step.metric and step.above.difference:
        change = _change(step.above.difference, step.metric)
        lines = [f"Lost at {step.name} ({step.title}): {change}; {agreed}."]
    else:
        unlost = f"No rung loses {step.metric.label} beyond chance. " if step.metric else ""
        lines = [f"{unlost}The widest step is {step.name} ({step.title}): {agreed}."]
    inside = found.inside
    if inside is None:
        return lines
    where = f"Inside {inside.rung} ({inside.examples} examples, {len(inside.tensors)} activations)"
    if inside.first is None:
        lines.append(f"{where}, none diverges from {inside.above} beyond {inside.tolerance}.")
    else:
        lines.append(f"{where}, the first to diverge beyond {inside.tolerance}: {_gap(inside.first)}.")
    steepest = inside.steepest
    if steepest is not None and steepest is not inside.first:
        lines.append(
            f"The operator that adds most noise of its own: {_gap(steepest)}, {_share(steepest.added)} of its energy."
        )
    return lines


def _gap(gap: TensorGap) -> str:
    from pipeline.cli import show

    numbers = [show.decibels(gap.sqnr_db)]
    if gap.max_lsb is not None:
        numbers = [f"up to {gap.max_lsb} LSB", *numbers]
    elif gap.rms_lsb is not None:
        numbers.append(f"{gap.rms_lsb:.2f} LSB rms")
    where = "the input" if gap.index < 0 else f"operator {gap.index} {gap.operator}"
    return f"{where} '{show.shorten(gap.short, NAME_WIDTH)}' ({', '.join(numbers)})"


def _share(value: float) -> str:
    return f"{100 * value:.2g} %" if value < 10 else "many times as much as it has"
