"""Optuna's samplers, but for trials whose parameters are given: for these nothing is drawn."""

from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import QMCSampler, TPESampler
from optuna.trial import FrozenTrial

__all__ = ["GivenQmc", "GivenTpe"]


class GivenTpe(TPESampler):
    """TPE that draws nothing for a trial whose parameters are given."""

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return nothing for a given trial, otherwise what the sampler draws."""
        return {} if _is_given(trial) else super().sample_relative(study, trial, search_space)


class GivenQmc(QMCSampler):
    """A scrambled Sobol sequence; a trial whose parameters are given uses no point of it.

    Every second or third point of a Sobol sequence alone would not fill the space.
    """

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return nothing for a given trial, otherwise what the sampler draws."""
        return {} if _is_given(trial) else super().sample_relative(study, trial, search_space)


def _is_given(trial: FrozenTrial) -> bool:
    """Return whether the trial was enqueued with its parameters."""
    return bool(trial.system_attrs.get("fixed_params"))
