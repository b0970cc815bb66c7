"""What every schedule shape is: a function of time that falls from 1 to 0."""

from typing import Protocol

__all__ = ["Schedule", "progress"]


class Schedule(Protocol):
    """A decay from 1 (before ``start``) towards 0 (from ``end`` on)."""

    def __call__(self, t: float, start: float, end: float, alpha: float = 1.0) -> float:
        """Return the remaining fraction at time ``t``, in [0, 1]; ``alpha`` 0 holds it at 1 until ``end``."""
        ...


def progress(t: float, start: float, end: float) -> float:
    """Return how much of the interval has passed at time ``t``: 0 before ``start``, 1 from ``end`` on.

    Raises:
        ValueError: the interval ends before it starts.
    """
    if end < start:
        raise ValueError(f"`start <= end` must hold, but got start={start}, end={end}")
    if t >= end:
        return 1.0
    return 0.0 if t <= start else (t - start) / (end - start)
