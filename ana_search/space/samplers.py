"""Optuna's samplers as a study uses them.

Optuna is loaded when a sampler is made: who only plans and trains does not need it.
"""

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from ana_search.space.distributions import distributions
from ana_search.space.seeds import derive_seed
from ana_search.space.walk import is_conditional
from ana_search.study_file import StudySpec

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

__all__ = ["LEARN_FROM_CONSTRAINTS", "SAMPLERS", "make_sampler"]


def _tpe(spec: StudySpec, seed: int) -> "BaseSampler":
    from ana_search.space.known import KnownTpe

    grouped = is_conditional(spec)
    known = None if grouped else distributions(spec)
    return KnownTpe(known, seed=seed, multivariate=True, constant_liar=True, group=grouped)


def _qmc(spec: StudySpec, seed: int) -> "BaseSampler":
    from optuna.samplers import RandomSampler

    from ana_search.space.known import KnownQmc

    # The sequence belongs to the study (Optuna keeps the place in it). It has a coordinate for every parameter,
    # also for those that do not exist in a trial.
    return KnownQmc(
        distributions(spec),
        qmc_type="sobol",
        scramble=True,
        seed=derive_seed(spec.study.seed, "qmc"),
        independent_sampler=RandomSampler(seed=seed),
        warn_independent_sampling=False,
    )


def _random(spec: StudySpec, seed: int) -> "BaseSampler":
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=seed)


def _nsga2(spec: StudySpec, seed: int) -> "BaseSampler":
    from ana_search.space.known import KnownNsga2

    return KnownNsga2(None if is_conditional(spec) else distributions(spec), seed=seed)


SAMPLERS: dict[str, Callable[[StudySpec, int], "BaseSampler"]] = {
    "tpe": _tpe,
    "random": _random,
    "grid": _random,  # every cell is enqueued; nothing is left to draw
    "pick_freeze": _random,  # so is every point of the design
    "qmc": _qmc,
    "nsga2": _nsga2,
}


LEARN_FROM_CONSTRAINTS = frozenset({"tpe", "nsga2"})
"""The samplers that draw less often what misses the study's constraints; the others draw without regard to them."""


def make_sampler(spec: StudySpec, trial_number: int = 0) -> "BaseSampler":
    """Return the study's sampler, seeded from the study's seed and the number of the next trial.

    A driver that resumes a study makes its sampler with the number of the first trial that it will ask for,
    so that draws are not repeated; one made anew for every trial makes draws independent of how often the
    study was resumed.
    """
    from optuna.exceptions import ExperimentalWarning

    seed = derive_seed(spec.study.seed, "sampler", trial_number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # `group` and QMC: used as documented
        return SAMPLERS[spec.study.sampler](spec, seed)
