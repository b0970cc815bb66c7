"""How far a plan violates the order of the layers: how often an earlier layer is noisier than a later one.

Theory wants layers nearer the input to converge no later than those after them (Spallanzani, Leonardi and Benini,
CVPR 2022, section 3). The scalar is the share of (earlier layer, later layer, time) triples in which the earlier
layer is the noisier, each relative to its own start: 0 where the order always holds, near 1 where it is reversed.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["order_violations", "violation_of_noise", "violation_of_plan"]

TIMES = 101

Floats = npt.NDArray[np.float64]


def violation_of_noise(noise: Floats) -> float:
    """Return the scalar of relative noise given as ``layers x times``; 0 for fewer than two layers."""
    layers = len(noise)
    if layers < 2:
        return 0.0
    earlier, later = np.triu_indices(layers, 1)
    return float(np.mean(noise[earlier] > noise[later] + 1e-9))


def violation_of_plan(plan: Any) -> float:
    """Return the scalar of a training plan (an `ana_search.plan.TrainingPlan`)."""
    return _violation_of_schedules(tuple(layer.weights for layer in plan.layers))


def order_violations(trials: pd.DataFrame, plans: Mapping[int, Any], layers: int) -> pd.Series:
    """Return each trial's scalar, from its plan where there is one, else from its decay policy; NaN: unknown."""
    found = []
    for row in trials.to_dict("records"):
        if row.get("number") in plans:
            found.append(violation_of_plan(plans[row["number"]]))
        elif isinstance(row.get("interval"), str):
            offsets = [row.get(f"offset.{layer}", row.get("offset")) for layer in range(layers)]
            numbers = tuple(float(o) if isinstance(o, int | float) and np.isfinite(o) else 0.0 for o in offsets)
            law = row.get("power_law")
            found.append(_violation_of_policy(row["interval"], law if isinstance(law, str) else "homogeneous", numbers))
        else:
            found.append(float("nan"))
    return pd.Series(found, index=trials.index, dtype=float)


@lru_cache(maxsize=4096)
def _violation_of_schedules(schedules: tuple[Any, ...]) -> float:
    from ana_search.ana.annealer import noise_state

    times = np.linspace(0, 1, TIMES, endpoint=False)
    noise = np.array([[noise_state(schedule, float(t)).forward_spread for t in times] for schedule in schedules])
    start = noise.max(axis=1, keepdims=True)
    return violation_of_noise(np.divide(noise, start, out=np.zeros_like(noise), where=start > 0))


@lru_cache(maxsize=4096)
def _violation_of_policy(interval: str, law: str, offsets: tuple[float, ...]) -> float:
    """The scalar of a decay policy under the reference shape, a power law with twice the power for the spread."""
    from ana_search.ana import decay_intervals, decay_powers

    try:
        intervals = decay_intervals(interval, len(offsets), offsets)
        powers = decay_powers(law, len(offsets))
    except ValueError:
        return float("nan")
    times = np.linspace(0, 1, TIMES, endpoint=False)
    noise = [
        np.clip((end - times) / (end - start), 0, 1) ** (2 * power)
        for (start, end), power in zip(intervals, powers, strict=True)
    ]
    return violation_of_noise(np.array(noise))
