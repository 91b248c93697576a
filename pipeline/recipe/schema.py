"""The recipe: one YAML file that says what a run does, checked before anything heavy starts.

    name: mobilenet
    model: {name: MobileNetV2, alpha: 0.35}
    data: {source: digits, preprocess: {size: [32, 32], scale: "-1..1"}}
    train: {epochs: 20}
    qat: {epochs: 4}

`train` and `qat` may be left out: a recipe without `train` takes the model's weights as they are, one without
`qat` is quantized after training. Relative paths are relative to the current directory, as on the command line.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from pipeline.recipe.data_schema import Data, Fraction, Positive, Section, Seed, Share

Format = Literal["int8", "int8_per_tensor", "int16x8", "dynamic", "weight_only", "float16", "float32"]
"""A .tflite format: what the weights are stored in and what the operators compute in."""

Compute = Literal["float32", "float16", "int16x8", "int8"]
"""What one operator computes in; `float16` stores its weights in half and computes in float32."""

IoType = Literal["int8", "uint8", "float32"]

WORK_A_SECOND = 6000 / 180
"""10⁹ multiply-accumulates: what a second of a budget is read as."""

Calibration = Literal["auto", "min_max", "moving_average", "percentile", "entropy", "mse"]

Strategy = Literal["none", "mirrored", "multi_worker"]
"""How training is spread: not at all, over this machine's devices, over the processes that TF_CONFIG names."""

LossName = Literal[
    "categorical_crossentropy", "binary_crossentropy", "mse", "mae", "huber", "cosine", "ctc", "triplet", "as_compiled",
    "focal", "heatmap_focal", "smooth_l1", "giou", "masked_l1", "dice", "dice_crossentropy",
]  # fmt: skip
"""A loss by name, without TensorFlow; `pipeline.training.losses` makes Keras's of it. `as_compiled`: the model's own,
of the file it was compiled in."""

RungName = Literal[
    "keras", "float", "keras_qat", "qat", "prepared", "reference", "builtin", "xnnpack",
    "armv8.0", "dotprod", "i8mm", "a55", "phone",
]  # fmt: skip
"""A step of the accuracy ladder: a form that the model takes, or kernels that compute the int8 model."""

RUN_NAME = "[A-Za-z0-9][A-Za-z0-9._-]*"
"""What a recipe and its run folder may be called: never a path that leads elsewhere."""
MOST_OF_A_NAME = 100
"""Characters."""

Threads = Annotated[int, Field(gt=0, le=1024)]
Weight = Annotated[float, Field(ge=0)]
Points = Annotated[float, Field(ge=0)]


class Model(Section):
    """Which network, and where its weights come from. Exactly one of `name`, `path`, `function`."""

    name: str | None = Field(
        None,
        description="A model of tf_keras.applications, for example MobileNetV2; or ssd_lite or centernet for boxes, "
        "deeplabv3plus_lite or u_net for masks.",
    )
    backbone: str | None = Field(
        None,
        description="Of ssd_lite, centernet, deeplabv3plus_lite and u_net: a model of tf_keras.applications, "
        "MobileNetV2 by default; u_net has a way down of its own by default.",
    )
    path: Path | None = Field(None, description="A .keras file (Keras 2 or 3), an .h5 file or a SavedModel.")
    signature: str | None = Field(
        None, description="Which signature of a SavedModel or .tflite; serving_default, else the only one, by default."
    )
    function: str | None = Field(None, description="module:function that returns a tf_keras model.")
    alpha: float | None = Field(None, gt=0, description="Width multiplier of the MobileNets.")
    weights: str | None = Field(
        None, description="none (random), 'imagenet' (downloaded) or a weights file; the backbone's where there is one."
    )
    input_shape: tuple[int, ...] | None = Field(None, description="Without the batch; the data's by default.")
    input_sizes: dict[str, tuple[Positive, ...]] = Field(
        {}, description="Where there are several inputs: name → [height, width, channels], without the batch."
    )
    classes: Positive | None = Field(None, description="The data's number of classes by default.")
    trust: bool = Field(
        False,
        description="Run code that came with the model file: Lambda layers, own classes, what they import.",
    )

    @model_validator(mode="after")
    def _one_origin(self) -> Model:
        given = [key for key in ("name", "path", "function") if getattr(self, key) is not None]
        if len(given) > 1:
            raise ValueError(f"takes one of name, path and function, not {' and '.join(given)}")
        if self.backbone is not None and self.name is None:
            raise ValueError("backbone goes with a name: ssd_lite, centernet, deeplabv3plus_lite or u_net")
        if self.input_shape is not None and self.input_sizes:
            raise ValueError("takes input_shape for one input or input_sizes for several, not both")
        return self

    @property
    def sizes(self) -> dict[str, tuple[int, ...]]:
        """At which sizes open dimensions are exported, as `import_float` takes them: by input name."""
        return {"input": self.input_shape} if self.input_shape is not None else dict(self.input_sizes)


