"""Effects: the mean outcome of every level of every factor, with its interval."""

import numpy as np
import pandas as pd
from scipy import stats

from analysis.estimate import Estimate
from analysis.factors import level_labels
from analysis.results import LevelEffect
from analysis.sample import Sample

__all__ = ["level_effects"]


def level_effects(sample: Sample, found: Estimate | None, level: float) -> dict[str, dict[str, LevelEffect]]:
    """Return ``{column: {level: {mean, ci_low, ci_high, n}}}``.

    In a factorial the interval reflects the seed's noise alone, the other factors' levels being the studied ones;
    elsewhere the scatter of the level's runs.
    """
    outcome = pd.Series(sample.outcome)
    noise = float(np.sqrt(found.point.noise)) if found is not None and found.fit is not None else None
    result: dict[str, dict[str, LevelEffect]] = {}
    for factor in sample.factors:
        labels, codes = level_labels(factor)
        entries = {}
        for code, label in enumerate(labels):
            values = outcome[codes == code]
            if values.empty:
                continue
            count = len(values)
            deviation = noise if noise is not None else (float(values.std(ddof=1)) if count > 1 else float("nan"))
            df = found.noise_df if noise is not None and found is not None else max(count - 1, 1)
            half = float(stats.t.ppf((1 + level) / 2, df)) * deviation / np.sqrt(count)
            mean = float(values.mean())
            entries[label] = LevelEffect(mean, mean - half, mean + half, count)
        result[factor.name] = entries
    return result
