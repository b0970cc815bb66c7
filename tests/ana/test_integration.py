"""Every family, measure of spread and strategy against SciPy: densities integrated numerically, and samples."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from ana_search.ana import NOISE_FAMILIES, Noise, StairFunction, regularise
from ana_search.ana.noise import SpreadMeasure
from ana_search.ana.strategies import Strategy
from tests.ana.cases import STAIRS, Array, distribution, stair_values

FEW_LEVELS = st.sampled_from([STAIRS[name] for name in ("ternary", "binary", "unbalanced", "any", "shifted")])
families = pytest.mark.parametrize("family", NOISE_FAMILIES)
measures = pytest.mark.parametrize("measure", ["interval", "deviation"])
DRAWS = 20_000
EXAMPLES = settings(max_examples=12, deadline=None, derandomize=True)


def noise_of(family: str, measure: SpreadMeasure, mean: float, spread: float) -> Noise:
    return Noise(family, mean, spread, measure)


def integrated(x: float, stair: StairFunction, noise: Noise) -> Array:
    """Return the probability of each level of ``stair(x - noise)``: the integral of the density over its cell."""
    law = distribution(noise)
    low, high = law.ppf([1e-13, 1.0 - 1e-13]) if noise.family in ("normal", "logistic") else law.support()
    edges = np.clip([high, *(x - t for t in stair.scaled_thresholds), low], low, high)
    centre = float(noise.mean)

    def mass(a: float, b: float) -> float:
        kinks = [centre] if a < centre < b else None
        return float(integrate.quad(law.pdf, a, b, points=kinks, epsabs=1e-11, limit=200)[0])

    return np.array([mass(below, above) for above, below in itertools.pairwise(edges)])


def drawn_levels(x: float, stair: StairFunction, noise: Noise, seed: int) -> Array:
    """Return how often the random strategy gives each level; none of its values is anything else."""
    generator = torch.Generator().manual_seed(seed)
    many = torch.full((DRAWS,), x, dtype=torch.float64)
    drawn = regularise(many, stair, noise, strategy="random", generator=generator).numpy()
    levels = np.array(stair.scaled_levels)
    index = np.abs(drawn[:, None] - levels).argmin(1)
    assert np.array_equal(levels[index], drawn)
    return np.bincount(index, minlength=len(levels)).astype(np.float64)


@families
@measures
@EXAMPLES
@given(FEW_LEVELS, st.floats(-0.6, 0.6), st.floats(0.1, 1.5), st.floats(-1.5, 1.5), st.integers(0, 99))
def test_every_strategy_agrees_with_the_integral_of_the_density(
    family: str, measure: SpreadMeasure, stair: StairFunction, mean: float, spread: float, x: float, seed: int
) -> None:
    noise = noise_of(family, measure, mean, spread)
    probability = integrated(x, stair, noise)
    assert probability.sum() == pytest.approx(1.0, abs=1e-8)
    argument = torch.tensor([x], dtype=torch.float64)

    value = regularise(argument, stair, noise).item()
    assert value == pytest.approx(float(np.array(stair.scaled_levels) @ probability), abs=1e-6)

    chosen = stair.scaled_levels.index(regularise(argument, stair, noise, strategy="mode").item())
    assert probability[chosen] >= probability.max() - 1e-7

    counts = drawn_levels(x, stair, noise, seed)
    deviation = np.sqrt(DRAWS * probability.clip(0.0) * (1.0 - probability).clip(0.0))
    assert (np.abs(counts - DRAWS * probability) <= 5.0 * deviation + 3.0).all()


@families
@measures
@EXAMPLES
@given(FEW_LEVELS, st.floats(-0.6, 0.6), st.floats(0.1, 1.5), st.floats(-1.5, 1.5), st.integers(0, 99))
def test_every_strategy_agrees_with_samples_of_the_noise(
    family: str, measure: SpreadMeasure, stair: StairFunction, mean: float, spread: float, x: float, seed: int
) -> None:
    noise = noise_of(family, measure, mean, spread)
    samples = distribution(noise).rvs(DRAWS, random_state=seed)
    sampled = stair_values(x - samples, stair)
    levels = np.array(stair.scaled_levels)
    counts = (np.abs(sampled[:, None] - levels) < 1e-9).sum(0).astype(np.float64)
    argument = torch.tensor([x], dtype=torch.float64)

    error = regularise(argument, stair, noise).item() - sampled.mean()
    assert abs(error) <= 5.0 * sampled.std() / np.sqrt(DRAWS) + 2e-4 * (levels[-1] - levels[0])

    chosen = stair.scaled_levels.index(regularise(argument, stair, noise, strategy="mode").item())
    assert counts[chosen] >= counts.max() - 5.0 * np.sqrt(2.0 * DRAWS) * 0.7

    ours = drawn_levels(x, stair, noise, seed)
    seen = counts + ours >= 20.0
    if seen.sum() > 1:
        assert stats.chi2_contingency(np.stack([counts[seen], ours[seen]])).pvalue > 1e-6


@families
@measures
@pytest.mark.parametrize("strategy", ["expectation", "mode", "random"])
@pytest.mark.parametrize("name", ["ternary", "any", "4 bits"])
def test_the_gradient_integrates_to_the_expectation(
    name: str, strategy: Strategy, measure: SpreadMeasure, family: str
) -> None:
    stair = STAIRS[name]
    noise = noise_of(family, measure, 0.1 * stair.quantum, 0.6 * stair.quantum)
    low, high = (t + sign * 6.0 * stair.quantum for t, sign in ((stair.scaled_thresholds[0], -1), (1.7, 1)))
    x = torch.linspace(low, high, 200_001, dtype=torch.float64, requires_grad=True)
    regularise(x, stair, noise, strategy=strategy).sum().backward()
    assert x.grad is not None
    risen = torch.cumulative_trapezoid(x.grad, x.detach())
    expected = regularise(x.detach(), stair, noise)
    assert torch.allclose(risen, expected[1:] - expected[0], atol=2e-4 * stair.quantum)
