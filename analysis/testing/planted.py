"""Tables of trials whose truth is known: what the analysis is calibrated and tested on.

Every table has factor columns, ``value``, ``state``, ``number`` and ``seed``, as a study's results have.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = [
    "CASES",
    "MIXED",
    "MixedTruth",
    "Planted",
    "adaptive_frame",
    "factorial_frame",
    "mixed_frame",
    "random_positions",
]

Floats = npt.NDArray[np.float64]
NoiseKind = Literal["normal", "skewed"]

INTERVALS = ("overlapped", "same_start", "same_end", "partition")
POWERS = ("homogeneous", "progressive")
FAMILIES = ("uniform", "triangular", "normal", "logistic")


@dataclass(frozen=True)
class Planted:
    """True shares of one run's variance: two main effects and their interaction; the rest is noise."""

    synchronisation: float
    shape: float
    interaction: float = 0.0

    @property
    def shares(self) -> tuple[float, float]:
        """The groups' true shares, the interaction split evenly."""
        half = self.interaction / 2
        return self.synchronisation + half, self.shape + half

    @property
    def noise(self) -> float:
        """The true share of the seed."""
        return 1.0 - self.synchronisation - self.shape - self.interaction

    @property
    def verdict(self) -> str:
        """The verdict that the true shares have."""
        s, h = self.shares
        if max(s, h) < 0.10:
            return "neither"
        if s > 3**0.5 * h:
            return "synchronisation"
        return "shape" if h > 3**0.5 * s else "both"


CASES: dict[str, Planted] = {
    "synchronisation 0.70, shape 0.05": Planted(0.70, 0.05),
    "synchronisation 0.10, shape 0.60": Planted(0.10, 0.60),
    "synchronisation 0.45, shape 0.15": Planted(0.45, 0.15),
    "synchronisation 0.35, shape 0.35": Planted(0.35, 0.35),
    "interaction 0.60": Planted(0.0, 0.0, 0.60),
    "nothing": Planted(0.0, 0.0),
}


def _scaled(effect: Floats, share: float) -> Floats:
    size = np.sqrt(np.mean(effect**2))
    return np.asarray(effect * (np.sqrt(share) / size)) if size > 0 else effect


def _centred(effect: Floats) -> Floats:
    for axis in range(effect.ndim):
        effect = effect - effect.mean(axis=axis, keepdims=True)
    return effect


def _noise(cell: npt.NDArray[np.int64], cells: int, kind: NoiseKind, generator: np.random.Generator) -> Floats:
    """Noise of mean 0 whose variance averages 1 over cells; skewed: left tails, up to 3 times wider in some cells."""
    if kind == "normal":
        return generator.normal(size=len(cell))
    width = generator.uniform(0.5, 1.5, size=cells)
    width /= np.sqrt(np.mean(width**2))
    return np.asarray((2.0 - generator.gamma(2.0, size=len(cell))) / np.sqrt(2.0) * width[cell])


def factorial_frame(
    truth: Planted,
    generator: np.random.Generator,
    *,
    replicates: int = 3,
    noise: NoiseKind = "normal",
    failed: float = 0.0,
    idle_levels: int = 0,
) -> pd.DataFrame:
    """Return a full factorial: 4 intervals x 2 power laws x 4 families x `replicates` seeds.

    `failed` is the part of the trials that fail, drawn at random; `idle_levels` adds a factor ``idle`` that does
    nothing.
    """
    levels = [INTERVALS, POWERS, FAMILIES] + ([tuple(f"idle{i}" for i in range(idle_levels))] if idle_levels else [])
    names = ["interval", "power_law", "noise"] + (["idle"] if idle_levels else [])
    grid = pd.MultiIndex.from_product([range(len(v)) for v in levels] + [range(replicates)], names=[*names, "seed"])
    codes = grid.to_frame(index=False)
    sync = (codes["interval"] * len(POWERS) + codes["power_law"]).to_numpy()
    shape = codes["noise"].to_numpy()
    main_s = _scaled(_centred(generator.normal(size=8)), truth.synchronisation)
    main_h = _scaled(_centred(generator.normal(size=4)), truth.shape)
    crossed = _scaled(_centred(generator.normal(size=(8, 4))), truth.interaction)
    cell = sync * 4 + shape
    error = _noise(cell, 32, noise, generator) * np.sqrt(truth.noise)
    value = 0.85 + 0.05 * (main_s[sync] + main_h[shape] + crossed[sync, shape] + error)
    frame = pd.DataFrame({name: [v[i] for i in codes[name]] for name, v in zip(names, levels, strict=True)})
    frame["seed"] = codes["seed"]
    return _finish(frame, value, failed, generator)


def _finish(frame: pd.DataFrame, value: Floats, failed: float, generator: np.random.Generator) -> pd.DataFrame:
    lost = np.zeros(len(frame), dtype=bool)
    lost[generator.choice(len(frame), size=round(failed * len(frame)), replace=False)] = True
    frame["number"] = np.arange(len(frame))
    frame["value"] = np.where(lost, np.nan, value)
    frame["state"] = np.where(lost, "FAIL", "COMPLETE")
    return frame


@dataclass(frozen=True)
class _Column:
    """One factor of the mixed space: ``levels`` of a category, or None for a number in [-0.5, 0.5]."""

    name: str
    group: str
    levels: tuple[str, ...] | None = None


MIXED: tuple[_Column, ...] = (
    _Column("interval", "synchronisation", INTERVALS),
    _Column("power_law", "synchronisation", POWERS),
    _Column("offset.0", "synchronisation"),
    _Column("offset.1", "synchronisation"),
    _Column("noise.0", "shape", FAMILIES),
    _Column("noise.1", "shape", FAMILIES),
    _Column("mean", "schedule"),
)
"""Four categories and three numbers."""

