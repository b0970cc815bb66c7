"""The estimate that the verdict rests on: one interface over the two estimators."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.blocks import interacts
from analysis.contrasts import too_many_levels
from analysis.factorial import Drawn, FactorialFit, draw_factorial, fit_factorial
from analysis.factors import SHAPE, SYNCHRONISATION, level_labels
from analysis.heavy_tails import with_heavy_tails
from analysis.lack_of_fit import lack_of_fit, pure_error, with_missed
from analysis.layout import Layout, outcome_inside
from analysis.pick_freeze import fit_pick_freeze
from analysis.ranges import PICK_FREEZE
from analysis.sample import REPLICATE, Sample
from analysis.shares import Components, Subset
from analysis.space_filling import Surface, fit_space_filling

__all__ = ["Estimate", "estimate"]


@dataclass(frozen=True)
class Estimate:
    """Point estimate and confidence draws of the variance components, in the outcome's squared unit.

    ``ranges`` is each group's best minus worst level mean; ``df`` the degrees of freedom of each subset of
    groups; ``fit`` the sums of squares where the estimate comes from a factorial, in units of ``unit``, and ``drawn``
    its draws with their errors; ``notes`` what a reader should know.
    """

    point: Components
    draws: Components
    ranges: Mapping[str, float]
    df: Mapping[Subset, int]
    noise_source: str
    noise_df: int
    fit: FactorialFit | None = None
    drawn: Drawn | None = None
    unit: float = 1.0
    notes: tuple[str, ...] = ()
    lack_of_fit: float | None = None
    """The p value of a basis that fits; None where that cannot be told, or there is no basis."""
    surface: Surface | None = None
    """The fitted outcome of a space-filling sample, with its posterior draws."""


def estimate(
    sample: Sample, layout: Layout | None, method: str, *, draws: int, seed: int, fast: bool = False
) -> Estimate | None:
    """Return the estimate, or None where the sample holds too little for any."""
    values = sample.outcome
    if len(values) < 4 or np.ptp(values) <= 1e-12 * np.abs(values).max():
        return None
    if method == "factorial":
        return _factorial(sample, layout, draws, seed, fast)
    if method == PICK_FREEZE:
        return _pick_freeze(sample, draws, seed)
    return _space_filling(sample, draws, seed)


def _pick_freeze(sample: Sample, draws: int, seed: int) -> Estimate | None:
    if not {SYNCHRONISATION, SHAPE} <= {factor.group for factor in sample.factors}:
        return None
    fit = fit_pick_freeze(sample, draws, np.random.default_rng(seed))
    if fit is None:
        return None
    notes = () if fit.blocks == fit.begun else (f"{fit.begun - fit.blocks} blocks of the design lack runs",)
    return Estimate(
        point=fit.point,
        draws=fit.draws,
        ranges=column_ranges(sample),
        df={},
        noise_source="replicates",
        noise_df=fit.pairs,
        notes=notes,
    )


def _space_filling(sample: Sample, draws: int, seed: int) -> Estimate | None:
    if not sample.factors:
        return None
    generator = np.random.default_rng(seed)
    fit = fit_space_filling(sample, draws, generator)
    outcome = sample.outcome
    error = pure_error(sample.factors, outcome)
    squares = float(((outcome - fit.surface.fitted()) ** 2).sum())
    notes = [
        f"the interaction of {one!r} and {other!r} has too many levels to be told from noise, and counts as noise"
        for one, other in too_many_levels(sample.factors)
    ]
    drawn = fit.draws
    fits = lack_of_fit(error, squares, len(outcome) - 1 - fit.used_df)
    if fits is not None:
        drawn = with_missed(drawn, error, fits, list(dict.fromkeys(f.group for f in fit.surface.factors)), generator)
    else:
        notes.append("hardly any point was run twice, so that whether the basis fits cannot be tested")
    drawn = with_heavy_tails(drawn, outcome - fit.surface.fitted(), generator)
    # The estimate is the fit's; what it may have missed, and heavy tails, are part of its uncertainty alone.
    point = {subset: np.asarray(part.mean()) for subset, part in fit.draws.parts.items()}
    return Estimate(
        point=Components(point, np.asarray(fit.draws.noise.mean())),
        draws=drawn,
        ranges=column_ranges(sample),
        df=fit.df,
        noise_source="residual",
        noise_df=fit.residual_df,
        notes=tuple(notes),
        lack_of_fit=fits,
        surface=fit.surface,
    )


def _factorial(sample: Sample, layout: Layout | None, draws: int, seed: int, fast: bool) -> Estimate | None:
    if layout is None or layout.empty or not layout.codes:
        return None
    outcome = outcome_inside(sample, layout)
    if len(outcome) - layout.cells < 1:
        return None
    replicates = sample.rows.loc[layout.inside, REPLICATE].to_numpy()
    centre, unit = float(outcome.mean()), float(np.abs(outcome - outcome.mean()).max())
    fit = fit_factorial(dict(layout.codes), (outcome - centre) / unit, replicates)
    if fit.residual_df < 1 or fit.mse <= 0:
        return None
    drawn = draw_factorial(fit, draws, np.random.default_rng(seed), fast=fast)
    ranges = {}
    for axis, group in enumerate(fit.groups):
        others = tuple(a for a in range(fit.means.ndim) if a != axis)
        ranges[group] = float(np.ptp(fit.means.mean(axis=others))) * unit
    return Estimate(
        point=_rescaled(fit.estimate(), unit),
        draws=_rescaled(drawn.components, unit),
        ranges=ranges,
        df=fit.df,
        noise_source="replicates",
        noise_df=fit.residual_df,
        fit=fit,
        drawn=drawn,
        unit=unit,
        notes=fit_notes(fit),
    )


def fit_notes(fit: FactorialFit) -> tuple[str, ...]:
    """What a reader should know of a factorial's noise."""
    if not fit.errors:
        return ()
    seen = [" x ".join(sorted(s)) for s, term in fit.errors.items() if s and interacts(term, fit.residual)]
    text = "replicates recur across cells and are random blocks"
    return (f"{text}; their effect depends on {', '.join(seen)}" if seen else text,)


def _rescaled(components: Components, unit: float) -> Components:
    parts = {subset: part * unit**2 for subset, part in components.parts.items()}
    return Components(parts, components.noise * unit**2)


def column_ranges(sample: Sample) -> dict[str, float]:
    """Each group's largest difference between the level means of one of its columns."""
    found: dict[str, float] = {}
    for factor in sample.factors:
        codes = level_labels(factor)[1]
        means = pd.Series(sample.outcome)[codes >= 0].groupby(codes[codes >= 0]).mean()
        found[factor.group] = max(found.get(factor.group, 0.0), float(np.ptp(means.to_numpy())))
    return found
