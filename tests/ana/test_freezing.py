"""Progressive freezing: the masks, and what a quantiser does with them."""

import pytest
import torch

from ana_search.ana import Annealer, LayerSchedule, Noise, StairFunction, quantise, quantised_layers, regularise
from ana_search.ana.freezing import REFRESHES, frozen_mask
from ana_search.ana.quantiser import Quantiser

N = 200_000


def mask(fraction: float, time: float = 0.0, seed: int = 1, like: torch.Tensor | None = None) -> torch.Tensor:
    like = torch.empty(N) if like is None else like
    return frozen_mask(like, torch.tensor(fraction), torch.tensor(time), seed)


def freezing(stair: StairFunction, fraction: float, seed: int = 0, *, batched: bool = False) -> Quantiser:
    quantiser = Quantiser(stair, batched=batched)
    quantiser.freezing, quantiser.seed = True, seed
    quantiser.backward_family = None
    quantiser.forward_spread.fill_(0.5)
    quantiser.frozen.fill_(fraction)
    return quantiser


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_the_fraction_is_frozen(fraction: float) -> None:
    for time in (0.0, 0.37, 1.0):
        rate = mask(fraction, time).double().mean().item()
        assert abs(rate - fraction) <= 5.0 * (fraction * (1.0 - fraction) / N) ** 0.5


def test_masks_grow() -> None:
    smaller = mask(0.0)
    for fraction in (0.1, 0.4, 0.8, 1.0):
        larger = mask(fraction)
        assert not (smaller & ~larger).any()
        smaller = larger


def test_masks_are_refreshed_softly() -> None:
    before, soon, late = mask(0.5, 0.2), mask(0.5, 0.201), mask(0.5, 0.2 + 3.0 / REFRESHES)
    changed = (before != soon).double().mean().item()
    # A thousandth of the budget draws REFRESHES / 1000 of the lots anew; half of those come out otherwise.
    assert changed == pytest.approx(0.5 * REFRESHES / 1000.0, rel=0.1)
    assert (before != late).double().mean().item() == pytest.approx(0.5, abs=0.01)


def test_masks_are_functions_of_seed_and_time() -> None:
    assert torch.equal(mask(0.5, 0.3), mask(0.5, 0.3))
    assert (mask(0.5, seed=1) != mask(0.5, seed=2)).double().mean().item() == pytest.approx(0.5, abs=0.01)
    state = torch.random.get_rng_state()
    mask(0.5)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_in_expectation_it_is_mixed_noise() -> None:
    """(1 - p) * uniform + p * nothing, the form in which its authors' method is noise annealing."""
    stair = StairFunction.ternary()
    x = torch.linspace(-1.4, 1.4, 201)
    x = x[(x.abs() - 0.5).abs() > 1e-6]
    runs = 4000
    p = 0.3
    values = freezing(stair, p)(x.expand(runs, -1).contiguous())
    expected = (1.0 - p) * regularise(x, stair, Noise("uniform", 0.0, 0.5)) + p * stair(x)
    assert torch.allclose(values.mean(0), expected, atol=5.0 * 0.25 / runs**0.5)


def test_only_what_is_not_frozen_has_a_gradient() -> None:
    quantiser = freezing(StairFunction.ternary(), 0.4)
    x = (torch.rand(1000) * 1.8 - 0.9).requires_grad_()
    y = quantiser(x)
    y.sum().backward()
    hard = quantiser.mask(x)
    assert x.grad is not None
    assert x.grad[hard].eq(0.0).all()
    assert x.grad[~hard].eq(1.0).all()
    assert torch.equal(y[hard], quantiser.stair(x[hard]))
    assert torch.allclose(y[~hard], x[~hard], atol=1e-6)


def test_what_is_frozen_may_have_a_straight_through_estimator() -> None:
    quantiser = freezing(StairFunction.ternary(), 1.0)
    quantiser.backward_family = "uniform"
    x = (torch.rand(1000) * 1.8 - 0.9).requires_grad_()
    y = quantiser(x)
    y.sum().backward()
    assert torch.equal(y, quantiser.stair(x))
    assert x.grad is not None
    assert x.grad.eq(1.0).all()


def test_all_samples_of_a_batch_freeze_together() -> None:
    quantiser = freezing(StairFunction.ternary(), 0.5, batched=True)
    x = torch.full((7, 3, 4, 4), 0.3)
    y = quantiser(x)
    assert y.eq(0.0).any()
    assert y.ne(0.0).any()
    assert torch.equal(y, y[:1].expand_as(y))


def test_masks_do_not_depend_on_the_samples() -> None:
    x = torch.full((2, 3, 4, 4), 0.3)
    quantiser = freezing(StairFunction.ternary(), 0.5, batched=True)
    assert torch.equal(quantiser(x)[0], quantiser(x.repeat(3, 1, 1, 1))[5])


def test_evaluation_is_the_stair() -> None:
    quantiser = freezing(StairFunction.ternary(), 0.5).eval()
    x = torch.randn(100)
    assert torch.equal(quantiser(x), quantiser.stair(x))


def test_layers_freeze_in_the_order_of_their_intervals() -> None:
    network = quantise(
        torch.nn.Sequential(
            torch.nn.Linear(8, 8),
            torch.nn.Hardtanh(),
            torch.nn.Linear(8, 8),
            torch.nn.Hardtanh(),
            torch.nn.Linear(8, 2),
        )
    )
    schedules = [LayerSchedule(method="freezing", start=a, end=b) for a, b in ((0.0, 0.5), (0.5, 1.0))]
    annealer = Annealer(network, schedules, seed=4)
    quantisers = [layer.map.weight_quantiser for layer in quantised_layers(network)]
    annealer.set(0.5)
    assert [q.frozen.item() for q in quantisers] == [1.0, 0.0]
    x = torch.randn(3, 8)
    layers = quantised_layers(network)
    assert torch.equal(
        layers[0].map(x), torch.nn.functional.linear(x, layers[0].map.quantised_weight(), layers[0].map.bias)
    )
    annealer.set(1.0)
    noisy = network(x)
    assert torch.equal(noisy, network.eval()(x))
