"""The noisy stair on a CUDA device: the numbers of the CPU, and no waiting for the device."""

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from ana_search.ana import NOISE_FAMILIES, Noise, StairFunction, reference, regularise
from ana_search.ana.freezing import frozen_mask
from ana_search.ana.strategies import STRATEGIES, Strategy
from tests.ana.cases import STAIRS, arguments

pytestmark = pytest.mark.gpu

families = pytest.mark.parametrize("family", NOISE_FAMILIES)


def on_gpu(family: str, mean: float, spread: float) -> Noise:
    """Return noise whose numbers are 0-d tensors on the device."""
    return Noise(family, torch.tensor(mean, device="cuda"), torch.tensor(spread, device="cuda"))


def value_and_gradient(
    x: Tensor, stair: StairFunction, noise: Noise, strategy: Strategy = "expectation"
) -> tuple[Tensor, Tensor]:
    leaf = x.clone().requires_grad_()
    value = regularise(leaf, stair, noise, strategy=strategy)
    (gradient,) = torch.autograd.grad(value.sum(), leaf)
    return value.detach(), gradient


@families
@pytest.mark.parametrize("name", STAIRS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_expectation_and_gradient_agree_with_the_reference(name: str, family: str, dtype: torch.dtype) -> None:
    stair = STAIRS[name]
    for spread in (0.05, 0.5, 1.4, 30.0):
        mean, spread = 0.125 * stair.quantum, spread * stair.quantum
        x = arguments(stair, 2000).to("cuda", dtype)
        # Means and spreads are single precision on the device, as they are in a layer.
        noise = Noise(family, float(np.float32(mean)), float(np.float32(spread)))
        exact = x.double()
        value, gradient = value_and_gradient(x, stair, on_gpu(family, mean, spread))
        slope = reference.slope(exact, stair, noise)
        steepest = float(slope.abs().max())
        largest = max(1.0, *map(abs, stair.scaled_levels))
        largest_argument = max(map(abs, stair.scaled_thresholds)) + 2.0 * stair.quantum
        rounding = 2.0**-23 * steepest * largest_argument
        error = float((value.double() - reference.expectation(exact, stair, noise)).abs().max())
        assert error <= 1e-6 * largest + rounding
        if family != "uniform":  # whose density jumps
            assert torch.allclose(gradient.double(), slope, atol=1e-5 * steepest + 4.0 * rounding / spread)


@families
@pytest.mark.parametrize("name", STAIRS)
def test_modes_are_those_of_the_cpu(name: str, family: str) -> None:
    stair = STAIRS[name]
    for spread in (0.0, 0.3, 1.4, 30.0):
        noise = Noise(family, 0.125 * stair.quantum, spread * stair.quantum)
        x = arguments(stair, 5000).float()
        there = regularise(x.cuda(), stair, on_gpu(family, noise.mean, noise.spread), strategy="mode")
        differing = (there.cpu() != regularise(x, stair, noise, strategy="mode")).sum()
        assert differing <= 1  # an argument on a threshold, to the last digit


@families
@pytest.mark.parametrize("name", ["ternary", "4 bits", "any"])
def test_random_levels_have_the_expectation_as_their_mean(name: str, family: str) -> None:
    stair = STAIRS[name]
    noise = on_gpu(family, 0.1 * stair.quantum, 0.7 * stair.quantum)
    x = arguments(stair, 16).float().cuda()
    drawn = regularise(x.repeat(200_000, 1), stair, noise, strategy="random")
    assert torch.isin(drawn, torch.tensor(stair.scaled_levels, device="cuda")).all()
    mean = drawn.double().mean(0)
    deviation = drawn.double().std(0) / 200_000**0.5
    assert ((mean - regularise(x, stair, noise)).abs() <= 5.0 * deviation + 2e-4).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_shape_dtype_and_memory_format_are_kept(strategy: Strategy, dtype: torch.dtype) -> None:
    x = torch.randn(4, 6, 5, 5, device="cuda").to(dtype).contiguous(memory_format=torch.channels_last)
    value, gradient = value_and_gradient(x, StairFunction.ternary(), on_gpu("logistic", 0.0, 0.5), strategy)
    for result in (value, gradient):
        assert (result.dtype, result.shape, result.stride(), result.device) == (x.dtype, x.shape, x.stride(), x.device)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_spread_is_the_exact_stair(strategy: Strategy) -> None:
    stair = StairFunction.for_network(4)
    x = torch.cat([torch.randn(1000), torch.tensor(stair.scaled_thresholds)]).cuda()
    value, gradient = value_and_gradient(x, stair, on_gpu("triangular", 0.0, 0.0), strategy)
    assert torch.equal(value, stair(x))
    assert torch.equal(value.cpu(), stair(x.cpu()))
    assert not gradient.any()


@pytest.fixture
def waiting_is_an_error() -> Iterator[None]:
    with warnings.catch_warnings(action="ignore"):  # torch calls it a prototype
        torch.cuda.set_sync_debug_mode("error")
    yield
    torch.cuda.set_sync_debug_mode("default")


X = torch.randn(1000)


@families
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.usefixtures("waiting_is_an_error")
def test_the_host_never_waits(family: str, strategy: Strategy) -> None:
    x = X.to("cuda", non_blocking=True)
    noise = Noise(family, torch.tensor(0.1), torch.tensor(0.5))  # on the CPU, as the numbers of a layer are
    for name in ("ternary", "4 bits"):
        value_and_gradient(x, STAIRS[name], noise, strategy)


@families
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_host_never_waits_in_compiled_code(family: str, strategy: Strategy) -> None:
    x = X.cuda()
    noise = Noise(family, torch.tensor(0.1), torch.tensor(0.5), most=0.5)
    torch.compiler.reset()
    compiled = torch.compile(lambda v: regularise(v, StairFunction.ternary(), noise, strategy=strategy), fullgraph=True)

    def step() -> None:
        leaf = x.clone().requires_grad_()
        torch.autograd.backward(compiled(leaf), x)

    step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_masks_of_freezing_are_those_of_the_cpu() -> None:
    like = torch.empty(3, 8, 8)
    fraction, time = torch.tensor(0.4), torch.tensor(0.3)
    here = frozen_mask(like, fraction, time, 5)
    assert torch.equal(frozen_mask(like.cuda(), fraction.cuda(), time.cuda(), 5).cpu(), here)


@families
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_compiled_code_agrees_with_eager(family: str, strategy: Strategy) -> None:
    stair = StairFunction.ternary()
    mean, spread = torch.tensor(0.1, device="cuda"), torch.tensor(0.5, device="cuda")
    noise = Noise(family, mean, spread, most=0.5)
    torch.compiler.reset()
    compiled = torch.compile(lambda v: regularise(v, stair, noise, strategy=strategy), fullgraph=True)
    x = torch.linspace(-1.995, 1.995, 40_000, device="cuda")
    for width in (0.5, 0.03, 0.0):
        spread.fill_(width)
        eager, eager_gradient = value_and_gradient(x, stair, noise, strategy)
        leaf = x.clone().requires_grad_()
        value = compiled(leaf)
        (gradient,) = torch.autograd.grad(value.sum(), leaf)
        if strategy == "random":
            assert torch.isin(value, torch.tensor(stair.levels, device="cuda")).all()
            assert (value - eager).mean().abs() < 0.03
        else:
            assert torch.allclose(value, eager, atol=2e-6)
        off = (gradient - eager_gradient).abs() > 1e-3 * (1.0 + eager_gradient.abs())
        assert off.double().mean() < 0.002  # uniform noise has a density that jumps
