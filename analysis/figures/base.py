"""What every figure is given and what it offers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.attribution import Attribution

__all__ = ["FigureInput", "FigureSpec"]


@dataclass(frozen=True)
class FigureInput:
    """What figures are computed from.

    ``trials`` is the whole table of trials; ``histories[number]`` a trial's epochs (a list of dictionaries) and
    ``plans[number]`` its training plan as a dictionary, both empty where there are none. ``outcome_name`` names the
    outcome on axes; ``scale`` turns it into percentage points.
    """

    attribution: Attribution
    trials: pd.DataFrame
    histories: Mapping[int, list[dict[str, Any]]] = field(default_factory=dict)
    plans: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    outcome: str = "value"
    outcome_name: str = "accuracy"
    scale: float = 100.0
    others: Mapping[str, Attribution] = field(default_factory=dict)

    @property
    def outcome_axis(self) -> str:
        """The outcome's axis label."""
        return f"{self.outcome_name} (%)" if self.scale == 100.0 else f"{self.outcome_name} (as recorded)"


@dataclass(frozen=True)
class FigureSpec:
    """One figure: ``compute`` returns its data (empty: nothing to show), ``draw`` draws them, ``describe`` says in words
    what they show, for who cannot see the picture."""

    title: str
    compute: Callable[[FigureInput], pd.DataFrame]
    draw: Callable[[pd.DataFrame, FigureInput], Figure]
    describe: Callable[[pd.DataFrame, FigureInput], str]
