"""Matched pairs: how far the outcome moves when one thing alone changes. A cross-check, never the verdict."""

import numpy as np
import pandas as pd

from analysis.factors import SHAPE, SYNCHRONISATION
from analysis.layout import combinations
from analysis.results import PairDifference
from analysis.sample import REPLICATE, Sample

__all__ = ["matched_pairs", "pair_summary"]

MOST_PAIRS = 20_000


def matched_pairs(sample: Sample, seed: int = 0) -> pd.DataFrame:
    """Return pairs of runs as columns ``changed`` and ``difference`` (absolute, in the outcome's unit).

    ``changed`` is ``shape`` or ``synchronisation`` (all else equal, the replicate too where replicates recur) or
    ``seed`` (the same cell). At most 20,000 pairs of each are drawn. Samples with continuous factors have none.
    """
    empty = pd.DataFrame({"changed": pd.Series(dtype=str), "difference": pd.Series(dtype=float)})
    if any(f.kind == "continuous" for f in sample.factors) or not sample.factors:
        return empty
    table = pd.DataFrame({"outcome": sample.outcome, "replicate": sample.rows[REPLICATE].to_numpy()})
    for group in sample.groups:
        factors = [f for f in sample.factors if f.group == group]
        if factors:
            table[f"group {group}"] = combinations(factors)
    names = [c for c in table.columns if c.startswith("group ")]
    table = table.sort_values([*names, "replicate", "outcome"], kind="stable").reset_index(drop=True)
    generator = np.random.default_rng(seed)
    found = []
    recurring = 1 < table["replicate"].nunique() < len(table)
    for changed in (SYNCHRONISATION, SHAPE, "seed"):
        own = f"group {changed}"
        if changed != "seed" and own not in names:
            continue
        keys = [c for c in names if c != own] + (["replicate"] if recurring and changed != "seed" else [])
        differences = _differences(table, keys, None if changed == "seed" else own, generator)
        found.append(pd.DataFrame({"changed": changed, "difference": differences}))
    found = [part for part in found if len(part)]
    return pd.concat(found, ignore_index=True) if found else empty


def _differences(table: pd.DataFrame, keys: list[str], own: str | None, generator: np.random.Generator) -> np.ndarray:
    key = table.groupby(keys, sort=True).ngroup().to_numpy() if keys else np.zeros(len(table), dtype=int)
    order = np.argsort(key, kind="stable")
    sizes = np.bincount(key)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    pairs = sizes * (sizes - 1) // 2
    if pairs.sum() > MOST_PAIRS:
        chosen = generator.choice(len(sizes), size=MOST_PAIRS, p=pairs / pairs.sum())
        first = generator.integers(sizes[chosen])
        second = (first + generator.integers(1, sizes[chosen])) % sizes[chosen]
        left, right = order[starts[chosen] + first], order[starts[chosen] + second]
    else:
        corners = [np.triu_indices(size, 1) for size in sizes]
        left = order[np.concatenate([s + c[0] for s, c in zip(starts, corners, strict=True)])]
        right = order[np.concatenate([s + c[1] for s, c in zip(starts, corners, strict=True)])]
    outcome = table["outcome"].to_numpy()
    different = np.ones(len(left), dtype=bool)
    if own is not None:
        codes = table[own].to_numpy()
        different = codes[left] != codes[right]
    return np.asarray(np.abs(outcome[left] - outcome[right])[different])


def pair_summary(pairs: pd.DataFrame, scale: float) -> dict[str, PairDifference]:
    """Return the number of pairs of each kind and quantiles of their difference in points."""
    result = {}
    for changed, part in pairs.groupby("changed", sort=False):
        quantiles = np.quantile(part["difference"], [0.25, 0.5, 0.75, 0.95]) * scale
        mean = float(part["difference"].mean()) * scale
        result[str(changed)] = PairDifference(len(part), mean, *map(float, quantiles))
    return result
