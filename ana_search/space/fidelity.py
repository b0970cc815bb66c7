"""Rungs of compressed plans, and the pruners that promote trials from one to the next."""

from typing import TYPE_CHECKING

from ana_search.study_file import StudySpec

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

__all__ = ["make_pruner", "rungs"]

_FACTOR = 3


def rungs(spec: StudySpec) -> list[int]:
    """Return the epochs of the rungs, the last one the whole plan; a study without pruner has that one alone.

    Each rung trains the whole plan compressed into its epochs, from scratch: 1/9, 1/3 and 1 of the epochs.
    """
    epochs = spec.training.epochs
    if spec.study.pruner == "none":
        return [epochs]
    first, second = max(1, epochs // _FACTOR**2), max(1, round(epochs / _FACTOR))
    return sorted({first, second, epochs})


def make_pruner(spec: StudySpec) -> "BasePruner":
    """Return Optuna's pruner for the study; results are reported at step = epochs of the rung."""
    from optuna.pruners import HyperbandPruner, NopPruner, SuccessiveHalvingPruner

    lowest, epochs = rungs(spec)[0], spec.training.epochs
    if spec.study.pruner == "asha":
        return SuccessiveHalvingPruner(min_resource=lowest, reduction_factor=_FACTOR)
    if spec.study.pruner == "hyperband":
        return HyperbandPruner(min_resource=lowest, max_resource=epochs, reduction_factor=_FACTOR)
    return NopPruner()
