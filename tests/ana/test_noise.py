"""What every registered noise family must satisfy."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from ana_search.ana import NOISE_FAMILIES, Noise
from tests.ana.cases import CHECKS, distribution

families = pytest.mark.parametrize("name", NOISE_FAMILIES)
Z = torch.linspace(-8.0, 8.0, 4001, dtype=torch.float64)


def test_the_four_families_of_the_paper_are_there() -> None:
    assert list(NOISE_FAMILIES) == ["uniform", "triangular", "normal", "logistic"]
    assert all(family.name == name for name, family in NOISE_FAMILIES.items())


@families
def test_the_distribution_function_is_one_and_symmetric(name: str) -> None:
    family = NOISE_FAMILIES[name]
    f = family.cdf(Z)
    assert (f.diff() >= 0).all()
    assert torch.allclose(f + family.cdf(-Z), torch.ones_like(Z), atol=1e-15)
    assert family.cdf(torch.tensor([-1e6, 0.0, 1e6], dtype=torch.float64)).tolist() == [0.0, 0.5, 1.0]
    below, above = family.cdf(torch.tensor([-family.reach, family.reach], dtype=torch.float64)).tolist()
    assert below < 1.1e-9
    assert above > 1.0 - 1.1e-9


@families
def test_the_density_is_the_derivative_and_integrates_to_one(name: str) -> None:
    family = NOISE_FAMILIES[name]

    def pdf(z: float) -> float:
        return family.pdf(torch.tensor(z, dtype=torch.float64)).item()

    mass = integrate.quad(pdf, -30.0, 30.0, points=[-1.0, 0.0, 1.0], limit=200)[0]
    second = integrate.quad(lambda z: z * z * pdf(z), -60.0, 60.0, points=[-1.0, 0.0, 1.0], limit=200)[0]
    assert mass == pytest.approx(1.0, abs=1e-9)
    assert math.sqrt(second) == pytest.approx(family.deviation, abs=1e-7)
    inside = Z[(Z.abs() - 1.0).abs() > 0.01]
    slope = (family.cdf(inside + 1e-6) - family.cdf(inside - 1e-6)) / 2e-6
    assert torch.allclose(family.pdf(inside), slope, atol=1e-5)


@families
def test_the_argument_is_left_alone(name: str) -> None:
    family = NOISE_FAMILIES[name]
    z = torch.linspace(-2, 2, 9)
    kept = z.clone()
    for function in (family.cdf, family.pdf, family.quantile):
        function(z)
        assert torch.equal(z, kept)


@families
def test_single_precision_agrees_with_double(name: str) -> None:
    family = NOISE_FAMILIES[name]
    z = torch.cat([Z, torch.zeros(1)]).float()
    assert torch.allclose(family.cdf(z).double(), family.cdf(z.double()), atol=5e-7)
    assert torch.allclose(family.pdf(z).double(), family.pdf(z.double()), atol=2e-7)


@families
def test_the_quantile_inverts_the_distribution_function(name: str) -> None:
    family = NOISE_FAMILIES[name]
    v = torch.linspace(-0.999, 0.999, 999, dtype=torch.float64)
    assert torch.allclose(2.0 * family.cdf(family.quantile(v)) - 1.0, v, atol=1e-12)


@families
@CHECKS
@given(st.floats(1e-3, 10.0), st.sampled_from(["interval", "deviation"]))
def test_the_spread_means_the_same_for_all(name: str, spread: float, width: str) -> None:
    noise = Noise(name, 0.0, spread, width)
    ours = NOISE_FAMILIES[name].scale(spread, width)
    reference = distribution(noise)
    z = torch.tensor(spread / ours, dtype=torch.float64)
    assert NOISE_FAMILIES[name].cdf(z).item() == pytest.approx(reference.cdf(spread), abs=1e-12)
    if width == "deviation":
        assert reference.std() == pytest.approx(spread / math.sqrt(3.0))
    else:
        held = reference.cdf(spread) - reference.cdf(-spread)
        assert held == pytest.approx(1.0 if name in ("uniform", "triangular") else 0.95)


def test_native_scales_at_the_reference_spread() -> None:
    scales = {name: family.scale(0.5) for name, family in NOISE_FAMILIES.items()}
    assert scales["uniform"] == scales["triangular"] == 0.5
    assert scales["normal"] == pytest.approx(0.2551, abs=5e-5)
    assert scales["logistic"] == pytest.approx(0.13648, abs=5e-6)


@families
def test_samples_follow_the_distribution(name: str) -> None:
    family = NOISE_FAMILIES[name]
    generator = torch.Generator().manual_seed(1)
    samples = family.sample((200, 250), generator)
    assert samples.shape == (200, 250)
    assert samples.dtype == torch.float32
    test = stats.kstest(samples.flatten().numpy(), lambda z: family.cdf(torch.from_numpy(z)).numpy())
    assert test.pvalue > 1e-3
    again = family.sample((200, 250), torch.Generator().manual_seed(1))
    assert torch.equal(samples, again)
    assert family.sample((3,), dtype=torch.float64).dtype == torch.float64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"family": "gaussian"}, "`family` must be one of uniform, triangular, normal, logistic"),
        ({"family": "normal", "spread": -0.1}, "`0 <= spread < inf` must hold, but got spread=-0.1"),
        ({"family": "normal", "spread": math.nan}, "got spread=nan"),
        ({"family": "normal", "spread_measure": "half"}, "`spread_measure` must be interval or deviation"),
    ],
)
def test_impossible_noise_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Noise(**arguments)  # type: ignore[arg-type]  # wrong on purpose
