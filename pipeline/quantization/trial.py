"""Which of several measured candidates is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.statistics import paired_mean_difference

MARGIN_DB = 0.5


class Measured(Protocol):
    """What one candidate reached."""

    @property
    def sqnr_db(self) -> float: ...

    @property
    def agreed(self) -> NDArray[np.float64]: ...


Candidate = TypeVar("Candidate", bound=Measured)


def best_of(trials: Sequence[Candidate]) -> Candidate:
    """The first one that no later, less simple one beats.

    A later one beats the best so far where it agrees better with the float model by more than chance (the 95 % interval
    of the paired difference lies above 0), or where its signal to noise ratio, which every example informs, is higher
    by at least `MARGIN_DB` and its agreement is not worse by more than chance. Less is not worth a change to the
    network.
    """
    best = trials[0]
    for trial in trials[1:]:
        difference = paired_mean_difference(trial.agreed, best.agreed)
        clearer = best.sqnr_db < trial.sqnr_db and trial.sqnr_db >= best.sqnr_db + MARGIN_DB
        if difference.low > 0 or (clearer and difference.high >= 0):
            best = trial
    return best
