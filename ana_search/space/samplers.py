"""Optuna's samplers as a study uses them."""

import warnings
from collections.abc import Callable
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from ana_search.space.seeds import derive_seed
from ana_search.space.walk import is_conditional
from ana_search.study_file import StudySpec

__all__ = ["SAMPLERS", "make_sampler"]


class _Tpe(TPESampler):
    """TPE that draws nothing for a trial whose parameters are given."""

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {} if _is_given(trial) else super().sample_relative(study, trial, search_space)


class _Qmc(QMCSampler):
    """A scrambled Sobol sequence; a trial whose parameters are given uses no point of it.

    Every second or third point of a Sobol sequence alone would not fill the space.
    """

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return {} if _is_given(trial) else super().sample_relative(study, trial, search_space)


def _is_given(trial: FrozenTrial) -> bool:
    """Return whether the trial was enqueued with its parameters."""
    return bool(trial.system_attrs.get("fixed_params"))


def _tpe(spec: StudySpec, seed: int) -> BaseSampler:
    return _Tpe(seed=seed, multivariate=True, constant_liar=True, group=is_conditional(spec))


def _qmc(spec: StudySpec, seed: int) -> BaseSampler:
    # The sequence belongs to the study (Optuna keeps the place in it); only what lies outside is drawn anew.
    return _Qmc(
        qmc_type="sobol",
        scramble=True,
        seed=derive_seed(spec.study.seed, "qmc"),
        independent_sampler=RandomSampler(seed=seed),
        warn_independent_sampling=False,
    )


SAMPLERS: dict[str, Callable[[StudySpec, int], BaseSampler]] = {
    "tpe": _tpe,
    "random": lambda spec, seed: RandomSampler(seed=seed),
    "grid": lambda spec, seed: RandomSampler(seed=seed),  # every cell is enqueued; nothing is left to draw
    "qmc": _qmc,
    "nsga2": lambda spec, seed: NSGAIISampler(seed=seed),
}


def make_sampler(spec: StudySpec, trial_number: int = 0) -> BaseSampler:
    """Return the study's sampler, seeded from the study's seed and the number of the next trial.

    A driver that resumes a study makes its sampler with the number of the first trial that it will ask for,
    so that draws are not repeated; one made anew for every trial makes draws independent of how often the
    study was resumed.
    """
    seed = derive_seed(spec.study.seed, "sampler", trial_number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # `group` and QMC: used as documented
        return SAMPLERS[spec.study.sampler](spec, seed)
