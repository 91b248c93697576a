"""`pipeline.run`: a whole recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.progress import Track, quiet
from pipeline.recipe import Recipe
from pipeline.text_table import size, text_table
from pipeline.workflow.context import silent

if TYPE_CHECKING:
    from pipeline.api.model import Model


@dataclass(frozen=True)
class RunResult:
    """What a run made."""

    folder: Path
    """Where everything of it lies."""
    metrics: dict[str, Any]
    """As in `metrics.json`: a block a model, and the host's. Empty in a worker that is not the chief."""

    def path(self, name: str) -> Path:
        """A file of it, for example `int8.tflite`."""
        return self.folder / name

    def model(self, name: str = "int8") -> Model:
        """A model of it, opened.

        Raises:
            InputError: it has none of that name.
        """
        from pipeline.api.model import Model

        return Model(self.path(f"{name}.tflite"))

    def to_json(self) -> dict[str, Any]:
        return {"folder": str(self.folder), "metrics": self.metrics}

    def __str__(self) -> str:
        blocks = {name: block for name, block in self.metrics.items() if isinstance(block, dict) and "n" in block}
        if not blocks:
            return f"{self.folder}/"
        metric = next((one["name"] for one in self.metrics["task"]["metrics"]), None)
        rows = [
            [
                name,
                "–" if metric is None or block.get(metric) is None else f"{block[metric]:.4g}",
                "–" if block.get("agreement") is None else f"{100 * block['agreement']:.1f} %",
                size(block["size_bytes"]),
                # A simulation's time says nothing about the model that it stands for.
                "–" if name == "qat" else f"{block['latency_p50_ms']:.3g} ms",
            ]
            for name, block in blocks.items()
        ]
        return f"{text_table(['model', metric or 'metric', 'agreement', 'size', 'p50'], rows)}\n{self.folder}/"


def run(
    recipe: str | Path | Recipe,
    overrides: Sequence[str] = (),
    *,
    ptq: bool = False,
    name: str | None = None,
    track: Track = quiet,
    say: Callable[[str], None] = silent,
) -> RunResult:
    """Train, quantize, export, audit and measure, as `pipeline run` does.

    What an earlier call finished, from the same recipe and data, is not done again.

    Args:
        recipe: Its name, its file, or itself (`load_recipe`).
        overrides: Settings laid over it: `["train.epochs=3"]`.
        ptq: Leave the QAT out.
        name: Of the folder under `runs/` (or what PIPELINE_RUNS names); by default the recipe's, with `ptq` and `-ptq`.
        track: Progress, for example `pipeline.progress.bar`.
        say: Told in a line what each stage did, for example `print`.

    Raises:
        InputError: the recipe, its data or its model cannot be used.
        PipelineError: a stage failed, or a file is not what its name promises.

    Example:
        >>> print(run("mobilenet", ["train.epochs=3"], ptq=True))  # doctest: +SKIP
    """
    from pipeline.workflow.context import start_run
    from pipeline.workflow.stages import run_recipe

    given = str(recipe) if isinstance(recipe, Path) else recipe
    context = start_run(given, overrides, name, ptq=ptq, track=track, say=say)
    return RunResult(context.run.folder, run_recipe(context, ptq=ptq))
