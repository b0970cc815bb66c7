"""The formula written out: against SciPy's distributions, and the kernels against it in every combination."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from ana_search.ana import NOISE_FAMILIES, Noise, StairFunction, reference, regularise
from ana_search.ana.kernels.mode import mode_thresholds
from ana_search.ana.noise import NoiseFamily
from ana_search.ana.strategies import STRATEGIES, Strategy
from tests.ana.cases import CHECKS, STAIRS, arguments, distribution, noises, scaled, stairs

EVERY = [*STAIRS, "one of ten"]
MORE = STAIRS | {"one of ten": StairFunction((-3.0, 7.0), (0.5,), quantum=0.1)}


class Laplace(NoiseFamily):
    """A family that has no kernel of its own."""

    name = "laplace"
    interval = math.log(20.0)
    deviation = math.sqrt(2.0)
    reach = 21.0

    def cdf(self, z: Tensor) -> Tensor:
        tail = 0.5 * torch.exp(-z.abs())
        return torch.where(z < 0.0, tail, 1.0 - tail)

    def pdf(self, z: Tensor) -> Tensor:
        return 0.5 * torch.exp(-z.abs())

    def quantile(self, v: Tensor) -> Tensor:
        return -torch.sign(v) * torch.log1p(-v.abs())


@pytest.fixture
def _laplace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NOISE_FAMILIES, "laplace", Laplace())


@CHECKS
@given(stairs(), noises(), st.integers(0, 100))
def test_probabilities_expectation_and_slope_are_scipys(stair: StairFunction, noise: Noise, seed: int) -> None:
    noise = scaled(noise, stair)
    x = arguments(stair, 200, seed)
    away = x.numpy()[None] - np.array(stair.thresholds)[:, None] * stair.quantum
    above = np.concatenate([np.ones((1, 200)), distribution(noise).cdf(away), np.zeros((1, 200))])
    levels = np.array(stair.levels) * stair.quantum
    assert np.allclose(reference.probabilities(x, stair, noise), above[:-1] - above[1:], atol=1e-9)
    assert np.allclose(reference.expectation(x, stair, noise), levels @ (above[:-1] - above[1:]), atol=1e-8)
    off = np.abs(np.abs(away - float(noise.mean)) - float(noise.spread)) > 1e-9  # the edges of uniform noise
    density = np.where(off, distribution(noise).pdf(away), 0.0)
    found = reference.slope(x, stair, noise).numpy()
    assert np.allclose(found[off.all(0)], (np.diff(levels) @ density)[off.all(0)], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("family", NOISE_FAMILIES)
@pytest.mark.parametrize("name", EVERY)
def test_samples_fall_on_the_levels_as_probably(name: str, family: str) -> None:
    stair = MORE[name]
    noise, n = Noise(family, 0.1 * stair.step, 0.6 * stair.step), 20_000
    x = torch.full((n,), 0.2 * stair.step + stair.scaled_thresholds[0], dtype=torch.float64)
    drawn = reference.sampled(x, stair, noise, torch.Generator().manual_seed(1))
    levels = torch.tensor(stair.scaled_levels, dtype=torch.float64)
    assert torch.isin(drawn, levels).all()
    wanted = reference.probabilities(x[:1], stair, noise)[:, 0] * n
    seen = (drawn == levels[:, None]).sum(1).double()
    likely = wanted > 5.0
    assert seen[~likely].sum() < 40
    ratio = seen[likely].sum() / wanted[likely].sum()
    assert stats.chisquare(seen[likely], wanted[likely] * ratio).pvalue > 1e-4


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_without_noise_it_is_the_stair(strategy: Strategy) -> None:
    for stair, dtype in itertools.product(MORE.values(), (torch.float32, torch.float64, torch.bfloat16)):
        x = torch.cat([arguments(stair), torch.tensor(stair.scaled_thresholds), torch.tensor([math.nan])]).to(dtype)
        x.requires_grad_()
        y = reference.regularise(x, stair, Noise("normal"), strategy=strategy)
        assert torch.equal(y[:-1], stair(x)[:-1])
        assert torch.isnan(y[-1])
        y.sum().backward()
        assert x.grad is not None
        assert not x.grad.any()


def compared(
    x: Tensor, stair: StairFunction, forward: Noise, backward: Noise | None, strategy: Strategy
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return value and gradient of the kernels, then those of the formula."""
    found = []
    for function in (regularise, reference.regularise):
        leaf = x.clone(memory_format=torch.preserve_format).requires_grad_()
        value = function(leaf, stair, forward, backward, strategy=strategy)
        (gradient,) = torch.autograd.grad(value.sum(), leaf)
        assert (value.dtype, value.shape, gradient.dtype, gradient.shape) == (x.dtype, x.shape, x.dtype, x.shape)
        found += [value.detach().double(), gradient.double()]
    return found[0], found[1], found[2], found[3]


