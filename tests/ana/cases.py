"""Stairs, noises and arguments to try, and SciPy's distributions of the noises."""

from typing import Any

import numpy as np
import torch
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from ana_search.ana import Noise, StairFunction

Array = NDArray[np.float64]

CHECKS = settings(max_examples=30, deadline=None, derandomize=True)


def distribution(noise: Noise) -> Any:
    """Return SciPy's distribution of the noise, from the definition of the spread."""
    mean, spread = float(noise.mean), float(noise.spread)
    deviation = spread / np.sqrt(3.0)
    equal = noise.spread_measure == "deviation"
    if noise.family == "uniform":
        return stats.uniform(mean - spread, 2.0 * spread)
    if noise.family == "triangular":
        half = deviation * np.sqrt(6.0) if equal else spread
        return stats.triang(0.5, mean - half, 2.0 * half)
    if noise.family == "normal":
        return stats.norm(mean, deviation if equal else spread / stats.norm.ppf(0.975))
    scale = deviation * np.sqrt(3.0) / np.pi if equal else spread / stats.logistic.ppf(0.975)
    return stats.logistic(mean, scale)


def stair_values(x: Array, stair: StairFunction) -> Array:
    """Return the level of each element by counting thresholds."""
    count = (x[None] >= np.array(stair.thresholds)[:, None] * stair.quantum).sum(0)
    return np.array(stair.levels)[count] * stair.quantum


def arguments(stair: StairFunction, n: int = 500, seed: int = 0) -> torch.Tensor:
    """Return float64 arguments that cover the stair and its surroundings."""
    generator = torch.Generator().manual_seed(seed)
    low, high = stair.thresholds[0] - 2.0, stair.thresholds[-1] + 2.0
    u = torch.rand(n, generator=generator, dtype=torch.float64)
    return (low + (high - low) * u) * stair.quantum


STAIRS = {
    "ternary": StairFunction.ternary(),
    "binary": StairFunction.binary(),
    "unsigned": StairFunction.from_bits(3, signed=False),
    "unbalanced": StairFunction.from_bits(2, balanced=False, quantum=0.3),
    "4 bits": StairFunction.for_network(4),
    "8 bits": StairFunction.for_network(8),
    "any": StairFunction((-1.0, -0.25, 0.5, 2.0), (-0.7, 0.1, 1.3), quantum=0.7),
    "shifted": StairFunction((0.0, 0.5, 1.0, 1.5), (0.3, 0.6, 0.9), quantum=1.0),
}


def increasing(n: int) -> st.SearchStrategy[tuple[float, ...]]:
    """Return increasing numbers with gaps between 0.05 and 2."""
    return st.tuples(st.floats(-3.0, 1.0), st.lists(st.floats(0.05, 2.0), min_size=n - 1, max_size=n - 1)).map(
        lambda drawn: tuple(np.cumsum([drawn[0], *drawn[1]]).tolist())
    )


def stairs() -> st.SearchStrategy[StairFunction]:
    """Return integer stairs of 1 to 8 bits and arbitrary ones, of any quantum."""
    quanta = st.sampled_from([1.0, 0.5, 2.0**-6, 0.3, 1.7])
    integer = st.builds(
        StairFunction.from_bits,
        st.integers(1, 8),
        signed=st.booleans(),
        balanced=st.booleans(),
        quantum=quanta,
    )
    free = st.integers(1, 10).flatmap(
        lambda n: st.builds(StairFunction, increasing(n + 1), increasing(n), quantum=quanta)
    )
    return st.one_of(integer, free)


def noises(spreads: st.SearchStrategy[float] | None = None) -> st.SearchStrategy[Noise]:
    """Return noise of every family, in quanta."""
    return st.builds(
        Noise,
        st.sampled_from(["uniform", "triangular", "normal", "logistic"]),
        mean=st.floats(-1.0, 1.0),
        spread=spreads if spreads is not None else st.floats(0.02, 5.0),
        spread_measure=st.sampled_from(["interval", "deviation"]),
    )


def scaled(noise: Noise, stair: StairFunction) -> Noise:
    """Return the noise with mean and spread given in quanta of the stair."""
    q = stair.quantum
    return Noise(noise.family, noise.mean * q, noise.spread * q, noise.spread_measure)
