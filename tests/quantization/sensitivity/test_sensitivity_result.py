"""What an analysis found: the order, and JSON that any reader takes."""

from __future__ import annotations

import json
import math

from pipeline.quantization.sensitivity.sensitivity_result import OperatorError, Sensitivity


def operator(name: str, output_db: float, own_db: float = 30.0) -> OperatorError:
    return OperatorError(0, f"net/{name}", name, "CONV_2D", own_db, 0.5, output_db, None)


def test_the_models_output_decides_then_the_operators_own() -> None:
    found = Sensitivity(
        (
            operator("unchanged", math.inf),
            operator("good", 40),
            operator("tied_but_good", 10, 50),
            operator("tied", 10, 20),
            operator("lost", -math.inf),
        ),
        1,
        ("y",),
    )
    assert [entry.short for entry in found.worst_first()] == ["lost", "tied", "tied_but_good", "good", "unchanged"]
    assert [entry["short"] for entry in found.to_json()["operators"]] == [e.short for e in found.worst_first()]


def test_an_infinite_ratio_is_null_in_json() -> None:
    found = Sensitivity((operator("a", math.inf, math.inf), operator("b", -math.inf)), 3, ("y", "z"))
    read = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert [entry["output_sqnr_db"] for entry in read["operators"]] == [None, None]
    assert (read["examples"], read["outputs"]) == (3, ["y", "z"])
    assert read["operators"][0]["sqnr_db"] == 30.0
    assert read["operators"][0]["name"] == "net/b"