@pytest.mark.usefixtures("_laplace")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("family", [*NOISE_FAMILIES, "laplace"])
def test_the_kernels_compute_the_formula(family: str, strategy: Strategy, dtype: torch.dtype) -> None:
    for (name, stair), spread in itertools.product(MORE.items(), (0.0, 0.3, 1.7)):
        step = stair.step
        x = arguments(stair, 400).reshape(4, 5, 4, 5).to(dtype).to(memory_format=torch.channels_last)
        noise = Noise(family, 0.125 * step, spread * step)
        for backward in (None, Noise("logistic", 0.0, 0.4 * step)):
            value, gradient, wanted, slope = compared(x, stair, noise, backward, strategy)
            case = (name, spread, backward)
            # The argument's rounding, magnified by the slope, and the result's.
            unit = max(torch.finfo(dtype).eps, 2.0**-23)
            largest, steepest = max(map(abs, stair.scaled_levels)), max(1.0, float(slope.abs().max()))
            tolerance = 2.0 * unit * largest + 4.0 * min(unit, 2.0**-23) * steepest * max(largest, 1.0) + 1e-6 * largest
            edges = (gradient - slope).abs() > 1e-4 * steepest + 4.0 * unit * steepest
            assert edges.double().mean() <= (0.02 if family == "uniform" else 0.0), case
            if strategy == "expectation":
                assert (value - wanted).abs().max() <= tolerance, case
            elif strategy == "mode":
                assert (value != wanted).double().mean() <= 0.005, case  # on a threshold, but for rounding
            else:
                precise = torch.promote_types(dtype, torch.float32)
                levels = torch.tensor(stair.scaled_levels, dtype=precise).to(dtype).double()
                assert torch.isin(value, levels).all(), case


@pytest.mark.usefixtures("_laplace")
@pytest.mark.parametrize("family", [*NOISE_FAMILIES, "laplace"])
def test_random_levels_are_as_probable_as_in_the_formula(family: str) -> None:
    for stair in MORE.values():
        noise = Noise(family, 0.1 * stair.step, 0.7 * stair.step)
        where = torch.tensor([stair.scaled_thresholds[0], stair.scaled_thresholds[-1] + 0.3 * stair.step])
        drawn = regularise(where.repeat(20_000, 1), stair, noise, strategy="random").double()
        deviation = drawn.std(0) / 20_000**0.5
        mean = reference.expectation(where.double(), stair, noise)
        assert ((drawn.mean(0) - mean).abs() <= 5.0 * deviation + 1e-3 * stair.step).all()


@pytest.mark.parametrize("family", NOISE_FAMILIES)
def test_thresholds_of_the_mode_are_where_the_formula_changes_its_mind(family: str) -> None:
    for stair, scale in itertools.product(MORE.values(), (0.1, 0.5, 2.0)):
        noise = Noise(family, 0.0, scale * stair.step * NOISE_FAMILIES[family].interval)
        for threshold in mode_thresholds(stair, NOISE_FAMILIES[family], scale * stair.step):
            around = torch.tensor([threshold - 1e-6 * stair.step, threshold + 1e-6 * stair.step], dtype=torch.float64)
            below, above = reference.most_probable(around, stair, noise).tolist()
            assert below < above


def test_half_precision_and_empty_tensors() -> None:
    stair = StairFunction.ternary()
    for shape in ((), (0,), (2, 0, 3)):
        x = torch.zeros(shape, dtype=torch.float16, requires_grad=True)
        for strategy in STRATEGIES:
            y = reference.regularise(x, stair, Noise("normal", 0.0, 0.5), strategy=strategy)
            y.sum().backward()
            assert (y.shape, y.dtype) == (x.shape, x.dtype)


def test_wrong_requests_are_refused() -> None:
    noise = Noise("uniform")
    with pytest.raises(ValueError, match="`strategy` must be one of expectation, mode, random, but got 'mean'"):
        reference.regularise(torch.zeros(1), StairFunction.ternary(), noise, strategy="mean")  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(TypeError, match="must be floating-point"):
        reference.regularise(torch.zeros(1, dtype=torch.int64), StairFunction.ternary(), noise)
