"""Compiled code: the same numbers, and nothing compiled anew while the noise is annealed."""

from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from ana_search.ana import NOISE_FAMILIES, Annealer, LayerSchedule, Noise, StairFunction, quantise, regularise
from ana_search.ana.kernels.hashing import TABLE
from ana_search.ana.strategies import STRATEGIES, Strategy


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


class Counter:
    """A compiler that runs what it is given as it is, and counts how often it is asked."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, graph: torch.fx.GraphModule, _inputs: list[Any]) -> Callable[..., Any]:
        self.graphs += 1
        return graph.forward


def everything(x: Tensor, stair: StairFunction, mean: Tensor, spread: Tensor) -> list[Tensor]:
    """Return the results of all families under all strategies."""
    return [
        regularise(x, stair, Noise(family, mean, spread, most=0.5), strategy=strategy)
        for family in NOISE_FAMILIES
        for strategy in STRATEGIES
    ]


def test_other_means_and_spreads_compile_nothing() -> None:
    counter = Counter()
    stair = StairFunction.ternary()
    mean, spread = torch.tensor(0.1), torch.tensor(0.5)
    compiled = torch.compile(everything, backend=counter, fullgraph=True)
    x = torch.randn(50)
    for moment in range(6):
        mean.fill_(0.1 - 0.02 * moment)
        spread.fill_(0.5 - 0.1 * moment)
        leaf = x.clone().requires_grad_()
        values = compiled(leaf, stair, mean, spread)
        torch.autograd.backward(sum(y.sum() for y in values))
        for i, (y, eager) in enumerate(zip(values, everything(x, stair, mean, spread), strict=True)):
            if STRATEGIES[i % 3] == "random":
                assert torch.isin(y, torch.tensor(stair.levels)).all()
            else:
                assert torch.allclose(y, eager, atol=1e-6)
    assert all(torch.equal(y, stair(x)) for y in values)
    assert counter.graphs == 1


@pytest.mark.parametrize("strategy", ["expectation", "mode"])  # one may keep the slope, the other computes it later
@pytest.mark.parametrize("family", NOISE_FAMILIES)
def test_gradients_are_those_of_eager_code(family: str, strategy: Strategy) -> None:
    stair, mean, spread = StairFunction.ternary(), torch.tensor(0.1), torch.tensor(0.5)
    x = torch.linspace(-1.995, 1.995, 400)  # never on a threshold or on the edge of noise

    def slope(function: Callable[..., Tensor], at: Tensor) -> Tensor:
        leaf = at.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(function(leaf).sum(), leaf)
        return gradient

    def smooth(leaf: Tensor) -> Tensor:
        return regularise(leaf, stair, Noise(family, mean, spread), strategy=strategy)

    compiled = torch.compile(smooth, backend=Counter(), fullgraph=True)
    for width in (3.0, 0.5, 0.05, 1e-3, 1e-14):
        spread.fill_(width)
        wanted = slope(smooth, x.double()).float()
        rtol = 1e-5 if width >= 0.5 else 1e-3  # narrow noise magnifies the rounding of its argument
        steepest = 1.0 / width if width > 1e-6 else 1.0  # sigmoids of single precision lose slopes smaller than that
        assert torch.allclose(slope(compiled, x), wanted, rtol=rtol, atol=2e-6 * steepest)


@pytest.mark.parametrize("family", NOISE_FAMILIES)
def test_random_levels_have_the_expectation_as_their_mean(family: str) -> None:
    stair, noise = StairFunction.ternary(), Noise(family, torch.tensor(0.1), torch.tensor(0.7))
    compiled = torch.compile(
        lambda x: regularise(x, stair, noise, strategy="random"), backend=Counter(), fullgraph=True
    )
    x = torch.linspace(-1.0, 1.0, 9)
    torch.manual_seed(0)
    drawn = compiled(x.repeat(40_000, 1)).mean(0)
    assert torch.allclose(drawn, regularise(x, stair, noise), atol=0.02)


def seeded(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    torch.manual_seed(3)
    return function(x)


@pytest.mark.parametrize("family", ["triangular", "normal", "logistic"])
@pytest.mark.parametrize("bits", ["ternary", 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_seed_draws_the_same_levels_as_in_eager_code(
    dtype: torch.dtype, bits: int | Literal["ternary"], family: str
) -> None:
    stair = StairFunction.for_network(bits)
    noise = Noise(family, torch.tensor(0.1), torch.tensor(0.7))

    def some(x: Tensor) -> Tensor:
        return regularise(x, stair, noise, strategy="random")

    several_rows, rows_and_a_rest, one_row_strided = (2, 3, 512, 300), (TABLE + 3,), (4, 3, 8, 8)
    for shape in (several_rows, rows_and_a_rest, one_row_strided):
        x = torch.randn(shape, dtype=dtype)
        if shape == one_row_strided:
            x = x.to(memory_format=torch.channels_last)
        torch.compiler.reset()
        levels = seeded(torch.compile(some, backend=Counter(), fullgraph=True), x)
        assert levels.stride() == x.stride()
        assert torch.equal(levels, seeded(some, x))


def test_batches_of_other_sizes_are_compiled_once() -> None:
    noise, counter = Noise("logistic", torch.tensor(0.1), torch.tensor(0.7)), Counter()

    def some(x: Tensor) -> Tensor:
        return regularise(x, StairFunction.ternary(), noise, strategy="random")

    compiled = torch.compile(some, backend=counter, fullgraph=True)
    for batch, graphs in ((64, 1), (48, 2), (7, 2), (13, 2)):
        x = torch.randn(batch, 10)
        assert torch.equal(seeded(compiled, x), seeded(some, x))
        assert counter.graphs == graphs


@pytest.mark.parametrize("family", NOISE_FAMILIES)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_spread_that_has_become_zero_is_the_exact_stair(strategy: Strategy, family: str) -> None:
    noise = Noise(family, torch.tensor(0.0), torch.tensor(0.0))
    for stair in (StairFunction.ternary(), StairFunction.for_network(4), StairFunction((0.0, 1.0, 3.0), (0.3, 1.0))):
        torch.compiler.reset()
        compiled = torch.compile(
            lambda x, stair=stair: regularise(x, stair, noise, strategy=strategy), backend=Counter(), fullgraph=True
        )
        x = torch.cat([torch.tensor(stair.scaled_thresholds).repeat(50), torch.randn(50)])  # a tie goes up
        assert torch.equal(compiled(x), stair(x))


def test_the_spread_of_a_mode_is_looked_at_where_it_is() -> None:
    graphs: list[torch.fx.GraphModule] = []

    def backend(graph: torch.fx.GraphModule, _inputs: list[Any]) -> Callable[..., Any]:
        graphs.append(graph)
        return graph.forward

    noise = Noise("logistic", torch.tensor(0.1), torch.tensor(0.5))
    compiled = torch.compile(
        lambda x: regularise(x, StairFunction.ternary(), noise, strategy="mode"), backend=backend, fullgraph=True
    )
    assert compiled(torch.empty(9, device="meta")).device.type == "meta"
    (solving,) = [node for node in graphs[0].graph.nodes if "mode_thresholds" in str(node.target)]
    before, seen = list(solving.all_input_nodes), set()
    while before:
        node = before.pop()
        seen.add(node.target)
        before += node.all_input_nodes
    assert "to" not in seen  # on a GPU the host would wait for it
    assert "to" in {node.target for node in graphs[0].graph.nodes}


@pytest.mark.parametrize("method", ["noise", pytest.param("freezing", marks=pytest.mark.slow)])
def test_annealing_a_network_compiles_nothing(method: str) -> None:
    counter = Counter()
    network = quantise(nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Hardtanh(), nn.Linear(6, 2)))
    annealer = Annealer(network, [LayerSchedule(noise="logistic", mean=-0.5, method=method)])
    compiled = torch.compile(network, backend=counter)
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3)
    x = torch.randn(16, 6)
    counts = []
    for step in range(8):
        annealer.set(step / 6)
        optimiser.zero_grad()
        torch.autograd.backward(compiled(x).square().sum())
        optimiser.step()
        counts.append(counter.graphs)
    assert counts[0] > 0
    assert counts == counts[:1] * 8


@pytest.mark.slow
def test_inductor_agrees_with_eager() -> None:
    stair = StairFunction.for_network(4)
    x = torch.randn(4, 3, 16, 16).to(memory_format=torch.channels_last)
    mean, spread = torch.tensor(0.1), torch.tensor(0.5)

    def some(x: Tensor) -> list[Tensor]:
        return [
            regularise(x, stair, Noise("uniform", mean, spread, most=0.5)),
            regularise(x, stair, Noise("normal", mean, spread, most=0.5)),
            regularise(x, stair, Noise("triangular", mean, spread, most=0.5), strategy="mode"),
            regularise(x, stair, Noise("logistic", mean, spread, most=0.5), strategy="random"),
        ]

    compiled = torch.compile(some, fullgraph=True)
    for value in (0.5, 0.03, 0.0):
        spread.fill_(value)
        results = []
        for function in (some, compiled):
            leaf = x.clone(memory_format=torch.preserve_format).requires_grad_()
            values = function(leaf)
            torch.autograd.backward(sum((k + 1) * y.sum() for k, y in enumerate(values)))
            results.append((values, leaf.grad))
        (eager, eager_gradient), (fast, fast_gradient) = results
        assert all(y.stride() == x.stride() for y in fast)
        for a, b in zip(eager[:3], fast[:3], strict=True):
            assert torch.allclose(a, b, atol=2e-6)
        assert torch.isin(fast[3], torch.tensor(stair.scaled_levels)).all()
        assert (eager[3] - fast[3]).mean().abs() < 0.05
        assert eager_gradient is not None
        assert fast_gradient is not None
        off = (eager_gradient - fast_gradient).abs() > 1e-3 * (1.0 + eager_gradient.abs())
        assert off.double().mean() < 0.002  # uniform noise has a density that jumps
