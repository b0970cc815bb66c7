"""The autograd function against the formula written out, SciPy's integrals and samples."""

import itertools
import math
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import integrate, stats

from ana_search.ana import NOISE_FAMILIES, Noise, StairFunction, reference, regularise
from ana_search.ana.kernels import blocks, normal
from ana_search.ana.strategies import STRATEGIES, Strategy
from tests.ana.cases import CHECKS, STAIRS, arguments, distribution, noises, scaled, stair_values, stairs

families = pytest.mark.parametrize("family", NOISE_FAMILIES)
strategies = pytest.mark.parametrize("strategy", STRATEGIES)


def value_and_gradient(
    x: torch.Tensor,
    stair: StairFunction,
    forward: Noise,
    backward: Noise | None = None,
    strategy: Strategy = "expectation",
) -> tuple[torch.Tensor, torch.Tensor]:
    leaf = x.clone().requires_grad_()
    y = regularise(leaf, stair, forward, backward, strategy=strategy)
    y.sum().backward()
    assert leaf.grad is not None
    return y.detach(), leaf.grad


@CHECKS
@given(stairs(), noises(), st.integers(0, 100))
def test_expectation_and_gradient_agree_with_the_reference(stair: StairFunction, noise: Noise, seed: int) -> None:
    noise = scaled(noise, stair)
    x = arguments(stair, seed=seed)
    value, gradient = value_and_gradient(x, stair, noise)
    assert np.allclose(value, reference.expectation(x, stair, noise), atol=1e-6, rtol=1e-9)
    edges = np.array(stair.thresholds)[:, None] * stair.quantum + float(noise.mean)
    away = x.numpy()[None] - edges
    # Uniform noise has a density with two jumps; on them the derivative is a matter of convention.
    kept = (np.abs(np.abs(away) - float(noise.spread)) > 1e-9).all(0)
    slope = reference.slope(x, stair, noise)
    assert np.allclose(gradient[kept], slope[kept], atol=1e-6 * max(1.0, float(slope.abs().max())), rtol=1e-9)


@CHECKS
@given(stairs(), noises(st.floats(0.1, 2.0)), noises(st.floats(0.1, 2.0)), st.sampled_from(STRATEGIES))
def test_the_gradient_is_that_of_the_backward_noise(
    stair: StairFunction, forward: Noise, backward: Noise, strategy: Strategy
) -> None:
    forward, backward = scaled(forward, stair), scaled(backward, stair)
    x = arguments(stair)
    value, gradient = value_and_gradient(x, stair, forward, backward, strategy)
    _, alone = value_and_gradient(x, stair, backward)
    # A noise of its own is not computed together with the value, and may differ in the last digits.
    assert torch.allclose(gradient, alone, rtol=1e-11, atol=1e-13 * max(1.0, float(alone.abs().max())))
    if strategy == "expectation":
        assert torch.equal(value, value_and_gradient(x, stair, forward)[0])


