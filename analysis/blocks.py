"""Replicates that recur across cells are random blocks: the error of a group's effect is group x block.

A run's outcome is ``mean of its cell + block + sum over subsets of groups (subset x block) + residual``, all but the
first random. For a subset S of groups the mean square of ``S x block`` estimates ``lambda_S``, the variance that S's
own mean square has as its error (the restricted mixed model: Scheffe, The Analysis of Variance, 1959, chapter 8). Where
seeds and factors do not interact all ``lambda_S`` are equal, and taking each from its own few degrees of freedom alone
would waste most of what is known. So ``lambda_S = lambda (1 + rho_S)``: ``rho_S`` is 0 with probability `NIL`,
otherwise ``sqrt(rho_S)`` is even in its logarithm up to about `WIDTH`, and the data decide by Gibbs sampling.

Five groups have 30 subsets that may depend on the seed, each with an error of few degrees of freedom: were each
expected to do so as much as one of two groups is, their errors would add up to noise that nobody saw. So the
probability that no group depends on the seed is the same however many groups there are, and the probability that an
interaction of groups does not is one unknown for all of them, even between 0 and 1, and drawn with the rest (the
correction for many tests of Scott and Berger, Annals of Statistics 38, 2010).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from analysis.noncentral import draw_variance
from analysis.shares import Subset

__all__ = ["BLOCK", "ErrorTerm", "draw_errors", "expected_errors", "interacts"]

Floats = npt.NDArray[np.float64]

BLOCK: Subset = frozenset()
"""The block's main effect: the interaction of nothing with the block."""

NIL = 0.3
"""Prior probability that seeds and one group of two do not interact, and that seeds alone do nothing."""

WIDTH = 4.0
"""Beyond this ``sqrt(rho)`` is less and less probable (a block's own effect has eight times that)."""

ROUNDS = 6
"""Rounds of Gibbs sampling: the chains start at the residual's own distribution, so that a few suffice."""

_DEVIATIONS = np.concatenate([[0.0], np.geomspace(0.2, 80.0, 30)])
_EXCESS = _DEVIATIONS**2


@dataclass(frozen=True)
class ErrorTerm:
    """Sum of squares of one subset x block in units of a single run's variance, and its degrees of freedom."""

    square: float
    df: float

    @property
    def mean_square(self) -> float:
        """The unbiased estimate of ``lambda_S``."""
        return self.square / max(self.df, 1e-300)


def _log_weights(term: ErrorTerm, width: float) -> tuple[Floats, Floats]:
    """Log weight of every grid point apart from `_log_odds` and the data's exponent, and that exponent's factor.

    Above 0 the prior is even in ``log sqrt(rho)`` up to `width`.
    """
    slab = 1.0 / (1.0 + (_DEVIATIONS[1:] / width) ** 2)
    prior = np.concatenate([[0.0], np.log(slab / slab.sum())])
    return prior - 0.5 * term.df * np.log1p(_EXCESS), 0.5 * term.square / (1.0 + _EXCESS)


def _log_odds(nil: Floats) -> Floats:
    """Prior log odds of a ``rho`` of 0."""
    return np.log(nil) - np.log1p(-nil)


def draw_errors(
    terms: Mapping[Subset, ErrorTerm], residual: ErrorTerm, part: float, draws: int, generator: np.random.Generator
) -> tuple[Floats, dict[Subset, Floats]]:
    """Return draws of the residual variance ``lambda`` and of every subset's ``lambda_S``.

    `residual` holds the interaction of all groups with the block, the smallest error there is; `part` is the part of
    all degrees of freedom that the common scale is worth under unequal and heavy-tailed noise.
    """
    order = sorted(terms, key=lambda subset: (len(subset), terms[subset].df, terms[subset].square))
    weights = {subset: _log_weights(terms[subset], _width(subset)) for subset in order}
    odds = {subset: np.full(draws, _log_odds(np.array(_nil(subset, terms)))) for subset in order}
    excess = {subset: np.zeros(draws) for subset in order}
    many = [subset for subset in order if len(subset) > 1]
    df = residual.df + sum(term.df for term in terms.values())
    scale = draw_variance(residual.square, residual.df, generator.uniform(size=draws))
    worth = max(1.0, part * df)
    for _ in range(ROUNDS):
        if many:
            idle = np.sum([excess[subset] == 0 for subset in many], axis=0)
            shared = np.clip(generator.beta(1.0 + idle, 1.0 + len(many) - idle), 1e-9, 1.0 - 1e-9)
            odds |= dict.fromkeys(many, _log_odds(shared))
        for subset in order:
            prior, factor = weights[subset]
            logs = prior - factor / scale[:, None]
            logs[:, 0] += odds[subset]
            cumulative = np.cumsum(np.exp(logs - logs.max(axis=1, keepdims=True)), axis=1)
            chosen = (cumulative < generator.uniform(size=(draws, 1)) * cumulative[:, -1:]).sum(axis=1)
            excess[subset] = _EXCESS[chosen]
        squares = residual.square + sum(terms[s].square / (1.0 + excess[s]) for s in order)
        scale = draw_variance(worth / df, worth, generator.uniform(size=draws)) * squares
    return scale, {subset: scale * (1.0 + excess[subset]) for subset in order}


def _nil(subset: Subset, terms: Mapping[Subset, ErrorTerm]) -> float:
    """Prior probability that seeds do not interact with one group, or do nothing by themselves."""
    groups = sum(len(one) == 1 for one in terms)
    return NIL ** (2.0 / groups) if subset and groups > 2 else NIL


def _width(subset: Subset) -> float:
    return WIDTH if subset else 8.0 * WIDTH


def expected_errors(terms: Mapping[Subset, ErrorTerm], residual: ErrorTerm) -> tuple[float, dict[Subset, float]]:
    """Return single estimates of ``lambda`` and every ``lambda_S``: their means at the fixed point of `draw_errors`."""
    scale, excess = residual.mean_square, dict.fromkeys(terms, 0.0)
    if scale <= 0:  # runs that agree to the last bit
        return scale, {subset: term.mean_square for subset, term in terms.items()}
    df = residual.df + sum(term.df for term in terms.values())
    weights = {subset: _log_weights(term, _width(subset)) for subset, term in terms.items()}
    many = [subset for subset in terms if len(subset) > 1]
    idle = dict.fromkeys(terms, 1.0)
    for _ in range(20):
        shared = (1.0 + sum(idle[subset] for subset in many)) / (2.0 + len(many))
        for subset in terms:
            prior, factor = weights[subset]
            logs = prior - factor / scale
            logs[0] += _log_odds(np.array(shared if subset in many else _nil(subset, terms)))
            chance = np.exp(logs - logs.max())
            chance /= chance.sum()
            excess[subset], idle[subset] = float((chance * _EXCESS).sum()), float(chance[0])
        scale = (residual.square + sum(term.square / (1 + excess[s]) for s, term in terms.items())) / df
    return scale, {subset: scale * (1.0 + excess[subset]) for subset in terms}


def interacts(term: ErrorTerm, residual: ErrorTerm) -> bool:
    """Whether a subset x block is plainly larger than the residual: an F test with p < 0.01."""
    ratio = term.mean_square / max(residual.mean_square, 1e-300)
    return bool(stats.f.sf(ratio, term.df, residual.df) < 0.01)
