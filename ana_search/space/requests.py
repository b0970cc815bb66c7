"""How many trials a study asks for, and which replicate of its parameters a trial is."""

from collections.abc import Iterable, Mapping
from typing import Any

from ana_search.space.cells import cell_count
from ana_search.space.walk import searched
from ana_search.study_file import StudySpec

__all__ = ["next_replicate", "requested_trials"]

_DEFAULT_TRIALS = 100


def requested_trials(spec: StudySpec) -> int:
    """Return the number of finished trials that the study asks for, replicates counted.

    Without ``trials`` a grid asks for every cell in every replicate, a study without searched parameters for
    its replicates, and any other for 100 trials.
    """
    if spec.study.sampler == "grid":
        everything = cell_count(spec) * spec.replicates
        return everything if spec.study.trials is None else min(everything, spec.study.trials)
    if spec.study.trials is not None:
        return spec.study.trials
    return _DEFAULT_TRIALS if searched(spec) else spec.replicates


def next_replicate(params: Mapping[str, Any], earlier: Iterable[Mapping[str, Any]]) -> int:
    """Return the replicate number of a new trial: how many earlier trials have the same parameters.

    ``earlier`` holds the parameters of all trials before it but for repeated attempts. A sampler that draws
    the same parameters again thus adds a replicate with a seed of its own, never the same run twice.
    """
    return sum(1 for other in earlier if dict(other) == dict(params))