@families
@pytest.mark.parametrize("name", STAIRS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_value_is_the_same_to_the_bit_with_and_without_a_gradient(
    name: str, family: str, dtype: torch.dtype
) -> None:
    stair = STAIRS[name]
    for spread in (0.05, 0.5, 1.4, 30.0):
        noise = Noise(family, 0.125 * stair.quantum, spread * stair.quantum)
        x = arguments(stair, 2000).to(dtype)
        value, _ = value_and_gradient(x, stair, noise)
        assert torch.equal(value, regularise(x, stair, noise))


@families
@pytest.mark.parametrize("name", STAIRS)
def test_single_precision_agrees_to_a_millionth(name: str, family: str) -> None:
    stair = STAIRS[name]
    for spread in (0.05, 0.3, 0.5, 1.4, 30.0):
        noise = Noise(family, 0.125 * stair.quantum, spread * stair.quantum)
        x = arguments(stair, 2000).float()
        value, gradient = value_and_gradient(x, stair, noise)
        exact = x.double()
        largest = max(map(abs, stair.scaled_levels))
        # The argument's own rounding, magnified by the slope, is part of the question and not of the answer.
        slope = reference.slope(exact, stair, noise)
        rounding = 2.0**-24 * float(slope.abs().max()) * max(map(abs, stair.scaled_thresholds))
        error = float((value.double() - reference.expectation(exact, stair, noise)).abs().max())
        assert error <= 1e-6 * max(largest, 1.0) + rounding
        if family != "uniform":
            assert np.allclose(gradient, slope, atol=1e-5 * float(slope.abs().max()))


@families
@pytest.mark.parametrize("name", ["ternary", "8 bits", "any"])
def test_gradcheck(name: str, family: str) -> None:
    stair = STAIRS[name]
    noise = Noise(family, 0.1 * stair.quantum, 0.8 * stair.quantum)
    x = arguments(stair, 40)
    if family in ("uniform", "triangular"):
        edges = torch.tensor(stair.scaled_thresholds)[:, None] + noise.mean
        apart = ((x - edges).abs() - noise.spread).abs().amin(0) > 1e-4 * stair.quantum
        x = x[apart & ((x - edges).abs().amin(0) > 1e-4 * stair.quantum)]
    assert torch.autograd.gradcheck(
        lambda v: regularise(v, stair, noise), (x.requires_grad_(),), eps=1e-7 * stair.quantum, atol=1e-5
    )


@families
@pytest.mark.parametrize("name", ["ternary", "any"])
def test_expectation_is_the_integral_over_the_noise(name: str, family: str) -> None:
    stair, noise = STAIRS[name], Noise(family, -0.2, 0.9)
    density = distribution(noise).pdf
    for x in (-1.1, -0.3, 0.0, 0.6, 1.2):
        jumps = [x - t for t in stair.scaled_thresholds]
        corners = [float(noise.mean) + k * float(noise.spread) for k in (-1.0, 0.0, 1.0)]
        integral = integrate.quad(
            lambda v, x=x: stair_values(np.array([x - v]), stair)[0] * density(v),
            -12.0,
            12.0,
            points=sorted([*jumps, *corners]),
            limit=400,
        )[0]
        value = regularise(torch.tensor([x], dtype=torch.float64), stair, noise).item()
        assert value == pytest.approx(integral, abs=1e-6)


@families
@pytest.mark.parametrize("name", ["ternary", "binary", "4 bits", "any"])
def test_random_levels_have_the_probabilities_of_the_noise(name: str, family: str) -> None:
    stair = STAIRS[name]
    noise = Noise(family, 0.1 * stair.quantum, 0.7 * stair.quantum)
    generator = torch.Generator().manual_seed(3)
    n = 100_000
    levels = torch.tensor(stair.scaled_levels)
    for where in (-0.6, -0.1, 0.45):
        x = torch.full((n,), where * stair.quantum)
        drawn = regularise(x, stair, noise, strategy="random", generator=generator)
        index = torch.searchsorted(levels, drawn)
        assert torch.equal(levels[index], drawn)
        seen = torch.bincount(index, minlength=len(levels)).numpy()
        expected = n * reference.probabilities(x[:1].double(), stair, noise)[:, 0].numpy()
        likely = expected > 5.0
        assert seen[~likely].sum() < 50
        if likely.sum() == 1:  # bounded noise that crosses no threshold
            assert seen[likely] == n
            continue
        ratio = seen[likely].sum() / expected[likely].sum()
        assert stats.chisquare(seen[likely], expected[likely] * ratio).pvalue > 1e-4


@CHECKS
@given(stairs(), noises(), st.sampled_from([torch.float32, torch.float64, torch.bfloat16]))
def test_mode_and_random_never_leave_the_levels(stair: StairFunction, noise: Noise, dtype: torch.dtype) -> None:
    noise = scaled(noise, stair)
    x = arguments(stair).to(dtype)
    levels = torch.tensor(stair.scaled_levels, dtype=torch.float64 if dtype == torch.float64 else torch.float32)
    for strategy in STRATEGIES[1:]:
        value = regularise(x, stair, noise, strategy=strategy)
        assert value.dtype == dtype
        assert torch.isin(value, levels.to(dtype)).all()


@CHECKS
@given(stairs(), noises())
def test_the_mode_is_the_most_probable_level(stair: StairFunction, noise: Noise) -> None:
    assume(len(stair.levels) < 64)
    noise = scaled(noise, stair)
    x = arguments(stair)
    value = regularise(x, stair, noise, strategy="mode")
    probability = reference.probabilities(x, stair, noise).numpy()
    index = np.searchsorted(np.array(stair.levels) * stair.quantum, value.numpy() - 1e-12)
    chosen = probability[index, np.arange(x.numel())]
    assert (chosen >= probability.max(0) - 1e-9).all()


@strategies
@families
@pytest.mark.parametrize("name", STAIRS)
def test_no_spread_is_the_exact_stair_and_no_gradient(name: str, family: str, strategy: Strategy) -> None:
    stair = STAIRS[name]
    x = torch.cat([arguments(stair), torch.tensor(stair.scaled_thresholds, dtype=torch.float64)])
    value, gradient = value_and_gradient(x, stair, Noise(family), strategy=strategy)
    assert torch.equal(value, stair(x))
    assert not gradient.any()
    shifted, _ = value_and_gradient(x, stair, Noise(family, mean=0.25), strategy=strategy)
    assert torch.equal(shifted, stair(x - 0.25))


@strategies
@families
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bits", ["ternary", 4])
def test_noise_that_vanishes_leads_to_the_stair(
    bits: int | Literal["ternary"], dtype: torch.dtype, family: str, strategy: Strategy
) -> None:
    stair = StairFunction.for_network(bits)
    x = torch.cat([arguments(stair), torch.tensor(stair.scaled_thresholds)]).to(dtype)
    away = (x - torch.tensor(stair.scaled_thresholds)[:, None]).abs().amin(0) > 1e-6
    for spread in (1e-9, 1e-19, 1e-25, 1e-42, 5e-324):
        value, gradient = value_and_gradient(x, stair, Noise(family, 0.0, spread), strategy=strategy)
        assert torch.equal(value[away], stair(x)[away])
        assert torch.isfinite(gradient).all()


@strategies
def test_tensors_for_mean_and_spread_are_numbers(strategy: Strategy) -> None:
    stair = StairFunction.ternary()
    x = arguments(stair)
    numbers = Noise("logistic", 0.25, 0.5)
    tensors = Noise("logistic", torch.tensor(0.25), torch.tensor(0.5), most=0.5)
    for noise in (numbers, tensors):
        torch.manual_seed(5)
        noise_value, noise_gradient = value_and_gradient(x, stair, noise, strategy=strategy)
        if noise is numbers:
            value, gradient = noise_value, noise_gradient
    assert torch.equal(noise_value, value)
    assert torch.equal(noise_gradient, gradient)


@strategies
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_shape_dtype_and_memory_format_are_kept(strategy: Strategy, dtype: torch.dtype) -> None:
    stair, noise = StairFunction.for_network(4), Noise("normal", 0.0, 0.1)
    image = torch.randn(2, 3, 5, 7).to(dtype)
    for x in (
        torch.tensor(0.3, dtype=dtype),
        torch.empty(0, 3, dtype=dtype),
        image,
        image.to(memory_format=torch.channels_last),
        image.transpose(1, 3),
        image[:, :, ::2],
        image[:, :1].expand(2, 4, 5, 7),
    ):
        leaf = x.detach().requires_grad_()
        y = regularise(leaf, stair, noise, strategy=strategy)
        y.float().sum().backward()
        assert leaf.grad is not None
        assert (y.shape, y.dtype, leaf.grad.dtype) == (x.shape, dtype, dtype)
        if x is image or (x.is_contiguous(memory_format=torch.channels_last) and x.dim() == 4):
            assert y.stride() == x.stride()
        if strategy != "random":
            plain = regularise(x.contiguous(), stair, noise, strategy=strategy)
            assert torch.equal(plain, y)


@strategies
def test_blocks_are_invisible(strategy: Strategy, monkeypatch: pytest.MonkeyPatch) -> None:
    stair, noise = StairFunction.ternary(), Noise("triangular", 0.0, 0.6)
    x = torch.randn(2, 3, 40, 50).to(memory_format=torch.channels_last)
    weight = torch.randn(2, 3, 40, 50)

    def run() -> tuple[torch.Tensor, torch.Tensor]:
        torch.manual_seed(11)
        leaf = x.clone(memory_format=torch.preserve_format).requires_grad_()
        y = regularise(leaf, stair, noise, strategy=strategy)
        (y * weight).sum().backward()
        assert leaf.grad is not None
        return y.detach(), leaf.grad

    whole = run()
    monkeypatch.setattr(blocks, "BLOCK", 1000)
    parts = run()
    assert parts[0].is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(whole[1], parts[1])
    if strategy == "random":
        assert (whole[0] - parts[0]).mean().abs() < 0.02
    else:
        assert torch.equal(whole[0], parts[0])


def test_half_precision_is_computed_in_single() -> None:
    stair, noise = StairFunction.from_bits(8), Noise("logistic", 0.0, 0.5)
    x = torch.linspace(-130, 130, 4001).bfloat16()
    value, gradient = value_and_gradient(x, stair, noise)
    wide, slope = value_and_gradient(x.float(), stair, noise)
    assert torch.equal(value, wide.bfloat16())
    assert torch.equal(gradient, slope.bfloat16())


def test_random_numbers_come_from_the_generator() -> None:
    stair, noise, x = StairFunction.ternary(), Noise("normal", 0.0, 0.5), torch.zeros(1000)

    def draw(generator: torch.Generator | None = None) -> torch.Tensor:
        return regularise(x, stair, noise, strategy="random", generator=generator)

    first, second = (torch.Generator().manual_seed(7) for _ in range(2))
    state = torch.random.get_rng_state()
    assert torch.equal(draw(first), draw(second))
    assert not torch.equal(draw(first), draw(first))
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(1)
    kept = draw()
    assert not torch.equal(kept, draw())
    torch.manual_seed(1)
    assert torch.equal(kept, draw())


def test_numbers_that_are_none_are_passed_on() -> None:
    x = torch.tensor([float("nan"), 0.3])
    for stair in STAIRS.values():
        for family in NOISE_FAMILIES:
            for strategy in STRATEGIES:
                noise = Noise(family, 0.0, 0.5)
                value = regularise(x, stair, noise, strategy=strategy)
                assert torch.isnan(value).tolist() == [True, False]


@pytest.mark.parametrize("erf_is_cheap", [False, True])
def test_infinite_and_huge_numbers_end_at_the_outer_levels(erf_is_cheap: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normal, "erf_is_cheap", lambda _z: erf_is_cheap)
    for stair, family, strategy in itertools.product(STAIRS.values(), NOISE_FAMILIES, STRATEGIES):
        for spread in (0.0, 1e-13, 1e-3, 0.5, 2.0):
            x = torch.tensor([-math.inf, -3e38, -1e30, 1e30, 3e38, math.inf], requires_grad=True)
            value = regularise(x, stair, Noise(family, 0.1, spread), strategy=strategy)
            lowest, highest = stair.scaled_levels[0], stair.scaled_levels[-1]
            expected = torch.tensor([lowest] * 3 + [highest] * 3)
            assert torch.allclose(value, expected, rtol=1e-5, atol=1e-6), (stair, family, strategy, spread)
            (slope,) = torch.autograd.grad(value.sum(), x)
            assert slope.abs().max() < 1e-12, (stair, family, strategy, spread)


def test_a_second_derivative_is_refused() -> None:
    x = torch.tensor([0.2], requires_grad=True)
    (slope,) = torch.autograd.grad(
        regularise(x, StairFunction.ternary(), Noise("normal", 0.0, 0.5)), x, create_graph=True
    )
    with pytest.raises(RuntimeError, match="cannot be differentiated again"):
        slope.backward()


def test_wrong_requests_are_refused() -> None:
    stair, noise = StairFunction.ternary(), Noise("uniform")
    with pytest.raises(ValueError, match="`strategy` must be one of expectation, mode, random, but got 'mean'"):
        regularise(torch.zeros(1), stair, noise, strategy="mean")  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(TypeError, match=r"must be floating-point, but its dtype is torch\.int64"):
        regularise(torch.zeros(1, dtype=torch.int64), stair, noise)
