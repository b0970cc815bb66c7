"""A study's table and learning curves, made up but of the quickstart's shape."""

import itertools

import numpy as np
import pandas as pd

INTERVALS = {"overlapped": 0.86, "same_start": 0.89, "same_end": 0.76, "partition": 0.92}
NOISES = {"uniform": -0.01, "triangular": 0.0, "normal": 0.005, "logistic": 0.0}
POWERS = {"homogeneous": -0.005, "progressive": 0.005}


def sample_frame(replicates: int = 2) -> pd.DataFrame:
    """Return one row a trial: the factorial of interval, noise and power law, with replicates."""
    random = np.random.default_rng(0)
    rows = []
    cells = itertools.product(INTERVALS, NOISES, POWERS, range(replicates))
    for number, (interval, noise, power_law, replicate) in enumerate(cells):
        value = INTERVALS[interval] + NOISES[noise] + POWERS[power_law] + random.normal(0, 0.012)
        row = {"number": number, "state": "COMPLETE", "value": round(value, 4), "seed": 100 + replicate}
        row |= {"replicate": replicate, "interval": interval, "noise": noise, "power_law": power_law}
        rows.append(row | {"plan_hash": f"{number:016x}", "seconds": 4.0, "attempt": 1, "reason": None})
    return pd.DataFrame(rows)


def sample_histories(frame: pd.DataFrame) -> dict[int, list[dict[str, float]]]:
    """Return a learning curve for every trial, one record an epoch."""
    histories = {}
    for row in frame.to_dict("records"):
        steps = [1 - np.exp(-epoch / 5) for epoch in range(1, 21)]
        histories[int(row["number"])] = [
            {"epoch": epoch, "accuracy": float(row["value"] * step), "loss": float(2 * (1 - step))}
            for epoch, step in enumerate(steps, start=1)
        ]
    return histories
