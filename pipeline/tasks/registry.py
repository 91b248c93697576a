"""From a recipe's `task` to a task: by name with its options, the user's own, or chosen by model and data (`auto`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import InputError, did_you_mean
from pipeline.tasks import automatic, custom
from pipeline.tasks.automatic import Choice, Known
from pipeline.tasks.classification import Classification
from pipeline.tasks.detection import Detection, make_detection
from pipeline.tasks.embedding import Embedding
from pipeline.tasks.fidelity_only import Fidelity, class_readings
from pipeline.tasks.keypoints import Keypoints
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.options import options_of, read_options
from pipeline.tasks.reconstruction import Reconstruction
from pipeline.tasks.regression import Regression
from pipeline.tasks.segmentation import Segmentation
from pipeline.tasks.sequence import LabelSequence
from pipeline.tasks.several_outputs import SeveralOutputs
from pipeline.tasks.single_output import SingleOutputTask, find
from pipeline.tasks.spatial_targets import image_size, spatial_kinds, without_placements
from pipeline.tasks.task import Endings, Task
from pipeline.tensors import Signature, TensorSpec

TASKS: Mapping[str, type[SingleOutputTask]] = {
    task.name: task
    for task in (
        *(Classification, Multilabel, Regression, Reconstruction, Embedding, LabelSequence),
        *(Segmentation, Keypoints),
    )
}
"""Those of one output."""
NAMES = ("auto", *TASKS, Detection.name, Fidelity.name)
DERIVED = ("class_names", "input_size", "points")
"""Fields of tasks that model and data say alone."""


@dataclass(frozen=True)
class Resolved:
    """A task, and why it is that."""

    task: Task
    reason: str
    """One sentence."""


def resolve(
    section: str | Mapping[str, Any],
    signature: Signature,
    endings: Endings,
    inputs: Mapping[str, TensorSpec],
    targets: Mapping[str, TensorSpec],
    class_names: tuple[str, ...] = (),
    *,
    data_ranges: Mapping[str, float] | None = None,
) -> Resolved:
    """The task that a recipe names, or the one that fits its model and data.

    Args:
        section: `auto`, a task's name, `module:Class` or `module:function`; a mapping with `name` and the task's
            options; or `{outputs: {OUTPUT: one of these, …}}` for several outputs, the first of which decides.
        signature: The float model's.
        endings: What its last operators do to its outputs.
        inputs: Of the data, by name.
        targets: Of the data, by name; empty where nothing is known about the examples.
        class_names: Of the one class target.
        data_ranges: By input or target name, the highest value that it can have less the lowest, where the
            preprocessing says so; for PSNR and SSIM.

    Raises:
        InputError: an unknown task or option (with the nearest one), a task that does not fit the outputs, or targets
            that are missing or of the wrong shape.

    Example:
        >>> x = TensorSpec("x", (-1, 4), np.dtype(np.float32))
        >>> y = TensorSpec("y", (-1, 3), np.dtype(np.float32))
        >>> label = TensorSpec("label", (-1,), np.dtype(np.int64))
        >>> resolve("auto", Signature((x,), (y,)), {"y": "softmax"}, {"x": x}, {"label": label}).task.name
        'classification'
    """
    judged = without_placements(targets)
    known = Known(
        signature, endings, dict(inputs), judged, class_names, dict(data_ranges or {}), spatial_kinds(targets)
    )
    options = {"name": section} if isinstance(section, str) else dict(section)
    found = _several(options, known) if "outputs" in options else _named(options, known)
    found.task.check(signature, targets)
    return found


def _several(options: Mapping[str, Any], known: Known) -> Resolved:
    outputs, rest = options["outputs"], [key for key in options if key not in ("outputs", "name")]
    if rest or not isinstance(outputs, Mapping) or not outputs:
        raise InputError(
            "A task of several outputs is `task: {outputs: {OUTPUT: TASK, …}}`, with a task's name or a mapping for "
            f"each{', and nothing beside: ' + ', '.join(rest) if rest else ''}."
        )
    pairs = automatic.pair_targets(known)
    tasks: dict[str, Task] = {}
    weights: dict[str, float] = {}
    for name, section in outputs.items():
        own = {"name": section} if isinstance(section, str) else dict(section or {"name": "auto"})
        spec = known.signature.output(name)
        if "weight" in own:
            weights[spec.name] = _weight(own.pop("weight"), name)
        one = known.of_output(spec)
        if spec.name in pairs and not {"target", "anomaly"} & own.keys():
            one = one.of_target(pairs[spec.name])
        tasks[spec.name] = _named(own, one).task
    for spec in known.signature.outputs:
        if spec.name not in tasks:
            tasks[spec.name] = Fidelity(class_readings(Signature((), (spec,)), known.endings))
    return Resolved(SeveralOutputs(tasks, weights), "The recipe names a task for each output.")


def _weight(value: Any, output: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise InputError(f"task.outputs.{output}.weight is the loss's weight, a number from 0, not {value!r}.")
    return float(value)


def _named(options: Mapping[str, Any], known: Known) -> Resolved:
    name = options.get("name", "auto")
    rest = {key: value for key, value in options.items() if key != "name"}
    if not isinstance(name, str):
        raise InputError(f"task.name is a task's name, for example classification, not {name!r}.")
    if ":" in name:
        return Resolved(custom.load(name, known.signature, known.endings, rest), f"The recipe names {name}.")
    if name not in NAMES:
        raise InputError(
            f"There is no task '{name}'.{did_you_mean(name, NAMES)} One of your own is module:Class or module:function."
        )
    if name == "auto":
        return _chosen(rest, known)
    if name == Fidelity.name:
        if rest:
            raise InputError(f"The task fidelity has no options: {', '.join(rest)}.")
        return Resolved(_fidelity(known), "The recipe names fidelity: outputs are compared, labels are not looked at.")
    if name == Detection.name:
        return Resolved(_detection(rest, known), "The recipe names detection.")
    task = TASKS[name]
    spec = _output(rest, known, task)
    return Resolved(make(task, spec, known, rest), f"The recipe names {name}.")


def _output(options: dict[str, Any], known: Known, task: type[SingleOutputTask]) -> TensorSpec:
    """The output that a task reads: named, the only one, or the only one that the task can read."""
    given = options.pop("output", None)
    if given is not None:
        return known.signature.output(given)
    if len(known.signature.outputs) == 1:
        return known.signature.outputs[0]
    fitting = []
    for spec in known.signature.outputs:
        try:
            make(task, spec, known, options).check(known.signature, known.targets)
        except InputError:
            continue
        fitting.append(spec)
    if len(fitting) == 1:
        return fitting[0]
    return find(None, {spec.name: spec for spec in known.signature.outputs}, f"the task '{task.name}'", "output")


def make(
    task: type[SingleOutputTask], output: TensorSpec, known: Known, options: Mapping[str, Any]
) -> SingleOutputTask:
    """A task for an output, with what model and data say where an option does not.

    Raises:
        InputError: an unknown option or one out of its bounds.
    """
    known_options = options_of(task, [*DERIVED, "output"])
    given = read_options(f"task {task.name}", known_options, options)
    own = automatic.defaults(task, output, known, given.get("target"))
    made = task(output=output, **{**own, **given})
    if isinstance(made, Classification | Segmentation) and len(known.class_names) > made.classes > 0:
        one_more = len(known.class_names) == made.classes + 1
        hint = " Labels that count from 1 must be less 1: the model's first class is 0." if one_more else ""
        raise InputError(
            f"The data has {len(known.class_names)} classes and the model's output '{output.name}' {made.classes}. The "
            f"data's classes must be the model's: train or choose a model of as many.{hint}"
        )
    return made


def _fidelity(known: Known) -> Fidelity:
    return Fidelity(class_readings(known.signature, known.endings))


def _chosen(options: Mapping[str, Any], known: Known) -> Resolved:
    """What `auto` takes: for one output, or for each of several."""
    rest = dict(options)
    if "output" in rest:
        known = known.of_output(known.signature.output(rest.pop("output")))
    if "target" in rest:
        name = rest["target"]
        known = known.of_target(find_target(name, known))
    elif rest:
        raise InputError(f"task: auto takes only output and target, not {', '.join(rest)}. Name the task too.")
    boxes = automatic.boxes_target(known)
    if boxes is not None:
        return _boxes(boxes, known)
    outputs = known.signature.outputs
    if len(outputs) == 1:
        choice = automatic.choose(outputs[0], known)
        return Resolved(_make_choice(choice, outputs[0], known), choice.reason)
    choices = automatic.choose_each(known)
    if all(choice.name == Fidelity.name for choice in choices.values()):
        listed = ", ".join(f"'{name}'" for name in choices)
        why = "the data has no targets" if not known.targets else "no target fits one of them"
        return Resolved(_fidelity(known), f"fidelity alone, since {why} (outputs {listed}).")
    tasks = {spec.name: _make_choice(choices[spec.name], spec, known.of_output(spec)) for spec in outputs}
    reasons = "; ".join(f"'{name}': {choice.reason.rstrip('.')}" for name, choice in choices.items())
    return Resolved(SeveralOutputs(tasks), f"A task for each output ({reasons}).")


def _detection(options: Mapping[str, Any], known: Known) -> Detection:
    size = image_size(known.inputs, known.signature.inputs, Detection.name)
    return make_detection(
        options, known.signature, known.endings, size, known.class_names, automatic.boxes_target(known)
    )


def _boxes(target: str, known: Known) -> Resolved:
    """What `auto` takes for data of boxes: a detection, where the outputs say which."""
    try:
        task = _detection({"target": target}, known)
    except InputError as error:
        return Resolved(_fidelity(known), f"fidelity alone, though '{target}' holds boxes: {error}")
    outputs = ", ".join(f"{role} '{specs[0].name}'" for role, specs in task.decoder.outputs.items())
    return Resolved(
        task,
        f"detection, since '{target}' holds boxes; the outputs are read as {task.decoder.name}'s ({outputs}).",
    )


def find_target(name: Any, known: Known) -> str:
    if name not in known.targets:
        raise InputError(f"The data has no target '{name}'.{did_you_mean(str(name), known.targets)}")
    return str(name)


def _make_choice(choice: Choice, spec: TensorSpec, known: Known) -> Task:
    if choice.name == Fidelity.name:
        return Fidelity(class_readings(Signature((), (spec,)), known.endings))
    return make(TASKS[choice.name], spec, known, choice.options)
