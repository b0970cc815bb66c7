"""Spaces that people search, with a known truth: tables of random trials and of pick-freeze designs.

A space has columns and a term for each of the two groups of the verdict; both are scaled to the variance that a
`Planted` truth gives them. A point is a row of independent uniform numbers, one for each column; a column that exists
for some levels of another only is drawn there alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.testing.planted import FAMILIES, INTERVALS, POWERS, Planted

__all__ = ["SPACES", "PlantedSpace", "pick_freeze_frame", "space_frame"]

Floats = npt.NDArray[np.float64]
Latent = Mapping[str, Floats]
"""Uniform numbers in [0, 1) by column."""
Term = Callable[[Latent, np.random.Generator], Callable[[Latent], Floats]]
"""Draws a random function of the latent numbers."""
NoiseKind = Literal["normal", "t3", "by_level"]

LARGE = 100_000
"""Points by which a term is scaled to its variance: to about 0.5 %."""


@dataclass(frozen=True)
class SpaceColumn:
    """One column: ``levels``, or numbers on a scale from ``low`` to ``high``; ``under`` names another and its level."""

    name: str
    group: str
    levels: tuple[str, ...] = ()
    scale: Literal["linear", "log"] = "linear"
    low: float = -0.5
    high: float = 0.5
    under: tuple[str, str] | None = None

    def values(self, latent: Floats) -> Any:
        """Return what a table shows of the uniform numbers."""
        if self.levels:
            return np.array(self.levels, dtype=object)[level_of(latent, len(self.levels))]
        if self.scale == "log":
            return self.low * (self.high / self.low) ** latent
        return self.low + (self.high - self.low) * latent


class SpaceArguments(TypedDict):
    """What a study says of such a space: arguments of `analysis.attribute`."""

    groups: dict[str, list[str]]
    ranges: dict[str, tuple[str, float, float]]
    conditions: dict[str, tuple[str, list[str]]]


@dataclass(frozen=True)
class PlantedSpace:
    """Columns, the two terms of the outcome, and how trials are run: ``trials``, seeds and noise.

    ``seed_factor`` is the part of the noise's variance that is a function of synchronisation with another form for
    every seed; with ``one_seed`` all trials share one.
    """

    columns: tuple[SpaceColumn, ...]
    synchronisation: Term
    shape: Term
    trials: int = 200
    noise: NoiseKind = "normal"
    one_seed: bool = False
    seed_factor: float = 0.0

    @property
    def groups(self) -> dict[str, list[str]]:
        """The columns of each group."""
        return {group: [c.name for c in self.columns if c.group == group] for group in {c.group for c in self.columns}}

    def options(self) -> SpaceArguments:
        """Return what a study says of such a space."""
        return {
            "groups": self.groups,
            "ranges": {c.name: (c.scale, c.low, c.high) for c in self.columns if not c.levels},
            "conditions": {c.name: (c.under[0], [c.under[1]]) for c in self.columns if c.under},
        }

    def latent(self, points: int, generator: np.random.Generator) -> dict[str, Floats]:
        """Return independent draws of every column."""
        return {c.name: generator.uniform(size=points) for c in self.columns}

    def table(self, latent: Latent) -> pd.DataFrame:
        """Return the columns as a study's table has them; what does not exist is missing."""
        frame = pd.DataFrame({c.name: c.values(latent[c.name]) for c in self.columns})
        for column in self.columns:
            if column.under is not None:
                frame[column.name] = frame[column.name].where(frame[column.under[0]] == column.under[1])
        return frame

    def function(self, truth: Planted, generator: np.random.Generator) -> Callable[[Latent], Floats]:
        """Return a random noiseless outcome whose two groups have the variances planted."""
        parts = []
        for term, share in ((self.synchronisation, truth.synchronisation), (self.shape, truth.shape)):
            drawn = term(self.latent(1, generator), generator)
            sample = drawn(self.latent(LARGE, generator))
            size = float(sample.std())
            parts.append((drawn, float(sample.mean()), np.sqrt(share) / size if size > 0 else 0.0))
        return lambda latent: np.asarray(sum(factor * (drawn(latent) - mean) for drawn, mean, factor in parts))

    def errors(self, latent: Latent, generator: np.random.Generator) -> Floats:
        """Return the noise of runs, of variance 1 over even draws."""
        runs = len(next(iter(latent.values())))
        if self.noise == "t3":
            found = generator.standard_t(3, size=runs) / np.sqrt(3.0)
        elif self.noise == "by_level":
            column = next(c for c in self.columns if c.levels)
            widths = np.linspace(0.3, 1.7, len(column.levels))
            widths /= np.sqrt(np.mean(widths**2))
            found = generator.normal(size=runs) * widths[level_of(latent[column.name], len(column.levels))]
        else:
            found = generator.normal(size=runs)
        if not self.seed_factor:
            return np.asarray(found)
        column = next(c for c in self.columns if c.group == "synchronisation" and c.levels)
        codes = level_of(latent[column.name], len(column.levels))
        seeds = np.zeros(runs, dtype=int) if self.one_seed else np.arange(runs)
        effects = generator.normal(size=(seeds.max() + 1, len(column.levels)))
        effects -= effects.mean(axis=1, keepdims=True)
        effects *= np.sqrt(len(column.levels) / (len(column.levels) - 1))
        return np.asarray(np.sqrt(1 - self.seed_factor) * found + np.sqrt(self.seed_factor) * effects[seeds, codes])


