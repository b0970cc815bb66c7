"""The answer: what share of the variance of one run's accuracy comes from each group of factors."""

import datetime
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from ana_search.errors import FrameError
from ana_search.verdict_file import CheckEntry, PowerEntry, VerdictDocument
from analysis.collapse import has_collapsed_level
from analysis.costs import decision_costs
from analysis.design import next_design
from analysis.effects import level_effects
from analysis.estimate import Estimate, estimate
from analysis.factors import SHAPE, SYNCHRONISATION
from analysis.gates import gates, too_few_trials
from analysis.lack_of_fit import LACK_P
from analysis.layout import Layout, choose_method, make_layout
from analysis.pairs import matched_pairs, pair_summary
from analysis.pick_freeze import OTHERS
from analysis.power import measure_power
from analysis.ranges import PICK_FREEZE
from analysis.reasons import explain_sample
from analysis.results import (
    GroupShare,
    LevelCost,
    LevelEffect,
    NoiseFloor,
    PairDifference,
    Share,
    group_shares,
    interaction_share,
    noise_floor,
    plain,
)
from analysis.sample import Sample, make_sample, points_of
from analysis.verdict import DELTA, INCONCLUSIVE, RHO, decide, region_probability

__all__ = ["Attribution", "attribute", "points_of"]

QUESTION = (
    "Which drives the accuracy of a quantised network trained with additive noise annealing: the synchronisation"
    " of its layers or the shape of the regularisation?"
)
Design = Literal["auto", "factorial", "space_filling", "pick_freeze"]

LEAST_AGREEMENT = 0.25
"""Lost trials matter where, counted at chance, they leave less than this part of the draws to the verdict."""


@dataclass(frozen=True)
class Attribution:
    """Shares with intervals, the verdict and why; `to_dict` is the content of ``verdict.json``.

    ``draws`` holds one column per group, ``interaction`` and ``noise``: the confidence distribution of the
    shares. ``sample`` and ``layout`` are what they were computed from.
    """

    verdict: str
    reasons: tuple[str, ...]
    method: str
    level: float
    groups: Mapping[str, GroupShare]
    noise_floor: NoiseFloor
    interaction: Share
    verdict_ungated: str
    sensitivity: Mapping[str, str]
    region_probability: Mapping[str, float]
    n: Mapping[str, int]
    power: PowerEntry
    effects: Mapping[str, Mapping[str, LevelEffect]]
    costs: Mapping[str, Mapping[str, LevelCost]]
    matched_pairs: Mapping[str, PairDifference]
    notes: tuple[str, ...]
    draws: pd.DataFrame = field(repr=False)
    sample: Sample = field(repr=False)
    layout: Layout | None = field(repr=False)
    estimate: Estimate | None = field(repr=False)
    cross_checks: Mapping[str, CheckEntry] = field(default_factory=dict)
    created: str = ""

    @property
    def explanations(self) -> list[str]:
        """The reasons in words."""
        return [explain_sample(reason, self.sample, self.layout, self.method) for reason in self.reasons]

    def to_dict(self) -> VerdictDocument:
        """Return the content of ``verdict.json``: plain numbers, texts, lists and dictionaries."""
        return {
            "question": QUESTION,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "explanations": self.explanations,
            "method": self.method,
            "level": self.level,
            "groups": plain(self.groups),
            "noise_floor": plain(self.noise_floor),
            "interaction": plain(self.interaction),
            "thresholds": {"delta": DELTA, "rho": round(RHO, 3)},
            "verdict_ungated": self.verdict_ungated,
            "sensitivity": plain(self.sensitivity),
            "region_probability": plain(self.region_probability),
            "n": plain(self.n),
            "power": plain(self.power),
            "effects": plain(self.effects),
            "costs": plain(self.costs),
            "matched_pairs": plain(self.matched_pairs),
            "cross_checks": plain(self.cross_checks),
            "notes": list(self.notes),
            "versions": versions(),
            "created": self.created,
        }


