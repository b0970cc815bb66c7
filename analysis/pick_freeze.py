"""Shares from a pick-freeze design: no basis has to fit.

A block has two independent points A and B and the runs A (twice), A with the synchronisation of B, A with its shape,
and B. With f the noiseless outcome, V its variance, s2 the noise's and Jansen's estimators (Computer Physics
Communications 117, 1999):

    total of S    = E (A - A with S of B)^2 / 2 - s2        what is left when only S is redrawn
    first of S    = V - E (B - A with S of B)^2 / 2 + s2    the two share S alone
    Shapley of S  = half of its total + half of its first (Owen, SIAM/ASA J. Uncertainty Quantification 2, 2014)

The surface of `analysis.space_filling`, fitted to the *other* blocks, is the control variate: its own differences are
subtracted from each block's and their exact expectation added. The better it fits, the shorter are the intervals; where
it does not fit they are as right. The confidence distribution is the bootstrap over blocks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.contrasts import Block
from analysis.factors import SHAPE, SYNCHRONISATION, Factor
from analysis.sample import BLOCK, REDRAWN, Sample
from analysis.shares import Components, Subset
from analysis.space_filling import Surface, fit_surface

__all__ = ["OTHERS", "PickFreezeFit", "Runs", "fit_pick_freeze", "shares_of", "statistics"]

Floats = npt.NDArray[np.float64]

OTHERS = "others"
"""The groups beside the verdict's two, which the design does not tell from each other."""

FOLDS = 4
WIDENING = 1.2
"""Bootstrap draws are spread by this much about their mean: percentiles of a few dozen blocks are too narrow."""


@dataclass(frozen=True)
class Runs:
    """Outcomes by block: those of A (blocks x 2; the second may be missing), of A with one group of B, and of B."""

    first: Floats
    synchronisation: Floats
    shape: Floats
    second: Floats

    @property
    def blocks(self) -> int:
        """The number of blocks."""
        return len(self.second)


@dataclass(frozen=True)
class PickFreezeFit:
    """Estimate and draws of the components, in the outcome's squared unit.

    ``begun`` blocks have a run, ``blocks`` of them all runs of the two groups, and ``pairs`` points were run twice.
    """

    point: Components
    draws: Components
    begun: int
    blocks: int
    pairs: int


NAMES = ("total_s", "total_h", "share_s", "share_h", "share_rest", "variance", "noise", "noise_in_totals")


def statistics(runs: Runs) -> Floats:
    """Return the halved squared differences of each block (blocks x 8), in the order of `NAMES`.

    ``share_x`` is that of the two runs that share group x alone, ``variance`` the mean square about the mean of all,
    ``noise_in_totals`` how much of the noise's variance is in the totals. What a block lacks is not a number.
    """
    with np.errstate(invalid="ignore"):  # blocks without a run have no mean
        count = np.isfinite(runs.first).sum(axis=1)
        mean = np.where(count > 0, np.nansum(runs.first, axis=1) / np.maximum(count, 1), np.nan)
        every = np.stack([mean, runs.synchronisation, runs.shape, runs.second], axis=1)
        single = np.concatenate([runs.first, every[:, 1:]], axis=1)
        there = np.isfinite(every).sum(axis=1)
        centre = np.nansum(every) / max(1, there.sum())
        # The mean is estimated too: its own variance, that of the blocks' means, belongs to the outcome's.
        blocks = np.nansum(every, axis=1)[there > 0] / there[there > 0]
        lost = float(np.var(blocks)) / max(1, len(blocks))
        weights = np.where(np.isfinite(single), np.array([0.5, 0.5, 1, 1, 1]), np.nan)
        weights[:, :2] = np.where((count == 1)[:, None], 2 * weights[:, :2], weights[:, :2])
        spread = np.nansum(weights * (single - centre) ** 2, axis=1) / np.nansum(weights, axis=1) + lost
        pairs = [
            (mean, runs.synchronisation), (mean, runs.shape), (runs.synchronisation, runs.second),
            (runs.shape, runs.second), (runs.synchronisation, runs.shape),
        ]  # fmt: skip
        halves = [0.5 * (one - other) ** 2 for one, other in pairs]
        noise = 0.5 * (runs.first[:, 0] - runs.first[:, 1]) ** 2
        part = np.where(count > 0, 0.5 * (1.0 + 1.0 / np.maximum(count, 1)), np.nan)
    return np.stack([*halves, spread, noise, part], axis=1)


def shares_of(means: Floats, rest: bool) -> Components:
    """Return the components of the means of `statistics` (draws x 8, or 8).

    ``rest`` says whether groups beside the verdict's two vary; without any, redrawing one group is sharing the other.
    Components that must not be negative are not; a group's Shapley part is kept whole.
    """
    total_s, total_h, share_s, share_h, share_rest, variance, noise, part = np.moveaxis(means, -1, 0)
    explained = variance - noise
    total_s, total_h = total_s - part * noise, total_h - part * noise
    if not rest:
        total_s, total_h = 0.5 * (total_s + share_h - noise), 0.5 * (total_h + share_s - noise)
        first_s, first_h = explained - total_h, explained - total_s
    else:
        first_s, first_h = variance - share_s, variance - share_h
    shapley_s, shapley_h = (np.maximum(0.5 * (f + t), 0.0) for f, t in ((first_s, total_s), (first_h, total_h)))
    inter_s = np.clip(total_s - first_s, 0.0, 2 * shapley_s)
    inter_h = np.clip(total_h - first_h, 0.0, 2 * shapley_h)
    if rest:
        crossed = explained - first_s - first_h - np.maximum(variance - share_rest, 0.0)
        both = np.clip(inter_s + inter_h - crossed, 0.0, np.minimum(inter_s, inter_h))
    else:
        both = np.minimum(0.5 * (inter_s + inter_h), 2 * np.minimum(shapley_s, shapley_h))
        inter_s = inter_h = both
    s, h, o = frozenset({SYNCHRONISATION}), frozenset({SHAPE}), frozenset({OTHERS})
    parts: dict[Subset, Floats] = {s: shapley_s - inter_s / 2, h: shapley_h - inter_h / 2, s | h: both}
    if rest:
        parts |= {s | o: inter_s - both, h | o: inter_h - both}
        known = np.sum(list(parts.values()), axis=0)
        parts[o] = np.maximum(explained - known, 0.0)
    return Components(parts, np.maximum(noise, 0.0), np.maximum(variance, 1e-12))