class Train(Section):
    """Float training."""

    epochs: Annotated[int, Field(ge=0, le=10**6)] = 10
    batch_size: Positive = 32
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: Annotated[float, Field(gt=0, le=1000)] = 1e-3
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_epochs: Annotated[float, Field(ge=0)] = 0
    patience: Positive | None = Field(None, description="Stop after so many epochs without improvement.")
    loss: LossName | dict[str, LossName] | None = Field(
        None,
        description="What is minimized, for every output or by output name; the task's by default. as_compiled: the "
        "loss that the model was compiled with in its file or function.",
    )
    loss_weights: dict[str, Weight] = Field(
        default_factory=dict, description="Each output's weight in the loss, by output name; the task's, or 1."
    )
    label_smoothing: Fraction = Field(0.0, description="Of the cross entropies.")
    seed: Seed = Field(
        0, description="Of first weights, order and dropout; on one CPU, the same seed gives the same file."
    )
    strategy: Strategy = Field(
        "none", description="mirrored: all devices of this machine; multi_worker: the processes that TF_CONFIG names."
    )


class Distill(Section):
    """Learning from the float model's outputs beside the targets."""

    weight: Annotated[float, Field(gt=0, le=1)] = Field(0.5, description="The teacher's share of the loss.")
    temperature: Annotated[float, Field(gt=0)] = Field(
        2.0, description="Softens both sides' probabilities, of outputs that are classes."
    )


class Qat(Section):
    """Quantization-aware fine-tuning of the trained model."""

    epochs: Annotated[int, Field(gt=0, le=10**6)] = 4
    batch_size: Positive = 32
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: Annotated[float, Field(gt=0, le=1000)] = 1e-4
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_epochs: Annotated[float, Field(ge=0)] = 0
    patience: Positive | None = None
    loss: LossName | dict[str, LossName] | None = Field(
        None,
        description="As train.loss; what neither this nor the task gives a loss is distilled from the float model.",
    )
    loss_weights: dict[str, Weight] = Field(default_factory=dict, description="As train.loss_weights.")
    label_smoothing: Fraction = 0.0
    calibrate: bool = Field(True, description="Begin from ranges measured on the calibration examples.")
    freeze_batch_norm: bool = Field(True, description="Keep the float training's statistics.")
    batch_norm_epochs: Annotated[int, Field(ge=0)] = Field(
        0, description="Epochs in which batch norm still follows the batches, before its statistics are frozen."
    )
    range_epochs: Positive | None = Field(
        None, description="Epochs in which activation ranges follow the batches; then they stay. null: to the end."
    )
    distill: Distill | None = Field(None, description="Learn from the float model too; pays where data is scarce.")
    best_by: Literal["int8", "fake_quant"] = Field(
        "int8",
        description="Whose value of the task's first metric on the validation split chooses the epoch: the written "
        "model's, with its keep rules, or the simulation's (with a strategy always the latter's).",
    )
    configs: dict[str, str] = Field(
        default_factory=dict, description="Your QuantizeConfigs: layer name or class → module:Class."
    )
    seed: Seed = Field(0, description="As train.seed.")
    strategy: Strategy = Field("none", description="As train.strategy.")


