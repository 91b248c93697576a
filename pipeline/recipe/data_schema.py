"""The recipe's `data` section: where the examples are, what of them is input and target, how they are prepared."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from pipeline import limits

Positive = Annotated[int, Field(gt=0, le=10**9)]
"""A count; more than anybody means is a slip."""
Side = Annotated[int, Field(gt=0, le=2**15)]
"""Of an image, in pixels."""
Batch = Annotated[int, Field(gt=0, le=10**6)]
Number = Annotated[float, Field(ge=-1e9, le=1e9)]
"""What float32 keeps apart from its neighbours and multiplies without leaving its range."""
Fraction = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]

Seed = Annotated[int, Field(ge=0, lt=2**31)]
"""What NumPy, Python and TensorFlow all take."""
SMALLEST_STD = 1e-6
LONGEST_TEXT = 4096
"""Characters: of a path, and more than any name or pattern."""


def _possible(path: Path) -> Path:
    if len(str(path)) > LONGEST_TEXT or any(len(part.encode(errors="surrogateescape")) > 255 for part in path.parts):
        raise ValueError("no file system takes a path of such a length")
    if "\0" in str(path):
        raise ValueError("no path has a zero in it")
    return path


def _as_path(given: Any) -> Any:
    """A name of any bytes, which pydantic's strings of a limited length are not."""
    return Path(given) if isinstance(given, str) else given


FilePath = Annotated[Path, BeforeValidator(_as_path), AfterValidator(_possible)]

TargetKind = Literal["class", "value", "multilabel", "sequence", "boxes", "mask", "points"]
"""What a target says: the index of a class, numbers, a 0/1 for each label, a row of class indices (padded); or where
things are in the image: boxes of classes, the class of each pixel, or named points."""
LOCATED: tuple[TargetKind, ...] = ("boxes", "mask", "points")
"""The kinds that go where the image goes."""
Byte = Annotated[int, Field(ge=0, le=255)]
Colour = tuple[Byte, Byte, Byte]


