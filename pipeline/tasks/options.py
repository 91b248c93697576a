"""A task's options as a recipe gives them: known by name, in their bounds, of their types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from pipeline.errors import InputError, did_you_mean


def options_of(kind: type, without: Iterable[str] = ()) -> dict[str, tuple[Any, Any]]:
    """The fields of a dataclass as pydantic takes them: name → (type, default)."""
    hints, left_out = get_type_hints(kind, include_extras=True), set(without)
    return {
        field.name: (hints[field.name], ... if field.default is MISSING else field.default)
        for field in fields(kind)
        if field.name not in left_out
    }


def read_options(
    what: str, known: Mapping[str, tuple[Any, Any]], options: Mapping[str, Any], where: str = "task"
) -> dict[str, Any]:
    """The given ones, checked.

    Args:
        what: Whose they are, for messages: `task regression`.
        known: As :func:`options_of` gives them.
        options: Of the recipe.
        where: Their section in it.

    Raises:
        InputError: an unknown option (with the nearest one), one that is missing, of another type or out of its bounds.
    """
    for key in options:
        if key not in known:
            raise InputError(f"The {what} has no option '{key}'.{did_you_mean(key, known)}")
    checked: type[BaseModel] = create_model(  # type: ignore[call-overload]
        "Options", __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **known
    )
    try:
        return checked.model_validate(dict(options)).model_dump(include=set(options))
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "missing" and len(first["loc"]) == 1:
            raise InputError(f"The {what} needs the option '{first['loc'][0]}', which is not given.") from None
        same = [problem for problem in error.errors() if problem["loc"][0] == first["loc"][0]]
        # Of several kinds of value that an option may be, pydantic says of each why it is not that.
        key = ".".join(map(str, first["loc"] if len(same) == 1 else first["loc"][:1]))
        said = dict.fromkeys(problem["msg"].rstrip(".") for problem in same)
        wrong = " or ".join(one[0].lower() + one[1:] for one in said)
        given = first["input"] if len(same) == 1 else options[str(first["loc"][0])]
        raise InputError(f"{where}.{key}: {wrong}, not {given!r}.") from None
