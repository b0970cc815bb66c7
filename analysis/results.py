"""What an attribution holds: shares, the noise floor, effects, costs, each a small frozen class.

Every class is read by attribute (``entry.share``) or by the name that the field has in ``verdict.json``
(``entry["share"]``); `plain` turns them into dictionaries at the JSON edge.
"""

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.estimate import Estimate
from analysis.layout import combinations
from analysis.sample import Sample

__all__ = [
    "GroupShare",
    "LevelCost",
    "LevelEffect",
    "NoiseFloor",
    "PairDifference",
    "Share",
    "group_shares",
    "interaction_share",
    "noise_floor",
    "plain",
]

NAN = float("nan")


class Entry:
    """Fields that can also be read by name, as in ``verdict.json``."""

    def __getitem__(self, name: str) -> Any:
        if name not in self.keys():
            raise KeyError(name)
        return getattr(self, name)

    def keys(self) -> list[str]:
        """Return the names of the fields."""
        return [field.name for field in dataclasses.fields(self)]  # type: ignore[arg-type]  # every subclass is one

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())


@dataclass(frozen=True)
class Share(Entry):
    """A share of one run's variance with its interval (fractions)."""

    share: float = NAN
    ci_low: float = NAN
    ci_high: float = NAN


@dataclass(frozen=True)
class GroupShare(Entry):
    """A group's share: its main effect and an even part of every interaction that it is in.

    ``unbiased`` may be negative; ``first_order`` is the main effect alone, ``total`` everything that the group has a
    part in. ``sd_points`` is the standard deviation that it causes, ``range_points`` its best less its worst level.
    ``levels`` is None with a continuous factor.
    """

    share: float
    ci_low: float
    ci_high: float
    unbiased: float
    first_order: float
    total: float
    sd_points: float
    range_points: float
    columns: tuple[str, ...]
    levels: int | None
    df: int


@dataclass(frozen=True)
class NoiseFloor(Entry):
    """The share of the seed alone (``source`` replicates), or of what the factors do not explain (residual)."""

    share: float = NAN
    ci_low: float = NAN
    ci_high: float = NAN
    sd_points: float = NAN
    source: str = "replicates"
    df: int = 0


@dataclass(frozen=True)
class LevelEffect(Entry):
    """The mean outcome of a level over ``n`` runs, with its interval, in the outcome's unit."""

    mean: float
    ci_low: float
    ci_high: float
    n: int


@dataclass(frozen=True)
class LevelCost(Entry):
    """The points of accuracy lost at best when a level is held and everything else is tuned.

    ``points`` is the median of the draws, ``safe`` the chance of less than half a point.
    """

    points: float
    ci_low: float
    ci_high: float
    safe: float


@dataclass(frozen=True)
class PairDifference(Entry):
    """How far the outcome moves, in points, between two runs of which one thing alone differs."""

    pairs: int
    mean_points: float
    quarter_points: float
    median_points: float
    three_quarters_points: float
    ninety_five_points: float


def plain(value: Any) -> Any:
    """Make `value` JSON-serialisable; what is not a number becomes null."""
    if isinstance(value, Entry):
        return {name: plain(value[name]) for name in value.keys()}  # noqa: SIM118  # an entry iterates over its keys
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value if value is None else str(value)


def _share(point: float, draws: pd.Series, level: float) -> Share:
    if not len(draws):
        return Share(point)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Share(float(np.clip(point, low, high)), float(low), float(high))


def group_shares(
    sample: Sample, groups: Mapping[str, list[str]], found: Estimate | None, table: pd.DataFrame,
    level: float, scale: float,
) -> dict[str, GroupShare]:  # fmt: skip
    """Return every group's share; `table` holds the draws, `scale` the points of one unit of outcome."""
    result = {}
    for group, columns in groups.items():
        levels, df = _levels(sample, columns), found.df.get(frozenset({group}), 0) if found is not None else 0
        if found is None:
            result[group] = GroupShare(NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, tuple(columns), levels, df)
            continue
        clipped = found.point.clipped()
        share = _share(float(clipped.share(group)), table[group], level)
        result[group] = GroupShare(
            share=share.share,
            ci_low=share.ci_low,
            ci_high=share.ci_high,
            unbiased=float(found.point.share(group)),
            first_order=float(clipped.first_order(group)),
            total=float(clipped.with_interactions(group)),
            sd_points=float(np.sqrt(clipped.variance(group))) * scale,
            range_points=found.ranges.get(group, 0.0) * scale,
            columns=tuple(columns),
            levels=levels,
            df=df,
        )
    return result


def _levels(sample: Sample, columns: Collection[str]) -> int | None:
    """Combinations of levels met in a group; None where it has a continuous factor."""
    mine = [f for f in sample.factors if f.name in columns]
    if any(f.kind == "continuous" for f in mine):
        return None
    if not mine:
        return 1
    return int(combinations(mine).max()) + 1


def noise_floor(found: Estimate | None, table: pd.DataFrame, level: float, scale: float) -> NoiseFloor:
    """Return the share of the seed, or of what is not explained."""
    if found is None:
        return NoiseFloor()
    share = _share(float(found.point.clipped().noise_share()), table["noise"], level)
    deviation = float(np.sqrt(max(float(found.point.noise), 0.0))) * scale
    return NoiseFloor(share.share, share.ci_low, share.ci_high, deviation, found.noise_source, found.noise_df)


def interaction_share(found: Estimate | None, table: pd.DataFrame, level: float) -> Share:
    """Return the share of all interactions between groups."""
    if found is None:
        return Share()
    return _share(float(found.point.clipped().interaction()), table["interaction"], level)