class Section(BaseModel):
    """A part of a recipe: its keys are known, its values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_max_length=LONGEST_TEXT)


class Preprocess(Section):
    """What happens to a stored example before the model sees it; the same in training, calibration, evaluation."""

    size: tuple[Side, Side] | None = Field(None, description="[height, width]; as stored by default.")
    resize: Literal["nearest", "bilinear", "bicubic", "lanczos", "area"] = "bilinear"
    fit: Literal["stretch", "crop", "pad"] = Field(
        "stretch", description="What keeps the target's shape: stretch, centre crop, or pad (letterbox)."
    )
    padding: Byte = Field(0, description="The grey that fit: pad fills up with: 0 is black, 114 is YOLO's.")
    channels: Literal[1, 3] | None = Field(None, description="Grey to RGB or back; as stored by default.")
    scale: Literal["-1..1", "0..1", "raw", "mean_std"] = Field(
        "raw", description="x/127.5 − 1, x/255, x, or (x − mean)/std with mean and std in stored units."
    )
    mean: tuple[Number, ...] | None = None
    std: tuple[Number, ...] | None = None

    @model_validator(mode="after")
    def _mean_and_std(self) -> Preprocess:
        if (self.scale == "mean_std") != (self.mean is not None and self.std is not None):
            raise ValueError("mean and std go with scale: mean_std, and it needs both")
        if self.padding and self.fit != "pad":
            raise ValueError(f"padding goes with fit: pad, and this is fit: {self.fit}")
        if self.size is not None and self.size[0] * self.size[1] > limits.IMAGE_PIXELS:
            raise ValueError(f"size has more than {limits.IMAGE_PIXELS:,} pixels, and no larger images are read")
        if self.std is not None and any(value < SMALLEST_STD for value in self.std):
            raise ValueError(f"std must be at least {SMALLEST_STD:g}: what is divided by less leaves float32")
        return self


class Audio(Section):
    """From a waveform to the features that the model takes; the same in training, calibration, evaluation."""

    sample_rate: Annotated[int, Field(gt=0, le=limits.SAMPLE_RATE)] = Field(
        16_000, description="Hz; what is stored at another rate is resampled."
    )
    seconds: Annotated[float, Field(gt=0, le=86_400)] = Field(
        1.0, description="Longer recordings lose their end, shorter ones get zeros there."
    )
    features: Literal["waveform", "log_mel", "mfcc"] = "log_mel"
    frame_ms: Annotated[float, Field(gt=0, le=10**5)] = Field(32.0, description="Length of a frame (Hann window).")
    hop_ms: Annotated[float, Field(gt=0, le=10**5)] = Field(
        16.0, description="From the start of a frame to the next one's."
    )
    fft: Annotated[int, Field(gt=0, le=2**20)] | None = Field(
        None, description="Points of the FFT; the next power of two of a frame by default."
    )
    mels: Annotated[int, Field(gt=0, le=4096)] = Field(40, description="Bands of the mel filter bank.")
    coefficients: Annotated[int, Field(gt=0, le=4096)] = Field(13, description="MFCCs kept, the 0th included.")
    fmin: Annotated[float, Field(ge=0, le=limits.SAMPLE_RATE)] = Field(
        20.0, description="Lower end of the lowest band in Hz."
    )
    fmax: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Upper end of the highest band in Hz; half the sample rate by default."
    )
    mel_scale: Literal["htk", "slaney"] = Field(
        "htk", description="HTK's 2595·log10(1 + f/700), peaks of 1; or Slaney's (librosa), bands of equal area."
    )
    log_floor: Annotated[float, Field(gt=0, le=1e6)] = Field(
        1e-6, description="Added to a band's energy before the logarithm."
    )
    channels: bool = Field(False, description="A last axis of 1, as Conv2D (or Conv1D on a waveform) takes it.")

    @model_validator(mode="after")
    def _sensible(self) -> Audio:
        if self.sample_rate * self.seconds > limits.RECORDING_SAMPLES:
            raise ValueError(f"sample_rate times seconds are more than {limits.RECORDING_SAMPLES:,} samples")
        if self.features == "waveform":
            return self
        top = self.fmax if self.fmax is not None else self.sample_rate / 2
        if top > self.sample_rate / 2:
            raise ValueError(f"fmax of {top:g} Hz is above half the sample rate, {self.sample_rate / 2:g} Hz")
        if self.fmin >= top:
            raise ValueError(f"fmin of {self.fmin:g} Hz is not below fmax, {top:g} Hz")
        if self.frame_ms > 1000 * self.seconds:
            raise ValueError("frame_ms is longer than seconds")
        frame = round(self.sample_rate * self.frame_ms / 1000)
        if frame < 2 or round(self.sample_rate * self.hop_ms / 1000) < 1:
            raise ValueError("frame_ms or hop_ms is shorter than a sample")
        if self.fft is not None and self.fft < frame:
            raise ValueError(f"fft of {self.fft} points is shorter than a frame of {frame} samples")
        if self.features == "mfcc" and self.coefficients > self.mels:
            raise ValueError(f"there are at most as many coefficients as mels, {self.mels}")
        return self


class Window(Section):
    """How time series are cut into examples."""

    length: Positive = Field(description="Steps of a window.")
    stride: Positive = Field(1, description="Steps from the start of a window to the next one's.")
    horizon: Annotated[int, Field(ge=0, le=10**9)] = Field(
        0, description="Where a target is taken: so many steps after the window's last one."
    )


class SplitBy(Section):
    """Splits of whole groups: what belongs together (a speaker, a take) is in one split."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    group: str = Field(description="A named group of data.label_pattern, or a column of the CSV.")
    test: tuple[str | int, ...] | None = Field(
        None, description="Values whose examples are the test split; by default drawn at random until data.test."
    )
    validation: tuple[str | int, ...] | None = Field(
        None, description="The same for the validation split and data.validation."
    )

    @model_validator(mode="after")
    def _apart(self) -> SplitBy:
        both = {str(value) for value in self.test or ()} & {str(value) for value in self.validation or ()}
        if both:
            raise ValueError(f"'{min(both)}' is in test and in validation")
        return self


