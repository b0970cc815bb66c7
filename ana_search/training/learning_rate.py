"""The learning rate over the steps of a run: every schedule, and the warm-up before it."""

import math
from collections.abc import Callable

from ana_search.plan import TrainingSettings

__all__ = ["LEARNING_RATES", "learning_rate_at"]

_DROP = 0.1
_RISE = 0.3  # of a cycle; this and the next two are the defaults of torch.optim.lr_scheduler.OneCycleLR
_FIRST = 1 / 25
_LAST = 1 / 25e4

Schedule = Callable[[float, float], float]
"""The fraction of the learning rate at a time from 0 to 1, given the fraction of the steps that is dropped."""


def learning_rate_at(step: int, steps: int, settings: TrainingSettings) -> float:
    """Return the learning rate of step ``step``, counted from 0, of ``steps``.

    Over the first ``warmup`` fraction of the steps it rises in a straight line (Goyal et al. 2017, arXiv 1706.02677,
    section 2.2); the schedule has the steps that are left.
    """
    rising = settings.warmup * steps
    if step < rising:
        return settings.learning_rate * (step + 1) / (rising + 1)
    time = (step - rising) / (steps - rising)
    return settings.learning_rate * LEARNING_RATES[settings.schedule](time, settings.lr_drop)


def drop(time: float, dropped: float) -> float:
    """Return 1, and 0.1 for the last ``dropped`` fraction of the time."""
    return _DROP if time >= 1.0 - dropped else 1.0


def cosine(time: float, _dropped: float) -> float:
    """Return half a cosine from 1 to 0 (Loshchilov and Hutter, ICLR 2017, eq. 5, without restarts)."""
    return (1.0 + math.cos(math.pi * time)) / 2.0


def one_cycle(time: float, _dropped: float) -> float:
    """Return a rise from 1/25 to 1 over 0.3 of the time, then a fall to 4e-6 (Smith and Topin 2019), along cosines."""
    if time < _RISE:
        return _between(_FIRST, 1.0, time / _RISE)
    return _between(1.0, _LAST, (time - _RISE) / (1.0 - _RISE))


def _between(first: float, last: float, time: float) -> float:
    return last + (first - last) * (1.0 + math.cos(math.pi * time)) / 2.0


LEARNING_RATES: dict[str, Schedule] = {"drop": drop, "cosine": cosine, "one_cycle": one_cycle}
