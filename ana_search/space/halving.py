"""Successive halving that lets nothing pass its first rung before there is something to compare it with."""

from typing import Any

from optuna import Study
from optuna.pruners import SuccessiveHalvingPruner
from optuna.trial import FrozenTrial

__all__ = ["PatientHalving"]


class PatientHalving(SuccessiveHalvingPruner):
    """Optuna's successive halving, but for the first ``alone`` trials, which end at the first rung.

    Optuna decides about a trial as soon as it has a rung's result. The first trial of a study is then the best of its
    rung whatever it is worth, and trains to the end; so does every early one that happens to be better than those
    before it. Their epochs are those of a dozen and more first rungs (measured: `benchmarks/fidelity.py`).

    Args:
        first: step of the first rung.
        alone: how many trials only serve as the standard for those after them.
        options: of Optuna's pruner.
    """

    def __init__(self, first: int, alone: int, **options: Any) -> None:
        super().__init__(min_resource=first, **options)
        self._first, self._alone = first, alone

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether the trial ends at the rung that it has just reported."""
        ends = super().prune(study, trial)
        if trial.last_step != self._first:
            return ends
        met = sum(self._first in one.intermediate_values for one in study.get_trials(deepcopy=False))
        return ends or met <= self._alone
