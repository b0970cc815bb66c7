"""Schedule shapes: how a quantity decays over its interval.

Every shape is a function of the fraction ``u`` of the interval ``[start, end]`` that has passed at time ``t``: 0 up to
``start``, 1 from ``end`` on. It falls from 1 to 0 in ``u``, and ``alpha`` is the power that it is raised to. A power
of 0 makes a quantity static: ``0**0 = 1``, so that it keeps its value for ever, after ``end`` too, as in the
experiments of Spallanzani, Leonardi and Benini (CVPR 2022). On an empty interval (``start == end``) the shape jumps.
"""

import math
from typing import Protocol

__all__ = ["EXPONENTIAL_RATE", "SCHEDULES", "STEPS", "Schedule", "cosine", "exponential", "linear", "power", "step"]

EXPONENTIAL_RATE = 5.0
"""Time constants in one decay interval of `exponential`."""

STEPS = 4
"""Number of steps in one decay interval of `step`."""


class Schedule(Protocol):
    """A decay from 1 (up to ``start``) to 0 (from ``end`` on)."""

    def __call__(self, t: float, start: float, end: float, alpha: float = 1.0) -> float:
        """Return the remaining fraction at time ``t``, in [0, 1]; ``alpha`` 0 holds it at 1 for ever.

        Raises:
            ValueError: the interval ends before it starts, or ``alpha`` is negative.
        """
        ...


def power(t: float, start: float, end: float, alpha: float = 1.0) -> float:
    """Return ``(1 - u)**alpha = ((end - t) / (end - start))**alpha``, the reference shape (the paper's section 4).

    >>> [power(t, 0.0, 1.0, alpha=2.0) for t in (0.0, 0.5, 1.0)]
    [1.0, 0.25, 0.0]
    >>> power(2.0, 0.0, 1.0, alpha=0.0)
    1.0
    """
    return math.pow(1.0 - _passed(t, start, end, alpha), alpha)


def linear(t: float, start: float, end: float, alpha: float = 1.0) -> float:
    """Return ``1 - u`` whatever ``alpha`` is, except that ``alpha`` 0 holds it at 1.

    >>> [linear(t, 0.0, 1.0, alpha=2.0) for t in (0.0, 0.25, 1.0)]
    [1.0, 0.75, 0.0]
    """
    return 1.0 - _passed(t, start, end, alpha) if alpha else 1.0


def cosine(t: float, start: float, end: float, alpha: float = 1.0) -> float:
    """Return ``((1 + cos(pi u)) / 2)**alpha``: half a cosine, slow at both ends.

    >>> [cosine(t, 0.0, 1.0) for t in (0.0, 0.5, 1.0)]
    [1.0, 0.5, 0.0]
    """
    return math.pow(0.5 + 0.5 * math.cos(math.pi * _passed(t, start, end, alpha)), alpha)


def exponential(t: float, start: float, end: float, alpha: float = 1.0) -> float:
    """Return ``((exp(-5 u) - exp(-5)) / (1 - exp(-5)))**alpha``: exponential decay, shifted so that it reaches zero.

    >>> [round(exponential(t, 0.0, 1.0), 3) for t in (0.0, 0.5, 1.0)]
    [1.0, 0.076, 0.0]
    """
    last = math.exp(-EXPONENTIAL_RATE)
    left = (math.exp(-EXPONENTIAL_RATE * _passed(t, start, end, alpha)) - last) / (1.0 - last)
    return math.pow(left, alpha)


def step(t: float, start: float, end: float, alpha: float = 1.0) -> float:
    """Return ``(1 - floor(4 u) / 4)**alpha``: four equal steps down.

    >>> [step(t, 0.0, 1.0) for t in (0.0, 0.2, 0.3, 0.9, 1.0)]
    [1.0, 1.0, 0.75, 0.25, 0.0]
    """
    return math.pow(1.0 - math.floor(STEPS * _passed(t, start, end, alpha)) / STEPS, alpha)


SCHEDULES: dict[str, Schedule] = {
    "power": power,
    "linear": linear,
    "cosine": cosine,
    "exponential": exponential,
    "step": step,
}


def _passed(t: float, start: float, end: float, alpha: float) -> float:
    """Return the fraction of the interval that has passed at time ``t``; refuse what no schedule can be."""
    if end < start:
        raise ValueError(f"`start <= end` must hold, but got start={start}, end={end}")
    if alpha < 0.0:
        raise ValueError(f"`alpha >= 0` must hold, but got alpha={alpha}")
    if t >= end:
        return 1.0
    return 0.0 if t <= start else (t - start) / (end - start)
