"""How many trials a study asks for."""

from ana_search.space.cells import cell_count
from ana_search.space.walk import searched
from ana_search.study_file import StudySpec

__all__ = ["requested_trials"]

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
