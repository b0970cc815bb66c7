"""Two studies side by side: how far their shares differ, with an interval."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.attribution import Attribution
from analysis.results import Entry

__all__ = ["ShareDifference", "share_differences"]


@dataclass(frozen=True)
class ShareDifference(Entry):
    """The share in one study less that in another; ``probability`` is that of a larger share in the first.

    ``differs`` says whether the interval leaves out 0: the test of equal shares at the intervals' level.
    """

    difference: float
    ci_low: float
    ci_high: float
    probability: float
    differs: bool


def share_differences(one: Attribution, other: Attribution) -> Mapping[str, ShareDifference]:
    """Return the difference of every share that both studies have: their confidence distributions are independent.

    The draws of one study are paired with those of the other in a random order, so that draws of equal seeds do
    not go together.
    """
    if one.draws.empty or other.draws.empty:
        return {}
    generator = np.random.default_rng(0)
    size = max(len(one.draws), len(other.draws))
    rows = [generator.permutation(np.arange(size) % len(found.draws)) for found in (one, other)]
    found = {}
    for name in [column for column in one.draws.columns if column in other.draws.columns]:
        first, second = (study.draws[name].to_numpy()[at] for study, at in zip((one, other), rows, strict=True))
        low, high = np.quantile(first - second, [(1 - one.level) / 2, (1 + one.level) / 2])
        middle = float(np.median(first - second))
        larger = float((first > second).mean() + 0.5 * (first == second).mean())
        found[name] = ShareDifference(middle, float(low), float(high), larger, bool(low > 0 or high < 0))
    return found
