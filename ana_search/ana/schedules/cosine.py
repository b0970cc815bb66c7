"""Half a cosine: slow at both ends."""

import math

from ana_search.ana.schedules.base import progress

__all__ = ["cosine"]


def cosine(t: float, start: float, end: float, alpha: float = 1.0) -> float:
    """Return ``((1 + cos(pi u)) / 2)**alpha`` with ``u`` the fraction of the interval that has passed."""
    done = progress(t, start, end)
    return (0.5 + 0.5 * math.cos(math.pi * done)) ** alpha if done < 1.0 else 0.0
