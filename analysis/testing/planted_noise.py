"""Factorials as people run them: recurring seeds, folds, heavy tails, collapses, ceilings, unequal cells, many groups.

Every table comes with the true means and variances of its cells, from which its true shares follow: the noise of a
table may depend on its means, so that the shares are those of this table, not of the case.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.factorial import subset_effects
from analysis.sample import points_of
from analysis.verdict import REGIONS, region_of

__all__ = ["PEOPLES", "FactorialCase", "PlantedTable", "planted_table"]

Floats = npt.NDArray[np.float64]
NoiseKind = Literal["normal", "t3", "quietest_best", "beta", "binomial"]

GROUPS = ("synchronisation", "shape", "schedule", "strategy", "training")
CENTRE, SPREAD, COLLAPSED = 0.85, 0.05, 0.10
IMAGES = 150
"""Images of a binomial accuracy; a beta one is as uncertain."""


@dataclass(frozen=True)
class FactorialCase:
    """A case: true shares before the noise is made to depend on the means, and how the table is run.

    ``seed``, ``seed_synchronisation`` and ``seed_shape`` are the shares of the seed's own effect and of its
    interactions; ``collapse`` the part of the runs of ``collapsing`` of the synchronisation's levels that fall to 10 %.
    Without ``paired`` every run has a seed of its own. ``uneven`` gives the cells two to five runs.
    """

    synchronisation: float
    shape: float
    interaction: float = 0.0
    seed: float = 0.0
    seed_synchronisation: float = 0.0
    seed_shape: float = 0.0
    levels: tuple[int, ...] = (8, 4)
    replicates: int = 3
    paired: bool = True
    noise: NoiseKind = "normal"
    collapse: float = 0.0
    collapsing: int = 2
    uneven: bool = False
    others: tuple[float, ...] = ()

    @property
    def text(self) -> str:
        """The planted shares in words."""
        said = [f"synchronisation {self.synchronisation:g}", f"shape {self.shape:g}"]
        rest = {
            "interaction": self.interaction, "seed": self.seed, "seed x synchronisation": self.seed_synchronisation,
            "seed x shape": self.seed_shape,
        }  # fmt: skip
        said += [f"{name} {share:g}" for name, share in rest.items() if share]
        said += [f"others {' '.join(f'{share:g}' for share in self.others)}"] if self.others else []
        return ", ".join([*said, f"{self.replicates} seeds"])


@dataclass(frozen=True)
class PlantedTable:
    """A table of trials with its truth: ``means`` of the cells, one axis a group, and every group's share."""

    frame: pd.DataFrame
    groups: dict[str, list[str]]
    means: Floats
    shares: dict[str, float] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """The verdict that the true shares have."""
        pair = (np.array([self.shares["synchronisation"]]), np.array([self.shares["shape"]]))
        return REGIONS[int(region_of(*pair)[0])]

    def cost(self, axis: int, level: int) -> float:
        """The points that holding one level of one group truly costs.

        Planted accuracies may exceed 1: the analysis then takes the outcomes for points, and so does this.
        """
        points = points_of(self.frame["value"].to_numpy())
        return points * float(self.means.max() - np.take(self.means, level, axis=axis).max())


def _effect(size: tuple[int, ...], share: float, generator: np.random.Generator) -> Floats:
    """A random effect of the axes longer than one, centred along each, of this mean square."""
    effect = generator.normal(size=size)
    for axis, length in enumerate(size):
        if length > 1:
            effect = effect - effect.mean(axis=axis, keepdims=True)
    return np.asarray(effect * np.sqrt(share / np.mean(effect**2)))


def _shares(means: Floats, noise: float, groups: Sequence[str]) -> dict[str, float]:
    parts = {s: float(np.mean(e**2)) for s, e in subset_effects(means, tuple(groups)).items()}
    total = sum(parts.values()) + noise
    return {g: sum(part / len(s) for s, part in parts.items() if g in s) / total for g in groups}


def planted_table(case: FactorialCase, generator: np.random.Generator) -> PlantedTable:
    """Draw one table of a case."""
    groups, levels = GROUPS[: len(case.levels)], case.levels
    single = [tuple(n if axis == mine else 1 for axis, n in enumerate(levels)) for mine in range(len(levels))]
    means = np.zeros(levels)
    for size, share in zip(single, (case.synchronisation, case.shape, *case.others), strict=True):
        means = means + (_effect(size, share, generator) if share else 0.0)
    if case.interaction:
        means = means + _effect((levels[0], levels[1], *(1,) * (len(levels) - 2)), case.interaction, generator)
    rest = 1.0 - case.synchronisation - case.shape - case.interaction - sum(case.others)
    rest -= case.seed + case.seed_synchronisation + case.seed_shape
    ceiling = case.noise in ("beta", "binomial")  # the best cells are nearly perfect, and nearly without noise
    means = np.minimum(0.96 + 0.02 * means, 0.997) if ceiling else CENTRE + SPREAD * means
    cells, cell = means.size, np.repeat(np.arange(means.size), case.replicates)
    if case.uneven:
        cell = np.repeat(np.arange(cells), generator.integers(2, 6, size=cells))
    place = np.unravel_index(cell, levels)
    block = np.arange(len(cell)) - np.searchsorted(cell, cell)
    value, variance = _noisy(case, means, cell, rest, generator)
    value = value + SPREAD * _seeds(case, place, block, generator)
    noise = float(variance.mean()) + SPREAD**2 * (case.seed + case.seed_synchronisation + case.seed_shape)
    if case.collapse:
        low = np.arange(levels[0]) < case.collapsing
        fall = low[place[0]] & (generator.uniform(size=len(cell)) < case.collapse)
        value = np.where(fall, COLLAPSED + 0.002 * generator.normal(size=len(cell)), value)
        kept, within = 1 - case.collapse, noise
        deep = means - COLLAPSED
        spread = kept * within + case.collapse * 0.002**2 + kept * case.collapse * deep**2
        mask = low.reshape(-1, *(1,) * (len(levels) - 1))
        noise = float(np.where(mask, spread, within).mean())
        means = np.where(mask, kept * means + case.collapse * COLLAPSED, means)
    frame = pd.DataFrame(
        {f"{group} level": [f"level {i}" for i in codes] for group, codes in zip(groups, place, strict=True)}
    )
    frame["seed"] = block if case.paired else np.arange(len(cell))
    frame["value"], frame["number"], frame["state"] = value, np.arange(len(cell)), "COMPLETE"
    return PlantedTable(frame, {g: [f"{g} level"] for g in groups}, means, _shares(means, noise, groups))


