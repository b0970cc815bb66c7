"""The presets against the gradients of the straight-through estimators as they are written in textbooks."""

import math

import pytest
import torch

from ana_search.ana import STE_PRESETS, Noise, StairFunction, regularise, straight_through

X = torch.linspace(-2.5, 2.5, 1001, dtype=torch.float64)
X = X[((X.abs() - 1.0).abs() > 1e-9)]


def clipped(x: torch.Tensor) -> torch.Tensor:
    """Hard tanh (Hubara et al., Binarized Neural Networks, 2016): pass the gradient where |x| <= 1."""
    return (x.abs() <= 1.0).to(x.dtype)


def bi_real(x: torch.Tensor) -> torch.Tensor:
    """Bi-Real Net (Liu et al., ECCV 2018, equation 7): 2 + 2 x on [-1, 0), 2 - 2 x on [0, 1)."""
    rising = torch.where((x >= -1.0) & (x < 0.0), 2.0 + 2.0 * x, 0.0)
    return torch.where((x >= 0.0) & (x < 1.0), 2.0 - 2.0 * x, rising)


def sigmoid_slope(x: torch.Tensor) -> torch.Tensor:
    """The derivative of 2 sigmoid(beta x) - 1, with 95 % of the rise on [-1, 1]."""
    beta = math.log(0.975 / 0.025)
    s = torch.sigmoid(beta * x)
    return 2.0 * beta * s * (1.0 - s)


def erf_slope(x: torch.Tensor) -> torch.Tensor:
    """The derivative of erf(x / (sqrt(2) sigma)), with 95 % of the rise on [-1, 1]."""
    sigma = 1.0 / 1.959963984540054
    return 2.0 / (math.sqrt(2.0 * math.pi) * sigma) * torch.exp(-0.5 * (x / sigma) ** 2)


TEXTBOOK = {
    "ste_clipped": clipped,
    "ste_triangular": bi_real,
    "ste_logistic": sigmoid_slope,
    "ste_normal": erf_slope,
}


def gradient(stair: StairFunction, backward: Noise) -> torch.Tensor:
    x = X.clone().requires_grad_()
    y = regularise(x, stair, Noise("uniform"), backward)
    assert torch.equal(y, stair(X))
    y.sum().backward()
    assert x.grad is not None
    return x.grad


@pytest.mark.parametrize("name", TEXTBOOK)
def test_on_the_sign_function_they_are_the_textbook_estimators(name: str) -> None:
    stair = StairFunction.binary()
    assert torch.allclose(gradient(stair, straight_through(name, stair)), TEXTBOOK[name](X), atol=1e-9)


@pytest.mark.parametrize("name", TEXTBOOK)
def test_on_the_ternary_stair_each_jump_has_its_own(name: str) -> None:
    stair = StairFunction.ternary()
    assert straight_through(name, stair) == STE_PRESETS[name]
    inside = ((X.abs() - 0.5).abs() > 1e-9) & (X.abs() > 1e-9)
    expected = 0.5 * (TEXTBOOK[name](2.0 * X + 1.0) + TEXTBOOK[name](2.0 * X - 1.0)) * 2.0
    assert torch.allclose(gradient(stair, STE_PRESETS[name])[inside], expected[inside], atol=1e-9)


def test_on_the_ternary_stair_the_clipped_one_is_hard_tanh() -> None:
    assert torch.equal(gradient(StairFunction.ternary(), STE_PRESETS["ste_clipped"]), clipped(X))


def test_presets_follow_the_quantum() -> None:
    stair = StairFunction.for_network(8)
    assert straight_through("ste_normal", stair) == Noise("normal", spread=0.5 / 64)


def test_presets_cannot_be_changed() -> None:
    assert list(STE_PRESETS) == list(TEXTBOOK)
    with pytest.raises(TypeError):
        STE_PRESETS["ste_clipped"] = Noise("uniform")  # type: ignore[index]  # that it fails is the point


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be one of ste_clipped, .*, but got 'ste'"):
        straight_through("ste", StairFunction.binary())
