"""Equal steps down."""

import math

from ana_search.ana.schedules.base import progress

__all__ = ["STEPS", "step"]

STEPS = 4
"""Number of steps in one decay interval."""


def step(t: float, start: float, end: float, alpha: float = 1.0) -> float:
    """Return ``(1 - floor(4 u) / 4)**alpha`` with ``u`` the fraction of the interval that has passed.

    >>> [step(t, 0.0, 1.0) for t in (0.0, 0.2, 0.3, 0.9, 1.0)]
    [1.0, 1.0, 0.75, 0.25, 0.0]
    """
    done = progress(t, start, end)
    return (1.0 - math.floor(STEPS * done) / STEPS) ** alpha if done < 1.0 else 0.0