class _Named(Section):
    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True, coerce_numbers_to_str=True)

    stored: str | None = Field(
        None, alias="from", description="The stored array, or the CSV's column; that of the same name by default."
    )
    columns: tuple[str, ...] | None = Field(None, min_length=1, description="Columns of a table, in this order.")
    preprocess: Preprocess | None = Field(None, description="data.preprocess by default, where it is images.")


class Input(_Named):
    """One of the model's inputs."""

    audio: Audio | None = Field(None, description="data.audio by default, where it is audio files.")
    standardize: bool | None = Field(
        None,
        description="(x − mean)/std of the training split, for each of the last axis; by default of tables alone.",
    )
    dtype: Literal["float32", "float16", "uint8", "int8", "int16", "int32", "int64", "bool"] | None = Field(
        None, description="What the model is fed; by default float32, but integers, bool and float16 as stored."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Input:
        if self.preprocess is not None and self.audio is not None:
            raise ValueError("takes preprocess or audio, not both")
        return self


class Target(_Named):
    """One of the things that are known about an example."""

    kind: TargetKind | None = Field(
        None,
        description="class: an index or a name; value: numbers of any shape; multilabel: 0/1 for each label; "
        "sequence: class indices with padding; boxes, mask, points: what the image shows, and where. By default whole "
        "numbers are classes, other numbers values.",
    )
    copy_of: str | None = Field(None, description="The input of this name as the model is fed it: an autoencoder's.")
    standardize: bool = Field(False, description="Of values: (y − mean)/std of the training split.")
    padding: Annotated[int, Field(ge=-(2**31), lt=2**31)] = Field(
        -1, description="What fills sequences of different lengths up."
    )
    invalid: Literal["fail", "skip", "clip"] = Field(
        "fail",
        description="Boxes that are reversed, empty or outside of the image: refuse them, leave them out, or set them "
        "right where that is possible (corners swapped, what is outside cut off).",
    )
    min_visible: Share = Field(
        0.1, description="A box of which a crop or an augmentation leaves less than this share in sight is left out."
    )
    ignore: Byte | Colour | None = Field(
        None, description="The index or the colour of a mask's pixels that count for nothing, often 255."
    )
    colours: dict[str, Colour] | None = Field(
        None, min_length=1, description="Class name → [red, green, blue], in the order of the classes, of colour masks."
    )
    flip_pairs: tuple[tuple[int | str, int | str], ...] = Field(
        (), description="Points that augment.flip swaps, by index or name: left and right eye."
    )

    @model_validator(mode="after")
    def _sensible(self) -> Target:
        beside = self.model_dump(exclude={"copy_of"}, exclude_defaults=True)
        if self.copy_of is not None and beside:
            raise ValueError("copy_of stands alone: the target is what the input is")
        if self.standardize and self.kind not in (None, "value"):
            raise ValueError(f"standardize is for values, not for kind: {self.kind}")
        colours = list((self.colours or {}).values())
        if len({*colours, self.ignore}) < len(colours) + 1:
            raise ValueError("colours: every class, and ignore, needs a colour of its own")
        return self


class Augment(Section):
    """Random changes to training images only."""

    flip: bool = Field(False, description="Left–right, half of the time.")
    shift: Annotated[float, Field(ge=0, le=0.5)] = Field(0.0, description="Up to this share of the size.")
    scale: Annotated[float, Field(ge=0, le=3)] = Field(
        0.0, description="In and out by a factor of up to 1 + this, to a place at random: 0.5 is 2/3 to 3/2."
    )
    colour: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Brightness, contrast and saturation, each by a factor of 1 ± up to this."
    )
    fill: Literal["edge", "mean"] = Field(
        "edge",
        description="What comes in where shift and scale leave room: the edge again, or the image's mean colour, which "
        "draws no objects out that a detector has to find.",
    )

    @property
    def changes(self) -> bool:
        """Whether anything is changed at all."""
        return bool(self.flip or self.shift or self.scale or self.colour)


