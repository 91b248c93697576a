"""QAT's ranges can be read and set by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError


@pytest.fixture
def aware() -> Any:
    from pipeline.training.qat.apply import quantize_aware
    from tests.tiny_keras import model

    return quantize_aware(model())


def add(aware: Any) -> str:
    """Keras numbers its layers through the whole process."""
    from pipeline.training.qat.range_variables import ranges

    return next(name for name in ranges(aware) if name.startswith("quant_add"))


def test_the_input_has_the_first_and_softmax_has_none(aware: Any) -> None:
    from pipeline.training.qat.range_variables import input_quantizers, ranges

    names = list(ranges(aware))
    assert list(input_quantizers(aware).values()) == names[:1]
    assert not any("softmax" in name or name == aware.layers[-1].name for name in names)


def test_a_range_that_was_set_holds_zero_and_weighs_as_a_batch(aware: Any) -> None:
    from pipeline.training.qat.range_variables import ranges, set_ranges

    set_ranges(aware, {add(aware): (1.0, 4.0)})
    assert ranges(aware)[add(aware)] == (0.0, 4.0)
    aware(np.zeros((2, 8, 8, 1), np.float32), training=True)
    assert ranges(aware)[add(aware)][1] < 4.0


def test_with_much_weight_it_hardly_moves(aware: Any) -> None:
    from pipeline.training.qat.range_variables import ranges, set_ranges

    set_ranges(aware, {add(aware): (0.0, 4.0)}, seen=1e6)
    aware(np.zeros((2, 8, 8, 1), np.float32), training=True)
    assert ranges(aware)[add(aware)][1] == pytest.approx(4.0, rel=0.02)


def test_the_inputs_range_only_widens(aware: Any) -> None:
    from pipeline.training.qat.range_variables import input_quantizers, ranges

    for low, high in ((-0.5, 0.25), (-0.1, 0.5), (0.0, 0.1)):
        aware(np.linspace(low, high, 64, dtype=np.float32).reshape(1, 8, 8, 1), training=True)
    np.testing.assert_allclose(ranges(aware)[next(iter(input_quantizers(aware).values()))], (-0.5, 0.5))


def test_an_unknown_name_is_refused(aware: Any) -> None:
    from pipeline.training.qat.range_variables import set_ranges

    with pytest.raises(InputError, match="'nobody'"):
        set_ranges(aware, {"nobody": (0.0, 1.0)})
