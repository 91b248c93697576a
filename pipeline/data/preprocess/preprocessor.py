"""What every preprocessor has in common."""

from __future__ import annotations

from typing import Any, Protocol

from pipeline.tensors import Array


class Preprocessor(Protocol):
    """From a stored example to what the model is fed, the same wherever the model is used."""

    @property
    def statistics_axis(self) -> int | None:
        """The axis of the result whose entries are standardized each by its own mean; None: all by the same."""

    def __call__(self, raw: Array) -> Array:
        """Preprocess one stored example.

        Raises:
            InputError: it is not what this preprocessor is for.
        """
        ...

    def output_shape(self, raw_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape after preprocessing, without a batch.

        Raises:
            InputError: it is not what this preprocessor is for.
        """
        ...

    def describe(self) -> dict[str, Any]:
        """What is done, as JSON: enough to do it again in another language. `kind` says what it is for: image, audio,
        table, window, tokens or values."""
        ...