def fit_pick_freeze(sample: Sample, draws: int, generator: np.random.Generator) -> PickFreezeFit | None:
    """Return the components of a pick-freeze sample, or None where hardly a block is complete."""
    blocks, places = _places(sample)
    outcome = sample.outcome
    rest = any(f.group not in (SYNCHRONISATION, SHAPE) for f in sample.factors)
    table = statistics(_runs(outcome, places))
    if (np.isfinite(table).sum(axis=0) < 4).any():
        return None
    unit = float(outcome.std())
    fold = np.arange(len(places)) % FOLDS
    for number in range(FOLDS):
        inside = np.isin(blocks, np.flatnonzero(fold == number))
        if (~inside).sum() < 16 or not inside.any():
            continue
        surface = fit_surface(sample.factors, ~inside, outcome / unit, generator)
        if surface is None:
            continue
        known = statistics(_runs(surface.fitted(), places))[:, :6] * unit**2
        expected = np.array(_expected(surface)) * unit**2
        rows = fold == number
        table[rows, :6] -= known[rows] - expected
    weights = generator.multinomial(len(table), np.full(len(table), 1 / len(table)), draws).astype(float)
    there = np.isfinite(table)
    filled = np.where(there, table, 0.0)
    means = (weights @ filled) / np.maximum(weights @ there, 1e-9)
    centre = filled.sum(axis=0) / there.sum(axis=0)
    wide = centre + WIDENING * (means - centre)
    wide[:, 6] = np.maximum(wide[:, 6], 0.0)
    return PickFreezeFit(
        point=shares_of(centre, rest),
        draws=shares_of(wide, rest),
        begun=len(table),
        blocks=int(there[:, :6].all(axis=1).sum()),
        pairs=int(there[:, 6].sum()),
    )


def _places(sample: Sample) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the number of each row's block, and the rows of each block (blocks x 5; -1: not there)."""
    names = {"none": (0, 1), SYNCHRONISATION: (2,), SHAPE: (3,), "all": (4,)}
    blocks = np.unique(sample.rows[BLOCK].to_numpy(), return_inverse=True)[1].reshape(-1)
    places = np.full((blocks.max() + 1, 5), -1, dtype=np.int64)
    for row, (block, redrawn) in enumerate(zip(blocks, sample.rows[REDRAWN], strict=True)):
        free = [place for place in names[str(redrawn)] if places[block, place] < 0]
        if free:
            places[block, free[0]] = row
    swap = (places[:, 0] < 0) & (places[:, 1] >= 0)
    places[swap, 0], places[swap, 1] = places[swap, 1], -1
    return blocks, places


def _runs(values: Floats, places: npt.NDArray[np.int64]) -> Runs:
    found = np.where(places >= 0, values[places], np.nan)
    return Runs(found[:, :2], found[:, 2], found[:, 3], found[:, 4])


def _expected(surface: Surface) -> list[float]:
    """Return what the first six of `statistics` are on average for the fitted surface."""
    parts = _latent_parts(surface.factors, surface.blocks, surface.coefficients.mean(axis=0))
    whole = sum(parts.values())

    def total(group: str) -> float:
        return sum(part for subset, part in parts.items() if group in subset)

    def first(group: str) -> float:
        return sum(part for subset, part in parts.items() if subset == {group})

    return [
        total(SYNCHRONISATION), total(SHAPE), whole - first(SYNCHRONISATION), whole - first(SHAPE),
        whole - first(OTHERS), whole,
    ]  # fmt: skip


def _latent_parts(
    factors: Sequence[Factor], blocks: Sequence[Block], coefficients: Floats
) -> Mapping[frozenset[str], float]:
    """Return the surface's variance by subset of the two groups and the others.

    Every parameter is drawn, whether it exists or not. So what a conditional one does is partly its own, in proportion
    to how often it exists, and partly an interaction with the groups that decide where it does.
    """
    merged = {f.name: f.group if f.group in (SYNCHRONISATION, SHAPE) else OTHERS for f in factors}
    above = {f.name: frozenset(merged.get(a, OTHERS) for a in f.nest.ancestors) if f.nest else frozenset()
             for f in factors}  # fmt: skip
    found: dict[frozenset[str], float] = {}
    start = 0
    for block in blocks:
        size = block.columns.shape[1]
        variance = float((coefficients[start : start + size] ** 2).sum())
        start += size
        own = frozenset(merged[name] for name in block.factors)
        wider = own.union(*(above[name] for name in block.factors))
        found[own] = found.get(own, 0.0) + variance * block.probability
        found[wider] = found.get(wider, 0.0) + variance * (1.0 - block.probability)
    return found
