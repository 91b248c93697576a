"""What `auto` takes for which model and data, what a recipe may say instead, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.tasks.classification import Classification
from pipeline.tasks.fidelity_only import Fidelity
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.reconstruction import Reconstruction
from pipeline.tasks.registry import Resolved, resolve
from pipeline.tasks.regression import Regression
from pipeline.tasks.sequence import LabelSequence
from pipeline.tasks.several_outputs import SeveralOutputs
from pipeline.tensors import TensorSpec
from tests.tasks.tensors_of import model, tensor

LABEL = tensor("label", dtype="int64")
CLASSES = tuple("abcdefghij")


def chosen(
    *outputs: TensorSpec,
    endings: dict[str, Any] | None = None,
    inputs: tuple[TensorSpec, ...] = (),
    targets: tuple[TensorSpec, ...] = (),
    class_names: tuple[str, ...] = (),
    section: Any = "auto",
    data_ranges: dict[str, float] | None = None,
) -> Resolved:
    taken = inputs or (tensor("x", 4),)
    return resolve(
        section,
        model(*outputs, inputs=taken),
        endings or {},
        {spec.name: spec for spec in taken},
        {spec.name: spec for spec in targets},
        class_names,
        data_ranges=data_ranges,
    )


def test_a_softmax_and_class_numbers() -> None:
    found = chosen(tensor("y", 10), endings={"y": "softmax"}, targets=(LABEL,), class_names=CLASSES)
    assert isinstance(found.task, Classification)
    assert (found.task.scores, found.task.target) == ("softmax", "label")
    assert found.reason == (
        "classification, since the output 'y' ends in a softmax, and 'label' holds one of 10 classes for each example."
    )


def test_logits_of_as_many_classes() -> None:
    found = chosen(tensor("y", 10), targets=(LABEL,), class_names=CLASSES)
    assert isinstance(found.task, Classification)
    assert found.task.scores == "logits"


@pytest.mark.parametrize(("ending", "scores"), [("sigmoid", "sigmoid"), ("none", "logits")])
def test_one_unit_for_two_classes(ending: str, scores: str) -> None:
    found = chosen(tensor("y", 1), endings={"y": ending}, targets=(LABEL,), class_names=("no", "yes"))
    assert isinstance(found.task, Classification)
    assert found.task.scores == scores
    assert found.task.losses == {"y": "binary_crossentropy"}


@pytest.mark.parametrize("dtype", ["uint8", "int64", "bool"])
def test_ten_sigmoids_and_multi_hot_rows(dtype: str) -> None:
    found = chosen(tensor("y", 10), endings={"y": "sigmoid"}, targets=(tensor("tags", 10, dtype=dtype),))
    assert isinstance(found.task, Multilabel)
    assert found.task.scores == "sigmoid"
    assert "says yes or no to each class" in found.reason


@pytest.mark.parametrize(("ending", "dtype"), [("softmax", "uint8"), ("sigmoid", "bool"), ("none", "float32")])
def test_rows_of_another_number_fit_nothing(ending: str, dtype: str) -> None:
    found = chosen(tensor("y", 10), endings={"y": ending}, targets=(tensor("rows", 7, dtype=dtype),))
    assert isinstance(found.task, Fidelity)


def test_rows_of_whole_numbers_without_a_sigmoid_are_values() -> None:
    found = chosen(tensor("y", 4), inputs=(tensor("x", 9),), targets=(tensor("box", 4, dtype="int64"),))
    assert found.task.name == "regression"


def test_a_softmax_and_one_hot_rows_name_one_class() -> None:
    found = chosen(tensor("y", 10), endings={"y": "softmax"}, targets=(tensor("hot", 10, dtype="uint8"),))
    assert isinstance(found.task, Classification)


@pytest.mark.parametrize(
    ("output", "target"),
    [
        (tensor("y", 1), tensor("t")),
        (tensor("y", 1), tensor("t", 1)),
        (tensor("y", 2), tensor("t", 2)),
        (tensor("y", 21, 2), tensor("t", 21, 2)),
        (tensor("y", 1), tensor("count", dtype="int64")),
    ],
    ids=str,
)
def test_values_are_a_regression(output: TensorSpec, target: TensorSpec) -> None:
    found = chosen(output, targets=(target,))
    assert isinstance(found.task, Regression)
    assert found.task.target == target.name


def test_an_output_of_the_inputs_shape_is_an_autoencoder() -> None:
    found = chosen(tensor("y", 640), inputs=(tensor("x", 640),))
    assert isinstance(found.task, Reconstruction)
    assert (found.task.source, found.task.target) == ("x", None)
    assert "has the shape of the input 'x'" in found.reason


def test_an_autoencoder_does_not_look_at_labels() -> None:
    images = (tensor("x", 8, 8, 1),)
    found = chosen(tensor("y", 8, 8, 1), inputs=images, targets=(LABEL,), class_names=CLASSES)
    assert isinstance(found.task, Reconstruction)
    assert found.task.source == "x"
    assert "the target 'label' int64 [?] is not looked at" in found.reason


def test_images_to_images() -> None:
    clean = tensor("clean", 16, 16, 3)
    found = chosen(tensor("y", 16, 16, 3), inputs=(tensor("x", 8, 8, 3),), targets=(clean,))
    assert isinstance(found.task, Reconstruction)
    assert (found.task.target, found.task.source) == ("clean", None)


def test_the_range_of_an_input_is_the_reconstructions() -> None:
    images = (tensor("x", 16, 16, 3),)
    found = chosen(tensor("y", 16, 16, 3), inputs=images, data_ranges={"x": 2.0})
    assert isinstance(found.task, Reconstruction)
    assert found.task.data_range == 2.0
    assert chosen(tensor("y", 16, 16, 3), inputs=images).task.metrics[0].name == "mse"


@pytest.mark.parametrize(("labels", "decode"), [(20, "steps"), (6, "ctc")])
def test_rows_of_labels_are_a_sequence(labels: int, decode: str) -> None:
    found = chosen(tensor("y", 20, 12), endings={"y": "softmax"}, targets=(tensor("text", labels, dtype="int32"),))
    assert isinstance(found.task, LabelSequence)
    assert found.task.decode == decode


def test_vectors_and_classes_of_another_number_are_an_embedding() -> None:
    found = chosen(tensor("y", 64), targets=(LABEL,), class_names=CLASSES)
    assert found.task.name == "embedding"


def test_without_targets_there_is_fidelity() -> None:
    found = chosen(tensor("y", 10), endings={"y": "softmax"})
    assert found.task == Fidelity({"y": "softmax"})
    assert found.reason == "fidelity alone, since the data has no targets."


def test_a_target_that_fits_nothing() -> None:
    found = chosen(tensor("y", 7, 7, 24), targets=(LABEL,), class_names=CLASSES)
    assert isinstance(found.task, Fidelity)
    assert "'label' int64 [?] fits no task for the output 'y' [?, 7, 7, 24]" in found.reason


def test_a_classifier_of_fewer_classes_than_the_data() -> None:
    with pytest.raises(InputError, match="The data has 10 classes and the model's output 'y' 7"):
        chosen(tensor("y", 7), endings={"y": "softmax"}, targets=(LABEL,), class_names=CLASSES)


def test_two_outputs_and_their_targets() -> None:
    found = chosen(
        tensor("kind", 3),
        tensor("size", 1),
        endings={"kind": "softmax"},
        targets=(tensor("size"), tensor("kind", dtype="int64")),
    )
    assert isinstance(found.task, SeveralOutputs)
    assert [task.name for task in found.task.tasks.values()] == ["classification", "regression"]
    assert found.task.metrics[0].name == "kind.top1"
    assert "'kind': classification" in found.reason


def test_two_outputs_and_as_many_targets_of_other_names_go_in_order() -> None:
    found = chosen(
        tensor("a", 3), tensor("b", 1), endings={"a": "softmax"}, targets=(tensor("k", dtype="int64"), tensor("v"))
    )
    assert isinstance(found.task, SeveralOutputs)
    assert [getattr(task, "target", "") for task in found.task.tasks.values()] == ["k", "v"]


def test_one_target_goes_to_the_output_that_it_fits() -> None:
    found = chosen(
        tensor("features", 7, 7, 8), tensor("y", 10), endings={"y": "softmax"}, targets=(LABEL,), class_names=CLASSES
    )
    assert isinstance(found.task, SeveralOutputs)
    assert [task.name for task in found.task.tasks.values()] == ["fidelity", "classification"]
    assert [metric.name for metric in found.task.metrics] == ["y.top1", "y.top5"]


def test_an_output_without_a_target_is_no_autoencoders_where_others_have_one() -> None:
    found = chosen(tensor("y", 10), tensor("same", 4), endings={"y": "softmax"}, targets=(tensor("y", dtype="int64"),))
    assert isinstance(found.task, SeveralOutputs)
    assert {name: task.name for name, task in found.task.tasks.items()} == {"y": "classification", "same": "fidelity"}


def test_two_outputs_without_targets() -> None:
    found = chosen(tensor("a", 3), tensor("b", 1), endings={"a": "softmax"})
    assert found.task == Fidelity({"a": "softmax"})


# What a recipe says


def test_a_name_and_its_options() -> None:
    found = chosen(
        tensor("y", 1), targets=(tensor("t"), tensor("w")), section={"name": "regression", "target": "w", "loss": "mae"}
    )
    assert isinstance(found.task, Regression)
    assert (found.task.target, found.task.losses) == ("w", {"y": "mae"})
    assert found.reason == "The recipe names regression."


def test_auto_for_one_output_of_several() -> None:
    found = chosen(
        tensor("a", 3), tensor("b", 1), targets=(tensor("t"),), section={"name": "auto", "output": "b", "target": "t"}
    )
    assert isinstance(found.task, Regression)
    assert found.task.output.name == "b"


def test_the_one_output_that_a_task_can_read() -> None:
    found = chosen(
        tensor("map", 5, 5, 2),
        tensor("y", 10),
        endings={"y": "softmax"},
        targets=(LABEL,),
        section="classification",
    )
    assert isinstance(found.task, Classification)
    assert found.task.output.name == "y"
    with pytest.raises(InputError, match="output the task 'embedding' is to read is not said, and there are 'a', 'b'"):
        chosen(tensor("a", 8), tensor("b", 8), targets=(LABEL,), section="embedding")


def test_a_task_for_each_output_with_weights() -> None:
    found = chosen(
        tensor("a", 3),
        tensor("b", 1),
        tensor("c", 5),
        endings={"a": "softmax"},
        targets=(LABEL, tensor("v")),
        section={
            "outputs": {
                "b": {"name": "regression", "target": "v", "weight": 0.5},
                "a": {"name": "classification", "target": "label"},
            }
        },
    )
    assert isinstance(found.task, SeveralOutputs)
    assert {name: task.name for name, task in found.task.tasks.items()} == {
        "b": "regression",
        "a": "classification",
        "c": "fidelity",
    }
    assert found.task.metrics[0].name == "b.r2"
    assert found.task.loss_weights == {"b": 0.5}


def test_a_task_for_each_output_with_targets_in_order() -> None:
    found = chosen(
        tensor("a", 3),
        tensor("b", 1),
        endings={"a": "softmax"},
        targets=(LABEL, tensor("v")),
        section={"outputs": {"b": "regression", "a": "classification"}},
    )
    assert isinstance(found.task, SeveralOutputs)
    assert [getattr(task, "target", "") for task in found.task.tasks.values()] == ["v", "label"]


def test_fidelity_by_name_looks_at_no_labels() -> None:
    found = chosen(tensor("y", 10), endings={"y": "softmax"}, targets=(LABEL,), section="fidelity")
    assert found.task == Fidelity({"y": "softmax"})


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("clasification", "There is no task 'clasification'. Did you mean 'classification'"),
        ({"name": 3}, "task.name is a task's name"),
        ({"name": "regression", "targt": "t"}, "has no option 'targt'. Did you mean 'target'"),
        ({"name": "multilabel", "threshold": 2}, "task.threshold: input should be less than 1, not 2"),
        ({"name": "reconstruction", "data_range": "wide"}, "task.data_range"),
        ({"name": "regression", "output": "z"}, "no output 'z'"),
        ({"name": "regression", "target": "z"}, "reads the target 'z'"),
        ({"name": "regression", "metric": "r3"}, "has no metric 'r3'"),
        ({"name": "regression", "loss": "ctc"}, "knows no loss 'ctc'"),
        ({"name": "auto", "metric": "r2"}, "takes only output and target"),
        ({"name": "auto", "target": "z"}, "The data has no target 'z'"),
        ({"name": "fidelity", "target": "t"}, "fidelity has no options: target"),
        ({"outputs": {}}, "task: {outputs:"),
        ({"outputs": {"y": "regression"}, "loss": "mse"}, "nothing beside: loss"),
        ({"outputs": {"z": "regression"}}, "no output 'z'"),
        ({"outputs": {"y": {"name": "regression", "weight": -1}}}, "a number from 0, not -1"),
        ("classification", "Which target the task 'classification' is to read is not said, and there are 't', 'w'"),
    ],
    ids=str,
)
def test_what_a_recipe_may_not_say(section: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        chosen(tensor("y", 1), targets=(tensor("t"), tensor("w")), section=section)


def test_a_named_task_without_targets() -> None:
    with pytest.raises(InputError, match="judges by targets, and the data has none"):
        chosen(tensor("y", 10), section="classification")


def test_the_choice_is_by_types_not_by_values() -> None:
    """Float rows of zeros and ones may be a measurement; a recipe may still call them labels."""
    rows = tensor("rows", 10, dtype="float32")
    assert chosen(tensor("y", 10), endings={"y": "sigmoid"}, targets=(rows,)).task.name == "regression"
    named = chosen(tensor("y", 10), endings={"y": "sigmoid"}, targets=(rows,), section="multilabel").task
    assert named.statistics({"y": np.zeros((1, 10))}, {"rows": np.eye(10)[:1]}).shape == (1, 2, 10)
