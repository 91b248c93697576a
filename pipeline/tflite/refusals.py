"""What to say of a model that LiteRT does not take, by what it was about to do."""

from __future__ import annotations

from pipeline.errors import InputError, one_line
from pipeline.tflite.dry_run import MOST_MEMORY
from pipeline.tflite.dry_run_process import ALLOCATING, LOADING, NAMING


class NoReferenceKernelError(InputError):
    """TFLite's reference kernels are fewer than its own: they lack ELU and the newest version of TILE, for example."""


def refusal(name: str, at: str, why: object, *, kernels: str, batch: int | None, resized: bool) -> InputError:
    """The error to raise.

    Args:
        name: What messages call the model.
        at: `LOADING`, `NAMING`, `RESIZING` or `ALLOCATING`.
        why: What LiteRT said.
        kernels: One of :data:`pipeline.tflite.kernels.Kernels`.
        batch: Examples in one call, where that was asked for.
        resized: Whether the inputs had got other shapes by then.
    """
    if at == LOADING:
        return _not_loaded(name, why, kernels)
    if at == NAMING:
        return InputError(
            f"{name} names an input or output in bytes that are no UTF-8: it is damaged. Make or copy it again. "
            f"({one_line(why)})"
        )
    if batch is not None and resized:
        return fixed_batch(name, batch, one_line(why))
    if at == ALLOCATING:
        return InputError(
            f"{name} cannot be made ready: an operator is unknown to LiteRT, its tensors do not fit, or they take more "
            f"than {MOST_MEMORY / 1e9:.1f} GB. (LiteRT: {one_line(why)})"
        )
    return InputError(f"{name} cannot take inputs of the shape that it was given ({one_line(why)}).")


def fixed_batch(name: str, batch: int, why: str) -> InputError:
    """The error to raise where a model runs with another batch only."""
    return InputError(
        f"{name} cannot run {batch} examples at a time: its graph fixes the batch ({why}). Run it with the batch it "
        "was written with."
    )


def _not_loaded(name: str, why: object, kernels: str) -> InputError:
    if "Didn't find op" in str(why) and kernels == "reference":
        return NoReferenceKernelError(
            f"{name} holds an operator that TFLite's reference kernels lack; its other kernels may have it. (LiteRT: "
            f"{one_line(why)})"
        )
    if "Didn't find op" in str(why):
        return InputError(
            f"{name} holds an operator, or a version of one, that this LiteRT does not have: convert it for an older "
            f"TensorFlow, or take a newer ai-edge-litert. (LiteRT: {one_line(why)})"
        )
    if "invalid quantization parameters" in str(why):
        return InputError(
            f"{name} has scales or zero points that this LiteRT refuses; releases before it may have run it. Convert "
            f"it again, with a newer converter. (LiteRT: {one_line(why)})"
        )
    return InputError(
        f"{name} is not a .tflite model, or is cut short or damaged. Make or copy it again. (LiteRT: {one_line(why)})"
    )
