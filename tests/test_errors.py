"""What other people's code raises becomes one paragraph; what is the project's own, or the user's wish, passes."""

from __future__ import annotations

import sys

import pytest

from pipeline.errors import InputError, PipelineError, as_input_error


@pytest.mark.parametrize(
    "raised", [EOFError(), OverflowError("too\nlarge"), SystemExit(3), RecursionError(), KeyError(1)]
)
def test_whatever_is_raised_is_said_in_one_line(raised: BaseException) -> None:
    with pytest.raises(InputError) as caught, as_input_error(lambda why: f"'model.h5': {why}."):
        raise raised
    assert str(caught.value).startswith(f"'model.h5': {type(raised).__name__}")
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is raised


@pytest.mark.parametrize(("most", "length"), [(300, 300), (None, 1000)])
def test_a_long_message_is_cut_unless_it_is_read(most: int | None, length: int) -> None:
    with pytest.raises(InputError) as caught, as_input_error(lambda why: why, most):
        raise ValueError("x" * 1000)
    assert str(caught.value) == f"ValueError: {'x' * length}"


@pytest.mark.parametrize("raised", [PipelineError("known"), InputError("known"), KeyboardInterrupt(), MemoryError()])
def test_what_is_known_passes(raised: BaseException) -> None:
    with pytest.raises(type(raised)) as caught, as_input_error(lambda why: "never"):
        raise raised
    assert caught.value is raised


def test_a_module_that_ends_the_program_is_no_success(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    from pipeline import importing

    (tmp_path / "ends_the_program.py").write_text("import sys; sys.exit(0)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ImportError, match="ends the program"):
        importing.module("ends_the_program")
    assert "ends_the_program" not in sys.modules