class Keep(Section):
    """Operators of an int8 or int16x8 model that compute in another type than the rest."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    match: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="Shell pattern that fits the operator's name or layers in it; its whole name means it alone.",
    )
    type: Annotated[str, Field(min_length=1)] | None = Field(None, description="For example SOFTMAX.")
    to: Compute = Field("float32", alias="as", description="float16: weights in half, computed in float32.")

    @model_validator(mode="after")
    def _something(self) -> Keep:
        if self.match is None and self.type is None:
            raise ValueError("needs match (a pattern over names) or type (an operator), or both")
        return self

    def __str__(self) -> str:
        what = [self.match or "", *([f"type:{self.type}"] if self.type else [])]
        return f"{' '.join(filter(None, what))}={self.to}"


class Quantize(Section):
    """What is written as .tflite."""

    formats: tuple[Format, ...] = ("int8",)
    io: IoType = Field("int8", description="Type of the inputs and outputs of an int8 model.")
    keep: tuple[Keep, ...] = Field(
        (), description="Operators of the int8 and int16x8 formats to keep in float or int16; the later rule wins."
    )
    calibration: Calibration = Field(
        "auto", description="Range estimator of PTQ; auto tries them and keeps what agrees best with the float model."
    )
    percentile: Annotated[float, Field(gt=50, le=100)] = Field(99.99, description="Of the estimator of that name.")
    activations: Literal["asymmetric", "symmetric"] = Field(
        "asymmetric", description="symmetric: zero point 0 throughout, for accelerators that know no other."
    )
    ranges: Path | None = Field(
        None, description="A ranges.json to take instead of measuring; what it does not know is measured."
    )
    bias_correction: bool = Field(True, description="Take back the mean error that rounding brings to each layer.")
    equalize: bool | None = Field(None, description="Scale channels to fill their tensor's range; null: auto decides.")
    rounding: Literal["nearest", "learned"] | None = Field(
        None, description="learned: so that the layers' outputs change least; null: auto decides."
    )
    weight_scales: Literal["max", "mse"] = Field("max", description="By the largest weight or the least squared error.")
    work: Annotated[float, Field(gt=0)] = Field(
        6000,
        description="What auto may compute, in 10⁹ multiply-accumulates (some 30 a second on two cores); what helps "
        "least often is left out first.",
    )

    @model_validator(mode="before")
    @classmethod
    def _budget_in_seconds(cls, content: Any) -> Any:
        """`budget`, in seconds, is what `work` was before the choice no longer depended on the machine."""
        if not isinstance(content, Mapping) or "budget" not in content:
            return content
        own = {key: value for key, value in content.items() if key != "budget"}
        seconds = content["budget"]
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
            raise ValueError("budget was a number of seconds above 0; it is now work, in 10⁹ multiply-accumulates")
        return {"work": WORK_A_SECOND * seconds, **own}

    @model_validator(mode="after")
    def _ranges_of_this_network(self) -> Quantize:
        if self.ranges is not None and self.equalize:
            raise ValueError("ranges and equalize exclude each other: equalizing changes the ranges")
        return self


class Evaluate(Section):
    """Accuracy on the test split."""

    batch_size: Positive = 8
    threads: Threads = 2


class Benchmark(Section):
    """Latency on this host."""

    runs: Positive = 50
    warmup: Annotated[int, Field(ge=0)] = 5
    threads: Threads = 1
    xnnpack: bool = True


def _rung_names(rungs: Any) -> Any:
    """`hub` is what `prepared` was called before."""
    if not isinstance(rungs, dict) or "hub" not in rungs or "prepared" in rungs:
        return rungs
    return {"prepared" if name == "hub" else name: promise for name, promise in rungs.items()}


MAX_DROP = "What it may lose of the task's first metric, in its points: percentage points of a share such as top-1."


class RungPromise(Section):
    """What one rung of the ladder must keep of what it is compared with, the rung above it."""

    min_agreement: Share | None = Field(
        None, description="Mean agreement, 0 to 1; of classifiers the share of examples with the same answer."
    )
    max_drop: Points | None = Field(None, description=MAX_DROP)
    max_lsb: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Largest difference of two integer outputs, in steps of their scale."
    )
    min_sqnr_db: float | None = Field(None, description="Signal to noise ratio of the output that is worst off.")


class Verify(Section):
    """Promises that `pipeline verify` holds the int8 model to."""

    min_agreement: Share | None = Field(
        None, description="Of the int8 model under XNNPACK, as a phone runs it, with the float .tflite."
    )
    max_drop: Points | None = Field(None, description=f"{MAX_DROP} Against the float .tflite.")
    rungs: Annotated[dict[RungName, RungPromise], BeforeValidator(_rung_names)] = Field(
        {}, description="Promises of single rungs, by name."
    )
    tensor_sqnr_db: float = Field(
        20.0, description="An int8 activation diverges from the float one below this signal to noise ratio."
    )
    tensor_lsb: Annotated[int, Field(ge=0)] = Field(
        1, description="An activation diverges from that of other kernels beyond so many steps."
    )


class Recipe(Section):
    """A whole run."""

    name: Annotated[str, Field(pattern=f"^{RUN_NAME}$", max_length=MOST_OF_A_NAME)]
    description: str = ""
    task: str | dict[str, Any] = Field(
        "auto",
        description="What the model is for: auto, classification, multilabel, regression, reconstruction, embedding, "
        "sequence, detection, segmentation, keypoints, fidelity, or module:Class of your own; or a mapping with name "
        "and the task's options.",
    )
    model: Model
    data: Data = Data()
    train: Train | None = None
    qat: Qat | None = None
    quantize: Quantize = Quantize()
    evaluate: Evaluate = Evaluate()
    benchmark: Benchmark = Benchmark()
    verify: Verify = Verify()

    @model_validator(mode="after")
    def _together(self) -> Recipe:
        strategies = {section.strategy for section in (self.train, self.qat) if section is not None}
        if "multi_worker" in strategies and len(strategies) > 1:
            raise ValueError("train.strategy and qat.strategy must both be multi_worker, or neither")
        return self

    @property
    def trains(self) -> bool:
        """Whether the model learns from the data; else they only calibrate and judge it."""
        return self.qat is not None or (self.train is not None and self.train.epochs > 0)

    def digest(self, *sections: str) -> str:
        """SHA-256 over the given sections (all by default), as JSON with sorted keys."""
        content = self.model_dump(mode="json", include=set(sections) or None)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
