"""What a decision costs: the points lost at best when a level is held and everything else is tuned.

The cost of a level is ``max over all cells - max over the cells with that level`` of the cells' true means. The true
means are drawn: of every subset of groups the effects are normal with the variance component of that draw, so that an
estimated effect is drawn towards 0 by ``tau / (tau + noise)`` and spread by the draw's own error. A cell's noise is its
own level's, not one pooled variance.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from analysis.estimate import Estimate
from analysis.factorial import Drawn, FactorialFit, subset_effect, subset_effects
from analysis.factors import Factor, level_labels
from analysis.layout import Layout
from analysis.results import LevelCost
from analysis.sample import Sample, points_of
from analysis.shares import Subset
from analysis.space_filling import Surface

__all__ = ["SAFE_POINTS", "cell_draws", "decision_costs", "level_costs", "level_members", "summarise_costs"]

SAFE_POINTS = 0.5
"""A level that costs less than so many points is safe to fix."""

HYPERDRAWS = 100
LARGEST_SOLVE = 600
"""Above so many cells every cell counts as equally noisy, which needs no matrix."""

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def cell_draws(fit: FactorialFit, drawn: Drawn, draws: int, generator: np.random.Generator) -> Floats:
    """Return draws of the cells' true means about their grand mean: draws x cells."""
    effects = subset_effects(fit.means, fit.groups)
    total = len(drawn.components.noise)
    spread = 1.0 / fit.size  # variance of a cell's mean over the error variance, times 1 / cells
    order = sorted(effects, key=lambda s: (len(s), fit.df[s], fit.mean_squares[s]))
    unequal = _cell_noise(fit)
    if fit.cells > LARGEST_SOLVE or np.allclose(unequal, unequal.mean(), rtol=0.05):
        chosen = np.linspace(0, total - 1, draws).astype(int)
        return _independent(fit, drawn, chosen, effects, order, spread, generator)
    chosen = np.linspace(0, total - 1, min(HYPERDRAWS, draws)).astype(int)
    return _solved(fit, drawn, chosen, -(-draws // len(chosen)), order, unequal * spread * fit.cells, generator)


def _cell_noise(fit: FactorialFit) -> Floats:
    """Return the variance of every cell's mean over their average.

    A cell's own variance counts the more, the more the cells' variances scatter beyond chance (a scaled inverse
    chi-squared prior, its degrees of freedom by the method of moments): an outlier makes its cell's mean doubtful.
    """
    noise = fit.ratio.copy()
    if fit.mse > 0 and fit.seen_part < 0.95:
        own = np.maximum(fit.counts - 1.0, 0.0)
        prior = 4.0 + (float(own.mean()) + 2.0) * fit.seen_part / (1.0 - fit.seen_part)
        noise = (prior * noise + own * fit.variances / fit.mse) / (prior + own)
    noise = (noise / fit.counts).ravel()
    return np.asarray(noise / noise.mean())


def _independent(
    fit: FactorialFit, drawn: Drawn, chosen: npt.NDArray[np.int64], effects: Mapping[Subset, Floats],
    order: list[Subset], spread: float, generator: np.random.Generator,
) -> Floats:  # fmt: skip
    """Subsets are independent where all cells are equally noisy: each is shrunk on its own."""
    found = np.zeros((len(chosen), fit.cells))
    for subset in order:
        true = drawn.components.parts[subset][chosen]
        error = drawn.errors[subset][chosen]
        keep = true / np.maximum(true + fit.df[subset] * error * spread, 1e-300)
        fresh = generator.normal(size=(len(chosen), fit.cells)).reshape(len(chosen), *fit.means.shape)
        axes = subset_effect(np.moveaxis(fresh, 0, -1), fit.groups, subset)
        white = np.moveaxis(axes, -1, 0).reshape(len(chosen), fit.cells)
        found += keep[:, None] * effects[subset].ravel()
        found += np.sqrt(keep * error * spread * fit.cells)[:, None] * white
    return found


def _solved(
    fit: FactorialFit, drawn: Drawn, chosen: npt.NDArray[np.int64], each: int, order: list[Subset], unequal: Floats,
    generator: np.random.Generator,
) -> Floats:  # fmt: skip
    """Cells of unequal noise: ``prior draw + C (C + V)^-1 (means - prior draw - noise draw)`` (Matheron's rule)."""
    identity = np.eye(fit.cells).reshape(*fit.means.shape, fit.cells)
    projections = {
        subset: effect.reshape(fit.cells, fit.cells) for subset, effect in subset_effects(identity, fit.groups).items()
    }
    full = frozenset(fit.groups)
    means = fit.means.ravel() - fit.means.mean()
    found = []
    for place in chosen:
        covariance, noise = np.zeros((fit.cells, fit.cells)), np.diag(drawn.errors[full][place] * unequal)
        prior, error = np.zeros((each, fit.cells)), np.zeros((each, fit.cells))
        error += generator.normal(size=(each, fit.cells)) * np.sqrt(np.diag(noise))
        for subset in order:
            tau = float(drawn.components.parts[subset][place]) * fit.cells / fit.df[subset]
            covariance += tau * projections[subset]
            prior += np.sqrt(tau) * generator.normal(size=(each, fit.cells)) @ projections[subset]
            beyond = float(drawn.errors[subset][place] - drawn.errors[full][place]) / fit.size * fit.cells
            if beyond > 0:
                noise = noise + beyond * projections[subset]
                error += np.sqrt(beyond) * generator.normal(size=(each, fit.cells)) @ projections[subset]
        centre = projections_mean(fit.cells)
        observed = (means - prior - error) @ centre
        try:
            gain = np.linalg.solve(covariance + noise, covariance)
        except np.linalg.LinAlgError:
            gain = np.linalg.lstsq(covariance + noise, covariance, rcond=None)[0]
        found.append(prior + observed @ gain)
    return np.concatenate(found)


def projections_mean(cells: int) -> Floats:
    """Return the projection that takes the mean off a vector of cells."""
    return np.eye(cells) - 1.0 / cells


def level_members(factors: tuple[Factor, ...], layout: Layout) -> dict[str, dict[str, Mask]]:
    """Return, for every column and for every group of several columns, each level's cells as a mask.

    A level of a group is a combination of its columns' levels. That a conditional column is not set is no level that
    could be held.
    """
    rows = np.flatnonzero(layout.inside)
    shape, cells = layout.counts.shape, layout.counts.size
    place = np.indices(shape).reshape(len(shape), cells)
    found: dict[str, dict[str, Mask]] = {}
    for axis, (group, codes) in enumerate(layout.codes.items()):
        mine = [f for f in factors if f.name in layout.groups[group] and f.codes is not None]
        first = {int(code): rows[where] for where, code in reversed(list(enumerate(codes)))}
        names = {code: [_level_name(f, int(row)) for f in mine] for code, row in first.items()}
        for column, factor in enumerate(mine):
            levels = dict.fromkeys(name[column] for name in names.values() if name[column] is not None)
            found[factor.name] = {
                str(level): np.isin(place[axis], [c for c, name in names.items() if name[column] == level])
                for level in levels
            }
        if len(mine) > 1:
            key = group if group not in found else f"group {group}"
            found[key] = {
                ", ".join(part for part in name if part is not None): place[axis] == code
                for code, name in sorted(names.items())
            }
    return found


def _level_name(factor: Factor, row: int) -> str | None:
    assert factor.codes is not None
    code = int(factor.codes[row])
    if code < 0:
        return None
    name = factor.levels[code]
    return None if name == "not set" else name


def summarise_costs(
    means: Floats, members: Mapping[str, Mapping[str, Mask]], scale: float, level: float
) -> dict[str, dict[str, LevelCost]]:
    """Return every level's cost from draws of the cells' means (draws x cells); `scale` turns them into points."""
    best = means.max(axis=1)
    return {
        column: {
            name: _level_cost((best - means[:, inside].max(axis=1)) * scale, level) for name, inside in levels.items()
        }
        for column, levels in members.items()
    }


def _level_cost(lost: Floats, level: float) -> LevelCost:
    """Return the median, the interval and the chance to be safe of draws of the points lost."""
    low, middle, high = np.quantile(lost, [(1 - level) / 2, 0.5, (1 + level) / 2])
    return LevelCost(float(middle), float(low), float(high), float((lost < SAFE_POINTS).mean()))


def level_costs(
    fit: FactorialFit, drawn: Drawn, members: Mapping[str, Mapping[str, Mask]], *,
    scale: float, level: float, seed: int, draws: int = 2000,
) -> dict[str, dict[str, LevelCost]]:  # fmt: skip
    """Return what holding each level costs, in points (`scale` points to a unit of the fit's outcome)."""
    means = cell_draws(fit, drawn, draws, np.random.default_rng([seed, 7]))
    return summarise_costs(means, members, scale, level)


def decision_costs(
    sample: Sample, layout: Layout | None, found: Estimate | None, *, level: float, seed: int, draws: int = 2000
) -> dict[str, dict[str, LevelCost]]:
    """Return what holding each level of each column, and each combination of a group, costs in points.

    In a factorial from draws of the cells' means; of a space-filling sample from the fitted surface, at even draws of
    all factors: a continuous factor's levels are the quarters of its range.
    """
    if found is not None and found.surface is not None and sample.factors:
        return surface_costs(sample, found.surface, level=level, seed=seed)
    if found is None or layout is None or found.fit is None or found.drawn is None:
        return {}
    members = level_members(sample.factors, layout)
    scale = points_of(sample.outcome) * found.unit
    return level_costs(found.fit, found.drawn, members, scale=scale, level=level, seed=seed, draws=draws)


SURFACE_POINTS, SURFACE_DRAWS = 2000, 400


def surface_costs(sample: Sample, surface: Surface, *, level: float, seed: int) -> dict[str, dict[str, LevelCost]]:
    """Return what holding each level costs on the fitted surface: posterior draws at even draws of all factors.

    A level is held at the *same* draws of all other factors as every other level, because the best of many draws is
    better than the best of few: a factor that does nothing would else seem to cost something. A factor that decides
    where others exist has the draws that have its level.
    """
    generator = np.random.default_rng([seed, 8])
    points = _even_points(sample, generator)
    rows = np.linspace(0, len(surface.coefficients) - 1, min(SURFACE_DRAWS, len(surface.coefficients))).astype(int)
    thinned = dataclasses.replace(surface, coefficients=surface.coefficients[rows])
    means = thinned.draws_at(points)
    deciding = {name for f in points if f.nest is not None for name in f.nest.ancestors}
    scale = points_of(sample.outcome)
    found: dict[str, dict[str, LevelCost]] = {}
    for factor in points:
        labels, codes = level_labels(factor)
        if factor.name in deciding:
            members = {label: (codes == code) & factor.exists for code, label in enumerate(labels)}
            members = {label: inside for label, inside in members.items() if inside.any()}
            found |= summarise_costs(means, {factor.name: members}, scale, level)
        elif factor.exists.any():
            held = _held_best(thinned, means, points, factor, len(labels))
            there = means[:, ~factor.exists].max(axis=1, initial=-np.inf)
            best = np.maximum(held.max(axis=0), there)
            found[factor.name] = {
                label: _level_cost((best - mine) * scale, level) for label, mine in zip(labels, held, strict=True)
            }
    return found


def _held_best(surface: Surface, means: Floats, points: list[Factor], factor: Factor, levels: int) -> Floats:
    """Return the best outcome of each draw where `factor` is held at each of its levels (levels x draws)."""
    rest = means - surface.draws_of(factor.name, points)
    found = []
    for code in range(levels):
        if factor.values is None:
            held = dataclasses.replace(factor, codes=np.where(factor.exists, code, -1))
        else:  # a quarter of the range
            inside = -1.0 + (code + (factor.values + 1.0) / 2.0) * 2.0 / levels
            held = dataclasses.replace(factor, values=np.where(factor.exists, inside, 0.0))
        others = [held if one is factor else one for one in points]
        outcome = rest[:, factor.exists] + surface.draws_of(factor.name, others)[:, factor.exists]
        found.append(outcome.max(axis=1))
    return np.stack(found)


def _even_points(sample: Sample, generator: np.random.Generator) -> list[Factor]:
    """Return the sample's factors at even draws: each factor's own levels or range, where the factor exists.

    Where factors are conditional, the conditions are those of the sample's own rows, drawn anew: only what exists
    everywhere is drawn evenly.
    """
    drawn: list[Factor] = []
    base = generator.integers(sample.factors[0].rows, size=SURFACE_POINTS)
    deciding = {name for f in sample.factors if f.nest is not None for name in f.nest.ancestors}
    for factor in sample.factors:
        exists = np.ones(SURFACE_POINTS, dtype=bool) if factor.nest is None else factor.exists[base]
        nest = None if factor.nest is None else dataclasses.replace(factor.nest, exists=exists)
        if factor.values is not None:
            values = generator.uniform(-1, 1, size=SURFACE_POINTS)
            drawn.append(dataclasses.replace(factor, values=np.where(exists, values, 0.0), nest=nest))
            continue
        assert factor.codes is not None
        fresh = generator.integers(len(factor.levels), size=SURFACE_POINTS)
        codes = factor.codes[base] if factor.name in deciding else np.where(exists, fresh, -1)
        drawn.append(dataclasses.replace(factor, codes=codes, nest=nest))
    return drawn
