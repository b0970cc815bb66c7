"""Straight line."""

from ana_search.ana.schedules.base import progress

__all__ = ["linear"]


def linear(t: float, start: float, end: float, alpha: float = 1.0) -> float:
    """Return ``(end - t) / (end - start)`` whatever ``alpha`` is, except that ``alpha`` 0 holds it at 1."""
    done = progress(t, start, end)
    return 1.0 if alpha == 0.0 and done < 1.0 else 1.0 - done
