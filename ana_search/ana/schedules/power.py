"""Power law: the reference shape."""

from ana_search.ana.schedules.base import progress

__all__ = ["power"]


def power(t: float, start: float, end: float, alpha: float = 1.0) -> float:
    """Return ``((end - t) / (end - start))**alpha`` (Spallanzani, Leonardi and Benini, CVPR 2022, section 4).

    >>> [power(t, 0.0, 1.0, alpha=2.0) for t in (0.0, 0.5, 1.0)]
    [1.0, 0.25, 0.0]
    """
    done = progress(t, start, end)
    return (1.0 - done) ** alpha if done < 1.0 else 0.0
