"""Optuna's samplers for a search space that is known beforehand.

Optuna infers the space from all trials at every draw: most of the time of a draw after a thousand trials, and
wrong once a range has been widened (the old trials then disagree with the new, and the parameter drops out of the
joint sampling). A study file says what the space is.
"""

from collections.abc import Mapping
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, QMCSampler, TPESampler
from optuna.trial import FrozenTrial

__all__ = ["KnownNsga2", "KnownQmc", "KnownTpe"]

Distributions = Mapping[str, BaseDistribution]


class _Known(BaseSampler):
    """Adds the known space to a sampler, and draws nothing for a trial whose parameters are given.

    ``known`` holds the parameters to draw together; ``None`` leaves it to Optuna to find them (for a space
    whose parameters do not all exist in every trial).
    """

    def __init__(self, known: Distributions | None, **options: Any) -> None:
        super().__init__(**options)
        self._known = None if known is None else {k: d for k, d in sorted(known.items()) if not d.single()}

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the known space; where there is none, what Optuna finds."""
        if self._known is not None:
            return dict(self._known)
        return super().infer_relative_search_space(study, trial)  # type: ignore[safe-super]  # next is one of Optuna's

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return nothing for a trial with parameters of its own, otherwise what the sampler draws."""
        if trial.system_attrs.get("fixed_params"):
            return {}
        return super().sample_relative(study, trial, search_space)  # type: ignore[safe-super]  # as above


class KnownTpe(_Known, TPESampler):
    """The tree-structured Parzen estimator."""


class KnownNsga2(_Known, NSGAIISampler):
    """The genetic algorithm for several objectives."""


class KnownQmc(_Known, QMCSampler):
    """A Sobol sequence. Given trials use no point of it: every second point alone would not fill the space."""
