"""Exponential decay, shifted so that it reaches zero."""

import math

from ana_search.ana.schedules.base import progress

__all__ = ["RATE", "exponential"]

RATE = 5.0
"""Time constants in one decay interval."""


def exponential(t: float, start: float, end: float, alpha: float = 1.0) -> float:
    """Return ``((exp(-5 u) - exp(-5)) / (1 - exp(-5)))**alpha`` with ``u`` the fraction that has passed."""
    done = progress(t, start, end)
    last = math.exp(-RATE)
    return ((math.exp(-RATE * done) - last) / (1.0 - last)) ** alpha if done < 1.0 else 0.0
