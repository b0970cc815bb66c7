"""Successive halving with several objectives: MO-ASHA, and its brackets.

Schmucker, Donini, Zafar, Salinas and Archambeau, "Multi-objective Asynchronous Successive Halving" (arXiv:2106.12639,
2021). A rung keeps the best third of what has reached it, as with one objective; what is best is decided by sorting
into fronts (non-dominated sorting) and, within a front, by an epsilon-net: the most accurate trial first, then always
the one that is farthest from those before it. Here accuracy alone is the rung's, so that a trial is compared at equal
epochs; the other objectives are known before training and the same in every rung.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from zlib import crc32

import numpy as np
import numpy.typing as npt
from optuna import Study
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

from ana_search.objectives import OBJECTIVES

__all__ = ["ParetoHalving", "ranks"]

Points = npt.NDArray[np.float64]


class ParetoHalving(BasePruner):
    """Asynchronous successive halving with several objectives, in one bracket or in those of Hyperband.

    Args:
        objectives: their names, the accuracy first.
        figures: what is known of a trial before training, by the names of the objectives.
        steps: of the rungs, ascending, the last one that of a whole plan.
        factor: one trial in so many goes on.
        alone: how many trials end at the first rung before any goes on (see `PatientHalving`).
        brackets: in bracket ``s`` trials are compared from rung ``s`` on; a trial's bracket is drawn, so that every
            bracket gets the same share of the epochs (Li et al., "Hyperband", JMLR 2018).
    """

    def __init__(
        self,
        objectives: Sequence[str],
        figures: Callable[[FrozenTrial], Mapping[str, float]],
        steps: Sequence[int],
        *,
        factor: int = 3,
        alone: int = 0,
        brackets: int = 1,
    ) -> None:
        self._others = {name: 1.0 if OBJECTIVES[name].maximise else -1.0 for name in objectives[1:]}
        self._figures, self._steps = figures, tuple(steps)
        self._factor, self._alone = factor, alone
        shares = [math.ceil(brackets * factor**rest / (rest + 1)) for rest in reversed(range(brackets))]
        self._bounds = np.cumsum(shares)

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return whether the trial ends at the rung that it has just reported."""
        step = trial.last_step
        assert step is not None
        bracket = self._bracket(study, trial)
        if self._steps.index(step) < bracket or step == self._steps[-1]:
            return False
        rivals = [
            one
            for one in study.get_trials(deepcopy=False)
            if step in one.intermediate_values and self._bracket(study, one) == bracket
        ]
        if len(rivals) <= self._alone and step == self._steps[0]:
            return True
        order = ranks(np.array([self._point(one, step) for one in rivals]))
        place = [one.number for one in rivals].index(trial.number)
        return bool(order[place] >= max(1, len(rivals) // self._factor))

    def _bracket(self, study: Study, trial: FrozenTrial) -> int:
        drawn = crc32(f"{study.study_name}_{trial.number}".encode()) % int(self._bounds[-1])
        return int(np.searchsorted(self._bounds, drawn, side="right"))

    def _point(self, trial: FrozenTrial, step: int) -> list[float]:
        """Return what a trial is judged by at a rung, all to be maximised."""
        figures = self._figures(trial)
        return [trial.intermediate_values[step], *(sign * figures[name] for name, sign in self._others.items())]


def ranks(points: Points) -> npt.NDArray[np.int64]:
    """Return the place of every point [N, objectives], all to be maximised, from 0 for the best.

    Points come front by front, and within a front in the order of its epsilon-net. Equal points keep their order.

    >>> ranks(np.array([[0.9, -5.0], [0.8, -1.0], [0.85, -6.0], [0.7, -1.0]])).tolist()
    [0, 1, 2, 3]
    """
    place = np.empty(len(points), dtype=np.int64)
    left = np.arange(len(points))
    taken = 0
    while len(left):
        rest = points[left]
        dominated = [bool(np.any(np.all(rest >= one, axis=1) & np.any(rest > one, axis=1))) for one in rest]
        front = left[~np.array(dominated)]
        for index in _spread_out(points[front]):
            place[front[index]] = taken
            taken += 1
        left = left[np.array(dominated)]
    return place


def _spread_out(front: Points) -> list[int]:
    """Return the order of a front's epsilon-net, each objective scaled to the front's range."""
    width = np.ptp(front, axis=0)
    scaled = front / np.where(width > 0, width, 1.0)
    order = [int(np.argmax(front[:, 0]))]
    distance = np.full(len(front), np.inf)
    while len(order) < len(front):
        distance = np.minimum(distance, np.linalg.norm(scaled - scaled[order[-1]], axis=1))
        distance[order] = -1.0
        order.append(int(np.argmax(distance)))
    return order
