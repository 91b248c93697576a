"""An input that comes out again, cleaned, enlarged or as it was: squared error, PSNR, SSIM; AUC of anomalies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.errors import InputError
from pipeline.tasks.similarity import WINDOW, area_under_curve, structural_similarity
from pipeline.tasks.single_output import (
    SingleOutputTask,
    check_count,
    check_numbers,
    find,
    relative_agreement,
    same_shape,
)
from pipeline.tasks.task import Metric
from pipeline.tensors import OPEN, Batch, Signature, Tensors, TensorSpec, show_shape

MSE = Metric("mse", "squared error", higher_is_better=False)
PSNR = Metric("psnr", "PSNR", "dB")
SSIM = Metric("ssim", "SSIM")
AUC = Metric("auc", "AUC", "%")
_MSE, _SSIM, _ANOMALY = range(3)


@dataclass(frozen=True, kw_only=True)
class Reconstruction(SingleOutputTask):
    """Values of any shape, and a target of the same: the data's (denoising, super-resolution), else the model's input.

    - `mse`: the mean squared error over all values.
    - `psnr`: the mean over examples of 10 · log₁₀(data_range² / mse). Only where `data_range` is known; it decides
      then.
    - `ssim`: of images [B, H, W, C] of at least 11 pixels a side, where `data_range` is known.
    - `auc`: of the squared error as a score of anomaly; only where `anomaly` names a target of 0 (normal) and 1
      (anomaly), [B]. It decides then, and the others are over the normal examples alone.

    Example:
        >>> task = Reconstruction(output=TensorSpec("y", (-1, 2), np.dtype(np.float32)), source="x", data_range=1.0)
        >>> found = task.reduce(task.statistics({"y": np.array([[0.0, 0.2]])}, {"x": np.array([[0.0, 0.0]])}))
        >>> round(found["mse"], 4), round(found["psnr"], 2)
        (0.02, 16.99)
    """

    name = "reconstruction"
    source: str | None = None
    """The input that is to come out again, where there is no target of the output's shape."""
    data_range: Annotated[float, Field(gt=0)] | None = None
    """The highest value that the target can have less the lowest, for PSNR and SSIM: 1 for 0..1, 2 for −1..1."""
    anomaly: str | None = None
    """The target that says of each example whether it is an anomaly."""

    losses_known = ("mse", "mae", "huber")

    def _metrics(self) -> tuple[Metric, ...]:
        found: tuple[Metric, ...] = (MSE,)
        if self.data_range is not None:
            found = (PSNR, SSIM, MSE) if self._is_image else (PSNR, MSE)
        return found if self.anomaly is None else (AUC, *found)

    @property
    def _is_image(self) -> bool:
        sides = self.output.shape[1:3]
        return len(self.output.shape) == 4 and all(side == OPEN or side >= WINDOW for side in sides)

    def check(self, model: Signature, targets: Mapping[str, TensorSpec]) -> None:
        output = find(self.output.name, {spec.name: spec for spec in model.outputs}, "reconstruction", "output")
        if self.target is not None:
            wanted = find(self.target, targets, "reconstruction", "target") if targets else self._target_spec(targets)
            self._check_target(wanted, output)
        elif self.source is None:
            raise InputError(
                f"Reconstruction needs what the output '{output.name}' {show_shape(output.shape)} is compared with: a "
                "target or an input of its shape, and the data has neither."
            )
        if self.anomaly is not None and self.anomaly not in targets:
            find(self.anomaly, {**targets, "": output}, "reconstruction", "target")

    def _check_output(self, output: TensorSpec) -> None:
        """Any numbers will do."""

    def _check_target(self, target: TensorSpec, output: TensorSpec) -> None:
        if not same_shape(target.shape[1:], output.shape[1:]):
            raise InputError(
                f"Reconstruction compares values of the same shape: the model's output '{output.name}' is "
                f"{show_shape(output.shape)}, and '{target.name}' is {show_shape(target.shape)}."
            )

    def targets_of(self, batch: Batch) -> Tensors:
        """The target, or the input that stands for it; and the labels of anomalies."""
        if self.target is None:
            name = self.source or ""
            wanted = {name: find(self.source, batch.inputs, "reconstruction", "input")}
        else:
            wanted = {self.target: find(self.target, batch.targets, "reconstruction", "target")}
        if self.anomaly is not None:
            wanted[self.anomaly] = find(self.anomaly, batch.targets, "reconstruction", "target")
        return wanted

    def statistics(self, outputs: Tensors, targets: Tensors) -> NDArray[np.float64]:
        """[B, 3]: the squared error, the SSIM (NaN where there is none), and whether it is an anomaly."""
        given = self._read(outputs)
        check_numbers(given, self.output.name, finite=True)
        wanted = self._wanted(targets)
        check_count(wanted, len(given), f"'{self.target or self.source}'")
        if given.shape != wanted.shape:
            raise InputError(
                f"The model's output '{self.output.name}' is {show_shape(given.shape)}, and what it is compared with "
                f"{show_shape(wanted.shape)}."
            )
        flat = (wanted.astype(np.float64) - given).reshape(len(given), -1)
        statistics = np.full((len(given), 3), np.nan)
        statistics[:, _MSE] = np.square(flat).mean(axis=1)
        statistics[:, _ANOMALY] = self._anomalies(targets, len(given))
        if SSIM in self._metrics():
            self._check_range(wanted)
            if min(wanted.shape[1:3]) < WINDOW:
                raise InputError(
                    f"SSIM needs images of at least {WINDOW} pixels a side, and a batch holds "
                    f"{show_shape(wanted.shape)}. Use larger images, or leave data_range out of the task."
                )
            statistics[:, _SSIM] = structural_similarity(wanted, given, self.data_range or 1.0)
        return statistics

    def _wanted(self, targets: Tensors) -> NDArray[Any]:
        own = {name: array for name, array in targets.items() if name != self.anomaly}
        wanted = np.asarray(find(self.target or self.source, own, "reconstruction", "target"))
        if not np.isfinite(wanted).all():
            raise InputError("What the outputs are compared with holds NaN or infinity. Look at the data.")
        return wanted

    def _check_range(self, wanted: NDArray[Any]) -> None:
        spread = float(wanted.max()) - float(wanted.min()) if wanted.size else 0.0
        if self.data_range is not None and spread > 1.01 * self.data_range:
            raise InputError(
                f"The task's data_range is {self.data_range:g}, and the values of a batch range over {spread:g}. Write "
                "the highest value that they can have less the lowest, for example 2 for −1..1."
            )

    def _anomalies(self, targets: Tensors, examples: int) -> NDArray[Any]:
        if self.anomaly is None:
            return np.zeros(examples)
        labels = np.asarray(targets[self.anomaly]).reshape(-1)
        check_count(labels, examples, f"'{self.anomaly}'")
        if not np.isin(labels, (0, 1)).all():
            raise InputError(
                f"The target '{self.anomaly}' is to say 0 (normal) or 1 (anomaly) of each example; it holds "
                f"{labels.min():g} to {labels.max():g}."
            )
        return labels

    def reduce(self, statistics: NDArray[Any]) -> dict[str, float]:
        anomaly = statistics[:, _ANOMALY] > 0
        normal = statistics[~anomaly]
        errors = normal[:, _MSE]
        found = {"mse": float(errors.mean()) if len(errors) else float("nan")}
        if self.data_range is not None:
            with np.errstate(divide="ignore"):
                ratios = 10 * np.log10(self.data_range**2 / errors)
            found["psnr"] = float(ratios.mean()) if len(ratios) else float("nan")
        if SSIM in self._metrics():
            found["ssim"] = float(normal[:, _SSIM].mean()) if len(normal) else float("nan")
        if self.anomaly is not None:
            found["auc"] = area_under_curve(statistics[:, _MSE], anomaly)
        return {metric.name: found[metric.name] for metric in self._metrics()}

    def agreement(self, reference: Tensors, other: Tensors) -> NDArray[np.float64]:
        """1 − ‖reference − other‖ / ‖reference‖, clipped to 0..1."""
        return relative_agreement(self._read(reference), self._read(other))

    def training_targets(self, targets: Tensors) -> dict[str, NDArray[Any]]:
        return {self.output.name: self._wanted(targets).astype(np.float32)}
