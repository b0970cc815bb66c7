"""The shape of ``verdict.json``: what `Attribution.to_dict` makes, and the command line and the dashboard read.

A number that is not known is ``None``, since JSON has no other way to say it.
"""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

__all__ = [
    "AnalysedStudies",
    "CheckEntry",
    "CostEntry",
    "DecisionChance",
    "DesignEntry",
    "DifferenceEntry",
    "EffectEntry",
    "GroupEntry",
    "MissingCell",
    "NoiseEntry",
    "PairEntry",
    "PowerEntry",
    "ShareEntry",
    "SobolEntry",
    "VerdictDocument",
]


class ShareEntry(TypedDict):
    """A share of the variance of one run's outcome with its interval, as fractions."""

    share: float | None
    ci_low: float | None
    ci_high: float | None


class GroupEntry(ShareEntry):
    """A group of factors (see `analysis.results.GroupShare`)."""

    unbiased: float | None
    first_order: float | None
    total: float | None
    sd_points: float | None
    range_points: float | None
    columns: Sequence[str]
    levels: int | None
    df: int


class NoiseEntry(ShareEntry):
    """The share of the seed, or of what is not explained (see `analysis.results.NoiseFloor`)."""

    sd_points: float | None
    source: str
    df: int


class EffectEntry(TypedDict):
    """The mean outcome of a level (see `analysis.results.LevelEffect`)."""

    mean: float | None
    ci_low: float | None
    ci_high: float | None
    n: int


class CostEntry(TypedDict):
    """What holding a level costs (see `analysis.results.LevelCost`)."""

    points: float
    ci_low: float
    ci_high: float
    safe: float


class PairEntry(TypedDict):
    """How far the outcome moves between matched runs (see `analysis.results.PairDifference`)."""

    pairs: int
    mean_points: float | None
    quarter_points: float | None
    median_points: float | None
    three_quarters_points: float | None
    ninety_five_points: float | None


class DifferenceEntry(TypedDict):
    """How far a share differs between two studies (see `analysis.compare.ShareDifference`)."""

    difference: float
    ci_low: float
    ci_high: float
    probability: float
    differs: bool


class MissingCell(TypedDict):
    """A cell of an unfinished factorial: the level of every column, and how many runs it lacks."""

    cell: Mapping[str, str]
    runs: int


class DesignEntry(TypedDict):
    """The design to run next (see `analysis.design.NextDesign`); what does not apply to its kind is left out."""

    kind: str
    text: str
    runs: bool
    trials: NotRequired[int]
    replicates: NotRequired[int | None]
    cells: NotRequired[int]
    missing: NotRequired[Sequence[MissingCell]]


class DecisionChance(TypedDict):
    """The chance that the design decides, and the replicates or trials that give 80 % (see `analysis.power`)."""

    probability_decided_with_this_design: float | None
    replicates_for_80_percent: int | None
    trials_for_80_percent: int | None


class PowerEntry(DecisionChance):
    """What the design can decide, and the design that would."""

    next: DesignEntry


class SobolEntry(TypedDict):
    """SALib's indices of a group on a surrogate."""

    first_order: float | None
    total: float | None


class CheckEntry(TypedDict):
    """What another method says of the groups, and what it can be trusted for."""

    note: str
    groups: Mapping[str, float | SobolEntry | None]


class VerdictDocument(TypedDict):
    """The whole file; ``studies`` and ``differences`` are there where several studies were analysed side by side."""

    question: str
    verdict: str
    reasons: Sequence[str]
    explanations: Sequence[str]
    method: str
    level: float
    groups: Mapping[str, GroupEntry]
    noise_floor: NoiseEntry
    interaction: ShareEntry
    thresholds: Mapping[str, float]
    verdict_ungated: str
    sensitivity: Mapping[str, str]
    region_probability: Mapping[str, float]
    n: Mapping[str, int]
    power: PowerEntry
    effects: Mapping[str, Mapping[str, EffectEntry]]
    costs: Mapping[str, Mapping[str, CostEntry]]
    matched_pairs: Mapping[str, PairEntry]
    cross_checks: Mapping[str, CheckEntry]
    notes: Sequence[str]
    versions: Mapping[str, str]
    created: str
    studies: NotRequired[Mapping[str, "VerdictDocument"]]
    differences: NotRequired[Mapping[str, Mapping[str, DifferenceEntry]]]


class AnalysedStudies(VerdictDocument):
    """What ``analyse`` prints: the file, the report's path, and a command to type next.

    ``models`` are those beside the report, ``damaged`` says what of the studies' files is damaged, one line each.
    """

    report: str
    next: str
    models: NotRequired[Sequence[str]]
    damaged: NotRequired[Sequence[str]]