_SOURCE_OF = {".csv": "csv", ".npz": "npz", ".npy": "npz", ".json": "coco", ".yaml": "yolo", ".yml": "yolo"}
"""What a file of data is read as, by its suffix."""


class Data(Section):
    """Where the examples are and how they are split."""

    source: str = Field(
        "digits",
        description="folder | csv | npz | coco | voc | yolo | masks | keras:NAME | tfds:NAME | module:function | "
        "embedded: digits, digits_halves, digit_scenes, digit_scenes_masks, diabetes, wine, breast_cancer, photos, "
        "tones, waves, sentences",
    )
    path: FilePath | None = Field(None, description="The folder, CSV, NPZ or NPY file; without a source it says which.")
    annotations: FilePath | dict[str, FilePath] | None = Field(
        None,
        description="Where coco's JSON, voc's XML or the masks are, as a path in data.path or elsewhere, or one a "
        "split; found by their usual names by default.",
    )
    labels: FilePath | None = Field(None, description="A text file with one class name a line.")
    header: bool = Field(
        True, description="Whether the CSV's first line names its columns; without one they are called 0, 1, …."
    )
    label_pattern: str | None = Field(
        None,
        description="For a folder without a folder a class: a regular expression of the file's name without its "
        "extension, with a group called label: '(?P<label>\\d)_(?P<speaker>\\w+)_(?P<take>\\d+)'.",
    )
    inputs: dict[str, Input] | None = Field(
        None, min_length=1, description="The model's inputs by name; the source's by default, called x where it is one."
    )
    targets: dict[str, Target] | None = Field(
        None, description="The targets by name; the source's by default, called y where it is one. {}: none."
    )
    preprocess: Preprocess = Preprocess()
    audio: Audio = Audio()
    window: Window | None = Field(None, description="Cut time series, [steps, features], into examples.")
    augment: Augment = Augment()
    split_by: SplitBy | None = None
    test: Fraction = Field(0.2, description="Share held out for the test where the source has no test split.")
    validation: Fraction = Field(0.1, description="Share of the training examples.")
    calibration: Positive = Field(
        200, description="Examples of the representative dataset, of which calibration_share says where from."
    )
    calibration_share: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        description="Of the training examples at most so many; null: a fifth, and where nothing is trained as many as "
        "there are, those of the validation and the test split too where they were taken out of the training examples.",
    )
    limit: Positive | None = Field(None, description="Use at most so many examples of each split.")
    seed: Seed = 0
    on_corrupt: Literal["fail", "skip"] = "fail"

    @model_validator(mode="before")
    @classmethod
    def _source_of_path(cls, content: Any) -> Any:
        """A path without a source is read as what it is."""
        path = content.get("path") if isinstance(content, Mapping) else None
        if path is None or "source" in content:
            return content
        kind = _SOURCE_OF.get(Path(str(path)).suffix.lower(), "folder")
        return {**content, "source": kind}

    @model_validator(mode="after")
    def _together(self) -> Data:
        if self.window is not None and self.split_by is not None:
            raise ValueError("window and split_by exclude each other: windows are split by time, or by their series")
        if self.label_pattern is not None:
            try:
                groups = re.compile(self.label_pattern).groupindex
            except re.error as error:
                raise ValueError(f"label_pattern is no regular expression: {error}") from error
            if "label" not in groups:
                raise ValueError("label_pattern has no group called label: (?P<label>…)")
        return self
