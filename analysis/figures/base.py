"""What every figure is given and what it offers."""

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd
from matplotlib.figure import Figure

from ana_search.history import Epoch
from ana_search.plan import TrainingPlan
from analysis.attribution import Attribution
from analysis.results import GroupShare, NoiseFloor, Share

__all__ = ["FigureInput", "FigureSpec", "named_parts", "wrapped"]


@dataclass(frozen=True)
class FigureInput:
    """What figures are computed from.

    ``trials`` is the whole table of trials; ``histories[number]`` a trial's epochs (a list of dictionaries) and
    ``plans[number]`` its `ana_search.plan.TrainingPlan`, both empty where there are none. ``scale`` turns the
    outcome into percentage points (1: it is no fraction). ``others`` are the studies it is compared with.
    """

    attribution: Attribution
    trials: pd.DataFrame
    histories: Mapping[int, list[Epoch]] = field(default_factory=dict)
    plans: Mapping[int, TrainingPlan] = field(default_factory=dict)
    outcome: str = "value"
    scale: float = 100.0
    layers: int = 7
    others: Mapping[str, Attribution] = field(default_factory=dict)

    @property
    def outcome_axis(self) -> str:
        """The outcome's axis label."""
        return "validation accuracy (%)" if self.scale == 100.0 else f"{self.outcome} (as recorded)"

    @property
    def difference_axis(self) -> str:
        """The axis label of a difference of outcomes."""
        return (
            "difference in accuracy (points)" if self.scale == 100.0 else f"difference in {self.outcome} (as recorded)"
        )

    @property
    def finished(self) -> pd.DataFrame:
        """The trials that the analysis used, with their outcome times ``scale`` as ``__shown__``."""
        rows = self.trials.loc[self.trials.index.intersection(self.attribution.sample.rows.index)]
        return rows.assign(__shown__=pd.to_numeric(rows[self.outcome]) * self.scale)

    def extremes(self, numbers: Mapping[int, object]) -> dict[str, int]:
        """The numbers of the best and the worst finished trial among `numbers`."""
        if "number" not in self.trials.columns:
            return {}
        rows = self.finished
        rows = rows[rows["number"].isin(list(numbers))].sort_values("__shown__", kind="stable")
        if rows.empty:
            return {}
        found = {"best": int(rows["number"].iloc[-1])}
        return found if len(rows) == 1 else {**found, "worst": int(rows["number"].iloc[0])}


def named_parts(found: Attribution) -> dict[str, Share | GroupShare | NoiseFloor]:
    """The shares by the name to show: the noise is the seed's where replicates tell, else what is unexplained."""
    noise = "seed" if found.noise_floor.source == "replicates" else "unexplained"
    return {**found.groups, "interaction": found.interaction, noise: found.noise_floor}


@dataclass(frozen=True)
class FigureSpec:
    """One figure.

    ``compute`` returns its data (empty: nothing to show), ``draw`` draws them, and ``describe`` says in words what they
    show, for who cannot see the picture.
    """

    title: str
    compute: Callable[[FigureInput], pd.DataFrame]
    draw: Callable[[pd.DataFrame, FigureInput], Figure]
    describe: Callable[[pd.DataFrame, FigureInput], str]


def wrapped(text: object, width: int) -> str:
    """Return a label in lines of at most `width` letters, at most three of them."""
    lines = textwrap.wrap(str(text), width, break_on_hyphens=False) or [""]
    if len(lines) > 3:
        lines = [*lines[:2], lines[2][: width - 1] + "…"]
    return "\n".join(lines)
