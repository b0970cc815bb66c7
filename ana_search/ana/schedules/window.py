"""Unbounded window: a hyperbola that starts but does not end."""

__all__ = ["window"]


def window(t: float, start: float, end: float, alpha: float = 1.0) -> float:
    """Return ``1 / (t - start + 1)**alpha`` from ``start`` on and 1 before; ``end`` plays no part.

    The times count in the caller's own unit: over a budget normalised to 1 it falls to ``2**-alpha`` only, and
    what remains ends with the budget.
    """
    return 1.0 if t <= start else (t - start + 1.0) ** -alpha