GRID = 401


@dataclass(frozen=True)
class MixedTruth:
    """A function of the mixed space whose groups' shares are exactly those planted.

    ``curves[name]`` is a centred function of mean square 1 of one factor: a value per level, or on a grid over
    the range.
    ``terms`` are products of such functions with their coefficients.
    """

    planted: Planted
    terms: tuple[tuple[float, tuple[tuple[str, Floats], ...]], ...]

    @classmethod
    def draw(cls, planted: Planted, generator: np.random.Generator) -> "MixedTruth":
        """Return a random function: main effects, pairs within a group, and pairs across the two groups."""
        sync = [c for c in MIXED if c.group == "synchronisation"]
        shape = [c for c in MIXED if c.group == "shape"]
        terms: list[tuple[float, tuple[tuple[str, Floats], ...]]] = []
        for share, mine in ((planted.synchronisation, sync), (planted.shape, shape)):
            single = [[c] for c in mine]
            pair = [[mine[0], mine[1]]]
            terms += _split(share, single + pair, generator)
        across = [[a, b] for a in sync[:3] for b in shape]
        terms += _split(planted.interaction, across, generator)
        return cls(planted, tuple(terms))

    def __call__(self, positions: Mapping[str, Floats]) -> Floats:
        """Return the noiseless outcome where categories are level numbers and numbers lie in [-0.5, 0.5]."""
        total = np.zeros(len(next(iter(positions.values()))))
        for coefficient, factors in self.terms:
            product = np.full(len(total), coefficient)
            for name, curve in factors:
                where = positions[name]
                if len(curve) == GRID:
                    product *= np.interp(where, np.linspace(-0.5, 0.5, GRID), curve)
                else:
                    product *= curve[where.astype(int)]
            total += product
        return total


def _split(
    share: float, members: list[list[_Column]], generator: np.random.Generator
) -> list[tuple[float, tuple[tuple[str, Floats], ...]]]:
    """Split a share at random over products of one factor's functions."""
    if share == 0:
        return []
    parts = generator.dirichlet(np.full(len(members), 2.0)) * share
    return [
        (float(np.sqrt(part)), tuple((c.name, _curve(c, generator)) for c in columns))
        for part, columns in zip(parts, members, strict=True)
    ]


def _curve(column: _Column, generator: np.random.Generator) -> Floats:
    """A random centred function of mean square 1: free over levels, a slow wave over a range."""
    if column.levels is not None:
        values = generator.normal(size=len(column.levels))
    else:
        values = np.sin(generator.uniform(1.5, 4.0) * np.linspace(-0.5, 0.5, GRID) + generator.uniform(0, 2 * np.pi))
    return _scaled(_centred(values), 1.0)


def random_positions(trials: int, generator: np.random.Generator) -> dict[str, Floats]:
    """Return uniform draws of every factor of the mixed space."""
    return {
        c.name: generator.uniform(-0.5, 0.5, trials)
        if c.levels is None
        else generator.integers(len(c.levels), size=trials).astype(float)
        for c in MIXED
    }


def mixed_frame(truth: Planted, generator: np.random.Generator, trials: int = 200) -> pd.DataFrame:
    """Return random, unpruned trials of the mixed space: four categorical and three continuous factors."""
    positions = random_positions(trials, generator)
    signal = MixedTruth.draw(truth, generator)(positions)
    value = 0.85 + 0.05 * (signal + np.sqrt(truth.noise) * generator.normal(size=trials))
    frame = pd.DataFrame(
        {
            c.name: positions[c.name] if c.levels is None else [c.levels[int(i)] for i in positions[c.name]]
            for c in MIXED
        }
    )
    frame["seed"] = np.arange(trials)
    return _finish(frame, value, 0.0, generator)


def adaptive_frame(
    truth: Planted, generator: np.random.Generator, trials: int = 200, *, pruning: bool = True
) -> pd.DataFrame:
    """Return the trials of an adaptive search of the mixed space: Optuna's TPE, with its median pruner.

    A trial reports at a ninth and a third of its budget what it will reach, blurred the more the earlier it is.
    """
    import optuna

    function = MixedTruth.draw(truth, generator)
    seed = int(generator.integers(2**31))
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=10) if pruning else optuna.pruners.NopPruner(),
        )
        for _ in range(trials):
            trial = study.ask()
            point = {c.name: _suggest(trial, c) for c in MIXED}
            noise = np.sqrt(truth.noise) * generator.normal()
            value = 0.85 + 0.05 * float(function({k: np.array([v]) for k, v in point.items()})[0] + noise)
            pruned = False
            for rung, blur in ((1, 0.05), (3, 0.03)):
                trial.report(value + blur * generator.normal(), rung)
                pruned = pruned or trial.should_prune()
            state = optuna.trial.TrialState.PRUNED if pruned else optuna.trial.TrialState.COMPLETE
            study.tell(trial, None if pruned else value, state=state)
    finally:
        optuna.logging.set_verbosity(verbosity)
    rows = [
        {"number": t.number, "state": t.state.name, "value": t.value, "seed": t.number, **t.params}
        for t in study.trials
    ]
    return pd.DataFrame(rows)


def _suggest(trial: Any, column: _Column) -> float:
    if column.levels is None:
        return float(trial.suggest_float(column.name, -0.5, 0.5))
    return float(column.levels.index(trial.suggest_categorical(column.name, list(column.levels))))
