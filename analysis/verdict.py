"""The verdict: which region of the plane of the two shares holds at least 95 % of the draws."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from analysis.factors import SHAPE, SYNCHRONISATION

__all__ = ["DELTA", "INCONCLUSIVE", "REASONS", "REGIONS", "RHO", "decide", "explain", "region_of", "region_probability"]

DELTA = 0.10
"""Below this share a group matters to nobody."""

RHO = 3.0**0.5
"""One group drives accuracy where its share is more than this many times the other's."""

REGIONS = (SYNCHRONISATION, SHAPE, "both", "neither")
INCONCLUSIVE = "inconclusive"

REASONS: Mapping[str, str] = {
    "undecided": "no region of the two shares holds enough of the confidence distribution",
    "group_missing": "a verdict needs the groups synchronisation and shape, and one of them was not given",
    "not_varied": "synchronisation or shape was held at one level, so that its share cannot be measured",
    "no_replicates": "no cell was run with more than one seed, so that the noise floor is unknown",
    "too_few_residual_df": "too few residual degrees of freedom (8 are needed) to know the noise floor",
    "empty_cell": "a combination of levels has no finished trial",
    "too_few_trials": "too few finished trials",
    "pruned": "more than 10 % of the trials were pruned: the finished ones are a selection",
    "failed": "more than 10 % of the trials failed",
    "failure_depends_on_level": "trials of some levels fail or are pruned more often than others, which hides their "
    "results",
    "not_uniform": "the levels were not drawn evenly: an adaptive search prefers the good ones",
    "one_seed": "all trials share one seed, or a handful of them (10 are needed): what is that seed's alone cannot be "
    "told from the factors",
    "lack_of_fit": "the basis of the space-filling estimator does not fit: it leaves more unexplained than runs of one"
    " point differ by",
    "noise_of_few_runs": "a few runs that collapsed or lie far off make most of the noise, and some levels have "
    "several times the noise of others: how much of the variance is the seed's is not known well enough",
    "collapsed_level": "every run of a level ended far below the rest, and these runs agree far better than others do: "
    "whether one in ten would not collapse, and how much of the variance is then the seed's, is not known from fewer "
    "than 29 runs of that level",
    "failed_trials_matter": "dropping the failed trials and counting them at chance contradict each other",
    "constant_outcome": "every finished trial has the same outcome: there is no variance to attribute",
}
"""What each code in a verdict's ``reasons`` means."""


def explain(reason: str, sampler: str | None = None) -> str:
    """Return what a code means; of levels drawn unevenly by an adaptive `sampler` that is known, which one it was."""
    if reason == "not_uniform" and sampler is not None:
        return (
            f"the sampler {sampler!r} is adaptive: it prefers the levels that did well, so that its trials are no fair"
            " sample, however many there are"
        )
    return REASONS[reason]


def region_of(synchronisation: npt.NDArray[np.float64], shape: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the index into `REGIONS` of each pair of shares."""
    low = np.maximum(synchronisation, shape) < DELTA
    return np.select([low, synchronisation > RHO * shape, shape > RHO * synchronisation], [3, 0, 1], default=2)


def region_probability(synchronisation: npt.NDArray[np.float64], shape: npt.NDArray[np.float64]) -> dict[str, float]:
    """Return the part of the draws in each region."""
    counts = np.bincount(region_of(synchronisation, shape), minlength=len(REGIONS))
    return {name: float(n / len(synchronisation)) for name, n in zip(REGIONS, counts, strict=True)}


def decide(probability: Mapping[str, float], level: float = 0.95) -> str:
    """Return the region that holds at least `level` of the draws, else ``inconclusive``."""
    best = max(probability, key=lambda name: probability[name])
    return best if probability[best] >= level else INCONCLUSIVE
