"""Rungs of compressed plans, and the pruners that promote trials from one to the next."""

from typing import TYPE_CHECKING

from ana_search.space.trial_count import requested_trials
from ana_search.study_file import StudySpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from optuna.pruners import BasePruner
    from optuna.trial import FrozenTrial

__all__ = ["make_pruner", "rungs"]

_FACTOR = 3
_ENOUGH = 27  # trials: after two rungs that let a third pass, three are left


def rungs(spec: StudySpec) -> list[int]:
    """Return the epochs of the rungs, the last one the whole plan; a study without pruner has that one alone.

    Each rung trains the whole plan compressed into its epochs, from scratch: 1/9, 1/3 and 1 of the epochs.
    """
    epochs = spec.training.epochs
    if spec.study.pruner == "none":
        return [epochs]
    first, second = max(1, epochs // _FACTOR**2), max(1, round(epochs / _FACTOR))
    return sorted({first, second, epochs})


def make_pruner(spec: StudySpec, figures: "Callable[[FrozenTrial], Mapping[str, float]] | None" = None) -> "BasePruner":
    """Return the study's pruner, Optuna's or (with several objectives) ours; reports have step = epochs of the rung.

    With successive halving the first trials of a study end at the first rung: they are the standard for the others.
    A study of few trials has none to spare for that. ``figures`` says what is known of a trial before training, by the
    names of the objectives: a study with several of them needs it.
    """
    from optuna.pruners import HyperbandPruner, NopPruner

    lowest, epochs = rungs(spec)[0], spec.training.epochs
    alone = _FACTOR if requested_trials(spec) >= _ENOUGH else 0
    if spec.study.pruner != "none" and len(spec.study.objective) > 1:
        from ana_search.space.pareto_halving import ParetoHalving

        if figures is None:
            raise ValueError("a pruner for several objectives needs to know their figures")
        steps, one = rungs(spec), spec.study.pruner == "asha"
        return ParetoHalving(
            spec.study.objective,
            figures,
            steps,
            factor=_FACTOR,
            alone=alone if one else 0,
            brackets=1 if one else len(steps),
        )
    if spec.study.pruner == "asha":
        from ana_search.space.halving import PatientHalving

        return PatientHalving(lowest, alone, reduction_factor=_FACTOR)
    if spec.study.pruner == "hyperband":
        return HyperbandPruner(min_resource=lowest, max_resource=epochs, reduction_factor=_FACTOR)
    return NopPruner()
