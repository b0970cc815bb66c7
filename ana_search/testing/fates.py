"""What becomes of a simulated job: how long it trains, how accurate it gets, whether it fails."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from ana_search.dispatch import Job

__all__ = ["Fate", "fixed_fate", "lognormal_fates"]

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Fate:
    """What becomes of one job.

    ``seconds`` of virtual time the training takes. With a ``fault`` (a kind of `Failed`) it ends after the share
    ``fault_at`` of them.
    """

    seconds: float
    accuracy: float
    fault: Literal["diverged", "error", "lost"] | None = None
    fault_at: float = 0.5

    def __post_init__(self) -> None:
        if not (self.seconds > 0 and 0 < self.fault_at <= 1):
            raise ValueError(
                f"`seconds > 0` and `0 < fault_at <= 1` must hold, but got ({self.seconds}, {self.fault_at})"
            )


def fixed_fate(seconds: float, accuracy: float = 0.5) -> Callable[[Job], Fate]:
    """Return a function that gives every job the same fate."""
    fate = Fate(seconds, accuracy)
    return lambda _: fate


def lognormal_fates(
    mean_seconds: float, spread: float = 0.5, *, lost: float = 0.0, diverged: float = 0.0, seed: int = 0
) -> Callable[[Job], Fate]:
    """Return a function that draws a job's fate from the job's trial number and plan, the same every time.

    Args:
        mean_seconds: mean of the log-normal training time: ``exp(mu + spread**2 / 2)``.
        spread: standard deviation of the time's logarithm.
        lost: share of the jobs whose worker dies under them, at a uniform point of their time.
        diverged: share of the jobs that diverge.
        seed: of the draws.
    """
    mu = math.log(mean_seconds) - spread**2 / 2

    def fate(job: Job) -> Fate:
        time, accuracy, kind, at = _uniforms(f"{seed}/{job.trial}/{job.plan.hash}/{job.plan.training.epochs}")
        fault: Literal["diverged", "lost"] | None = None
        if kind < lost + diverged:
            fault = "lost" if kind < lost else "diverged"
        return Fate(math.exp(mu + spread * _NORMAL.inv_cdf(time)), accuracy, fault, at)

    return fate


def _uniforms(text: str) -> list[float]:
    """Return four numbers from (0, 1) that depend on ``text`` alone."""
    digest = hashlib.sha256(text.encode()).digest()
    return [(int.from_bytes(digest[8 * part : 8 * part + 8], "big") + 0.5) / 2**64 for part in range(4)]