def _noisy(
    case: FactorialCase, means: Floats, cell: npt.NDArray[np.int64], rest: float, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """Outcomes with their own noise, and every cell's variance."""
    centre = means.ravel()[cell]
    if case.noise in ("beta", "binomial"):
        variance = means * (1 - means) / IMAGES
        if case.noise == "binomial":
            return generator.binomial(IMAGES, centre) / IMAGES, variance
        return generator.beta(centre * (IMAGES - 1), (1 - centre) * (IMAGES - 1)), variance
    width = np.ones(means.shape)
    if case.noise == "quietest_best":
        rank = np.argsort(np.argsort(-means.ravel())).reshape(means.shape) / max(means.size - 1, 1)
        width = (0.2 + 1.6 * rank) / np.sqrt(np.mean((0.2 + 1.6 * rank) ** 2))
    if case.noise == "t3":
        error = generator.standard_t(3, size=len(cell)) / np.sqrt(3)
    else:
        error = generator.normal(size=len(cell))
    size = SPREAD * np.sqrt(rest)
    return centre + size * width.ravel()[cell] * error, size**2 * width**2


def _seeds(
    case: FactorialCase, place: Sequence[npt.NDArray[np.int64]], block: npt.NDArray[np.int64],
    generator: np.random.Generator,
) -> Floats:  # fmt: skip
    """What a seed that recurs does: alone, with each synchronisation and with each shape."""
    seeds = int(block.max()) + 1
    found = np.sqrt(case.seed) * generator.normal(size=seeds)[block]
    for axis, share in enumerate((case.seed_synchronisation, case.seed_shape)):
        levels = case.levels[axis]
        effect = generator.normal(size=(levels, seeds))
        effect = (effect - effect.mean(axis=0)) * np.sqrt(levels / (levels - 1))
        found = found + np.sqrt(share) * effect[place[axis], block]
    return np.asarray(found)


def _cases(*shares: tuple[float, ...], **options: object) -> tuple[FactorialCase, ...]:
    return tuple(FactorialCase(*given, **options) for given in shares)  # type: ignore[arg-type]  # names are its fields


PEOPLES: Mapping[str, tuple[FactorialCase, ...]] = {
    "factorial, seeds that recur and interact": (
        *_cases((0.60, 0.05), (0.10, 0.50), (0.30, 0.12), seed=0.08, seed_synchronisation=0.06, seed_shape=0.06),
        *_cases((0.60, 0.05), (0.10, 0.50), seed=0.05, seed_synchronisation=0.08),
    ),
    "factorial, seed x synchronisation and nothing else": (
        *_cases((0.0, 0.0), seed_synchronisation=0.3),
        *_cases((0.0, 0.0), seed_synchronisation=0.5),
    ),
    "factorial, five folds with an effect of 0.35": _cases((0.40, 0.03), (0.05, 0.40), seed=0.35, replicates=5),
    "factorial, t(3) noise": _cases((0.70, 0.05), (0.10, 0.60), (0.35, 0.35), noise="t3", paired=False),
    "factorial, t(3) noise, paired seeds": _cases((0.70, 0.05), (0.10, 0.60), noise="t3"),
    "factorial, 35 % of one interval's runs collapse": _cases((0.45, 0.15), (0.10, 0.60), collapse=0.35),
    "factorial, 90 % of one interval's runs collapse": (
        *_cases((0.45, 0.15), collapse=0.90),
        *_cases((0.45, 0.15), collapse=0.90, replicates=6),
    ),
    "factorial, best levels quietest": _cases((0.70, 0.05), (0.10, 0.60), noise="quietest_best"),
    "factorial, beta ceiling": _cases((0.70, 0.05), (0.10, 0.60), noise="beta"),
    "factorial, binomial ceiling": _cases((0.70, 0.05), (0.10, 0.60), noise="binomial", paired=False),
    "factorial, unequal cells": _cases((0.70, 0.05), (0.10, 0.60), uneven=True, paired=False),
    "factorial, 12 x 6 x 2": _cases((0.70, 0.05), (0.10, 0.60), levels=(12, 6), replicates=2),
    "factorial, 2 x 2": _cases((0.70, 0.05), (0.10, 0.60), levels=(2, 2), replicates=6),
    "factorial, five groups": _cases(
        (0.40, 0.05), (0.05, 0.30), levels=(4, 3, 2, 2, 2), replicates=2, others=(0.10, 0.05, 0.10)
    ),
    "factorial, paired seeds, no interaction with seeds": _cases(
        (0.70, 0.05), (0.10, 0.60), (0.45, 0.15), (0.0, 0.0, 0.60)
    ),
}  # fmt: skip
"""The tables that people really have, beside the clean ones of `analysis.testing.planted`."""