def level_of(latent: Floats, levels: int) -> npt.NDArray[np.int64]:
    return np.minimum((latent * levels).astype(np.int64), levels - 1)


def space_frame(
    space: PlantedSpace, truth: Planted, generator: np.random.Generator, *, trials: int | None = None
) -> pd.DataFrame:
    """Return random, unpruned trials as a study runs them: a new seed each, and every fifth point twice."""
    count = space.trials if trials is None else trials
    point = np.array([number // 6 * 5 + min(number % 6, 4) for number in range(count)])
    drawn = space.latent(int(point.max()) + 1, generator)
    latent = {name: values[point] for name, values in drawn.items()}
    return _runs(space, truth, latent, generator)


def pick_freeze_frame(
    space: PlantedSpace, truth: Planted, generator: np.random.Generator, *, trials: int | None = None
) -> pd.DataFrame:
    """Return a pick-freeze design as a study runs it: blocks of five runs, one of them a point run again."""
    from ana_search.space.pick_freeze import REDRAWN

    count = space.trials if trials is None else trials
    blocks = -(-count // len(REDRAWN))
    one, other = space.latent(blocks, generator), space.latent(blocks, generator)
    redrawn = {c.name: [role == "all" or role == c.group for role in REDRAWN] for c in space.columns}
    latent = {
        name: np.where(np.array(redrawn[name])[None, :], other[name][:, None], one[name][:, None]).reshape(-1)[:count]
        for name in one
    }
    frame = _runs(space, truth, latent, generator)
    frame["block"] = np.repeat(np.arange(blocks), len(REDRAWN))[:count]
    frame["redrawn"] = np.tile(list(REDRAWN), blocks)[:count]
    return frame


def _runs(space: PlantedSpace, truth: Planted, latent: Latent, generator: np.random.Generator) -> pd.DataFrame:
    signal = space.function(truth, generator)(latent)
    frame = space.table(latent)
    frame["value"] = 0.85 + 0.05 * (signal + np.sqrt(truth.noise) * space.errors(latent, generator))
    frame["seed"] = 0 if space.one_seed else np.arange(len(frame))
    frame["number"] = np.arange(len(frame))
    frame["state"] = "COMPLETE"
    return frame


def _levels(name: str, levels: int) -> Term:
    """A free effect of every level."""

    def draw(_: Latent, generator: np.random.Generator) -> Callable[[Latent], Floats]:
        effects = generator.normal(size=levels)
        return lambda latent: np.asarray(effects[level_of(latent[name], levels)])

    return draw


def _wave(name: str) -> Term:
    """A slow wave over a range."""

    def draw(_: Latent, generator: np.random.Generator) -> Callable[[Latent], Floats]:
        speed, start = generator.uniform(1.5, 4.0), generator.uniform(0, 2 * np.pi)
        return lambda latent: np.asarray(np.sin(speed * latent[name] + start))

    return draw


def _sum(*terms: tuple[float, Term]) -> Term:
    """Terms with their parts of the variance, the parts drawn anew around those given."""

    def draw(latent: Latent, generator: np.random.Generator) -> Callable[[Latent], Floats]:
        large = {name: generator.uniform(size=20_000) for name in latent}
        functions = [term(latent, generator) for _, term in terms]
        sizes = [max(float(function(large).std()), 1e-12) for function in functions]
        weights = [np.sqrt(part) / size for (part, _), size in zip(terms, sizes, strict=True)]
        return lambda at: np.asarray(sum(w * function(at) for w, function in zip(weights, functions, strict=True)))

    return draw


def _peak(name: str, width: float) -> Term:
    """A narrow optimum somewhere in a range; ``width`` is its standard deviation as a part of the range."""

    def draw(_: Latent, generator: np.random.Generator) -> Callable[[Latent], Floats]:
        centre = generator.uniform(0.2, 0.8)
        return lambda latent: np.asarray(np.exp(-0.5 * ((latent[name] - centre) / width) ** 2))

    return draw


def _aligned(one: str, other: str, width: float) -> Term:
    """Good only where two offsets agree."""

    def draw(_: Latent, __: np.random.Generator) -> Callable[[Latent], Floats]:
        return lambda latent: np.asarray(np.exp(-0.5 * ((latent[one] - latent[other]) / width) ** 2))

    return draw


def _three_way(first: str, second: str, number: str) -> Term:
    """A slope over a range whose sign depends on two categories together."""

    def draw(_: Latent, generator: np.random.Generator) -> Callable[[Latent], Floats]:
        signs = generator.normal(size=(len(INTERVALS), len(POWERS)))
        signs -= signs.mean(axis=0, keepdims=True)
        signs -= signs.mean(axis=1, keepdims=True)

        def function(latent: Latent) -> Floats:
            slope = signs[level_of(latent[first], len(INTERVALS)), level_of(latent[second], len(POWERS))]
            return np.asarray(slope * np.sqrt(12) * (latent[number] - 0.5))

        return function

    return draw


def _under(name: str, parent: str, levels: int, wanted: int, inner: Term) -> Term:
    """A term that acts only for one level of another column."""

    def draw(latent: Latent, generator: np.random.Generator) -> Callable[[Latent], Floats]:
        function = inner(latent, generator)
        mean = float(function({name: np.linspace(0, 1, 4001, endpoint=False)}).mean())

        def acting(at: Latent) -> Floats:
            return np.where(level_of(at[parent], levels) == wanted, function(at) - mean, 0.0)

        return acting

    return draw


_SYNC = (SpaceColumn("interval", "synchronisation", INTERVALS), SpaceColumn("power_law", "synchronisation", POWERS))
_NOISES = (SpaceColumn("noise.0", "shape", FAMILIES), SpaceColumn("noise.1", "shape", FAMILIES))
_OFFSETS = (SpaceColumn("offset.0", "synchronisation"), SpaceColumn("offset.1", "synchronisation"))
_PLAIN_SYNC = _sum((0.5, _levels("interval", 4)), (0.2, _levels("power_law", 2)), (0.3, _wave("offset.0")))
_PLAIN_SHAPE = _sum((0.6, _levels("noise.0", 4)), (0.4, _levels("noise.1", 4)))
_DECAYS = ("power", "linear", "cosine")


def _layered(layers: int) -> PlantedSpace:
    """Noise family and offset free in every layer; what matters, if anything, is the first two layers'."""
    columns = [SpaceColumn("interval", "synchronisation", INTERVALS)]
    columns += [SpaceColumn(f"offset.{layer}", "synchronisation") for layer in range(layers)]
    columns += [SpaceColumn(f"noise.{layer}", "shape", FAMILIES) for layer in range(layers)]
    sync = _sum((0.5, _levels("interval", 4)), (0.3, _wave("offset.0")), (0.2, _wave("offset.1")))
    return PlantedSpace(tuple(columns), sync, _PLAIN_SHAPE, trials=200)


SPACES: dict[str, PlantedSpace] = {
    "log range of one decade, wide linear range": PlantedSpace(
        (
            *_SYNC, *_OFFSETS, *_NOISES,
            SpaceColumn("learning_rate", "training", scale="log", low=1e-3, high=1e-2),
            SpaceColumn("spread", "schedule", low=0.01, high=1.0),
        ),
        _PLAIN_SYNC, _PLAIN_SHAPE,
    ),
    "conditional alpha": PlantedSpace(
        (
            *_SYNC, *_NOISES,
            SpaceColumn("decay", "shape", _DECAYS),
            SpaceColumn("alpha", "shape", low=0.5, high=3.0, under=("decay", "power")),
            SpaceColumn("twist", "synchronisation", low=0.0, high=1.0, under=("power_law", POWERS[1])),
        ),
        _sum((0.7, _levels("interval", 4)), (0.3, _under("twist", "power_law", 2, 1, _wave("twist")))),
        _sum((0.5, _levels("noise.0", 4)), (0.5, _under("alpha", "decay", 3, 0, _wave("alpha")))),
    ),
    "noise and offset free in 5 layers": _layered(5),
    "noise and offset free in 7 layers": _layered(7),
    "narrow optimum": PlantedSpace(
        (*_SYNC, *_OFFSETS, *_NOISES),
        _sum((0.3, _levels("interval", 4)), (0.7, _peak("offset.0", 0.025))), _PLAIN_SHAPE, trials=400,
    ),
    "aligned offsets": PlantedSpace(
        (*_SYNC, *_OFFSETS, *_NOISES),
        _sum((0.3, _levels("interval", 4)), (0.7, _aligned("offset.0", "offset.1", 0.05))), _PLAIN_SHAPE, trials=400,
    ),
    "three-way interaction within synchronisation": PlantedSpace(
        (*_SYNC, *_OFFSETS, *_NOISES),
        _sum((0.3, _levels("interval", 4)), (0.7, _three_way("interval", "power_law", "offset.0"))), _PLAIN_SHAPE,
        trials=400,
    ),
    "one seed for all": PlantedSpace(
        (*_SYNC, *_OFFSETS, *_NOISES), _PLAIN_SYNC, _PLAIN_SHAPE, one_seed=True, seed_factor=0.4,
    ),
    "heavy-tailed noise, t(3)": PlantedSpace((*_SYNC, *_OFFSETS, *_NOISES), _PLAIN_SYNC, _PLAIN_SHAPE, noise="t3"),
    "noise that differs by level": PlantedSpace(
        (*_SYNC, *_OFFSETS, *_NOISES), _PLAIN_SYNC, _PLAIN_SHAPE, noise="by_level",
    ),
}  # fmt: skip
"""What studies search, by name."""
