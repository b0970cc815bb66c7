"""Tables of trials whose truth is known: what the analysis is calibrated and tested on.

Every table has factor columns, ``value``, ``state``, ``number`` and ``seed``, as a study's results have.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["CASES", "Planted", "factorial_frame", "mixed_frame"]

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

    `failed` is the chance of a trial to fail; `idle_levels` adds a factor ``idle`` that does nothing.
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
    lost = generator.uniform(size=len(frame)) < failed
    frame["number"] = np.arange(len(frame))
    frame["value"] = np.where(lost, np.nan, value)
    frame["state"] = np.where(lost, "FAIL", "COMPLETE")
    return frame


def mixed_truth(
    frame: pd.DataFrame, truth: Planted, generator: np.random.Generator
) -> Floats:
    """Return the noiseless outcome (unit total variance) of each row of a `mixed_frame`."""
    raise NotImplementedError


def mixed_frame(truth: Planted, generator: np.random.Generator, trials: int = 200) -> pd.DataFrame:
    """Return random trials."""
    raise NotImplementedError