def versions() -> dict[str, str]:
    """The versions of what computed the answer."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in ("ana-search", "numpy", "scipy", "pandas", "statsmodels", "scikit-learn", "SALib", "optuna"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def attribute(
    frame: pd.DataFrame,
    groups: Mapping[str, Sequence[str]] | None = None,
    *,
    outcome: str = "value",
    state: str = "state",
    replicate: str = "seed",
    design: Design = "auto",
    level: float = 0.95,
    seed: int = 0,
    categorical: Collection[str] = (),
    ranges: Mapping[str, Sequence[object]] | None = None,
    conditions: Mapping[str, Sequence[object]] | None = None,
    sampler: str | None = None,
    chance: float | None = None,
    draws: int = 4000,
    details: bool = True,
) -> Attribution:
    """Return the shares of one run's variance that the groups of factors have, and the verdict.

    `groups` maps a group's name to its columns in `frame` (one row a trial); by default the parameters of a
    study file in their usual groups. Two named ``synchronisation`` and ``shape`` decide the verdict; any others may be
    there. Non-numeric columns are categories; a numeric one with more than 8 distinct values is continuous unless
    `categorical` names it.

    What a study knows of its space can be named, and is guessed otherwise (a note says so): `ranges` maps a continuous
    column to its scale and bounds, ``{"learning_rate": ("log", 1e-4, 1e-2)}`` (``"linear"`` otherwise; a fourth entry
    is the step of a stepped range); `conditions` maps a column that exists in some trials only to the levels of
    another for which it does, ``{"alpha": ("decay", ["power"])}`` (a list of such pairs: one must hold); `sampler` is
    what drew the trials (``random``, ``qmc``, ``grid``, or an adaptive one, whose trials carry no verdict).

    `chance` is the outcome that a failed trial counts as in the sensitivity check (default: the
    worst outcome met). `details=False` leaves out power, effects, costs and matched pairs.

    The result is a function of the frame and the seed. Raises `FrameError` for a table that cannot be read.
    """
    if design not in ("auto", "factorial", "space_filling", "pick_freeze"):
        raise FrameError(f"design {design!r}; allowed: auto, factorial, space_filling, pick_freeze")
    if not 0.5 <= level < 1:
        raise FrameError(f"level {level!r}; allowed: 0.5 up to, but not including, 1")
    sample = make_sample(
        frame, groups, outcome=outcome, state=state, replicate=replicate, categorical=categorical,
        ranges=ranges, conditions=conditions, sampler=PICK_FREEZE if design == PICK_FREEZE else sampler,
    )  # fmt: skip
    layout = make_layout(sample) if sample.factors else None
    method = design if design != "auto" else choose_method(sample, layout)
    reasons = gates(sample, layout, method)
    few = too_few_trials(sample, method)
    found = None if few else estimate(sample, layout, method, draws=draws, seed=seed)
    if found is not None and found.lack_of_fit is not None and found.lack_of_fit < LACK_P:
        reasons.append("lack_of_fit")
    if found is not None and found.fit is not None and found.fit.noise_of_few_runs:
        reasons.append("noise_of_few_runs")
    if found is not None and found.fit is not None and has_collapsed_level(found.fit):
        reasons.append("collapsed_level")
    verdict, probability = _decide(found, sample, level)
    sensitivity = {"failed_dropped": verdict, "failed_chance": verdict}
    if found is not None and len(sample.lost):
        sensitivity["failed_chance"], other = _with_lost(sample, method, chance, draws, seed, level)
        if verdict != INCONCLUSIVE and other.get(verdict, 0.0) < LEAST_AGREEMENT:
            reasons.append("failed_trials_matter")
    ungated = verdict
    if reasons:
        verdict = INCONCLUSIVE
    elif verdict == INCONCLUSIVE:
        reasons.append("undecided")
    scale = points_of(sample.outcome)
    power = _power(sample, layout, method, found if details else None, reasons, seed=seed, level=level)
    members = _members(sample, layout, method)
    table = _draws(found, members)
    return Attribution(
        verdict=verdict,
        reasons=tuple(reasons),
        method=method,
        level=level,
        groups=group_shares(sample, members, found, table, level, scale),
        noise_floor=noise_floor(found, table, level, scale),
        interaction=interaction_share(found, table, level),
        verdict_ungated=ungated,
        sensitivity=sensitivity,
        region_probability=probability,
        n=_counts(sample, layout),
        power=power,
        effects=level_effects(sample, found, level) if details else {},
        costs=decision_costs(sample, layout, found, level=level, seed=seed) if details else {},
        matched_pairs=pair_summary(matched_pairs(sample, seed), scale) if details else {},
        notes=sample.notes + (layout.notes if layout is not None else ()) + (found.notes if found is not None else ()),
        draws=table,
        sample=sample,
        layout=layout,
        estimate=found,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def _members(sample: Sample, layout: Layout | None, method: str) -> dict[str, list[str]]:
    """The groups that the method tells from each other, and their columns."""
    if method == "factorial" and layout is not None:
        return dict(layout.groups)
    if method != PICK_FREEZE:
        return sample.groups
    own = {group: names for group, names in sample.groups.items() if group in (SYNCHRONISATION, SHAPE)}
    others = [name for group, names in sample.groups.items() if group not in own for name in names]
    return {**own, OTHERS: others} if others else own


def _decide(found: Estimate | None, sample: Sample, level: float) -> tuple[str, dict[str, float]]:
    if found is None or not {SYNCHRONISATION, SHAPE} <= set(sample.groups):
        return INCONCLUSIVE, {}
    drawn = found.draws
    probability = region_probability(drawn.share(SYNCHRONISATION), drawn.share(SHAPE))
    return decide(probability, level), probability


def _power(
    sample: Sample, layout: Layout | None, method: str, found: Estimate | None, reasons: Sequence[str],
    *, seed: int, level: float,
) -> PowerEntry:  # fmt: skip
    """What this design can decide, and the design that would."""
    if not {SYNCHRONISATION, SHAPE} <= {factor.group for factor in sample.factors}:
        found = None
    typical = round(float(layout.counts[layout.counts > 0].mean())) if layout is not None else 1
    power = measure_power(found, len(sample.rows), typical, seed=seed, level=level)
    return {**power, "next": next_design(sample, layout, method, reasons, power).to_dict()}


def _with_lost(
    sample: Sample, method: Design, chance: float | None, draws: int, seed: int, level: float
) -> tuple[str, dict[str, float]]:
    """The verdict and the regions' probabilities when every lost trial counts as one at chance."""
    filled = sample.with_lost(float(sample.outcome.min()) if chance is None else chance)
    if method == "space_filling":  # whose draws take time; a coarse answer is enough here
        draws = min(draws, 1000)
    found = estimate(filled, make_layout(filled), method, draws=draws, seed=seed)
    return _decide(found, filled, level)


def _draws(found: Estimate | None, groups: Mapping[str, list[str]]) -> pd.DataFrame:
    if found is None:
        return pd.DataFrame(columns=[*groups, "interaction", "noise"], dtype=float)
    table = {group: found.draws.share(group) for group in groups}
    return pd.DataFrame({**table, "interaction": found.draws.interaction(), "noise": found.draws.noise_share()})


def _counts(sample: Sample, layout: Layout | None) -> dict[str, int]:
    counts = {key: sample.counts[key] for key in ("used", "pruned", "failed", "unfinished", "retried")}
    counts["cells"] = layout.cells if layout is not None else 0
    counts["replicates"] = int(layout.counts.min()) if layout is not None else 0
    counts["outside"] = int((~layout.inside).sum()) if layout is not None else 0
    return counts
