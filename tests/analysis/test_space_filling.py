"""The fitted surface, lack of fit against pure error, heavy tails, and nothing out of nothing."""

import numpy as np
import pytest

from analysis import attribute
from analysis.heavy_tails import has_heavy_tails, with_heavy_tails
from analysis.lack_of_fit import PureError, lack_of_fit, pure_error
from analysis.sample import Sample, make_sample
from analysis.shares import Components
from analysis.space_filling import fit_space_filling
from analysis.testing.planted import Planted
from analysis.testing.planted_space import SPACES, space_frame

PLAIN = SPACES["heavy-tailed noise, t(3)"]
LAYERS = SPACES["noise and offset free in 5 layers"]


def sample_of(name: str, truth: Planted, seed: int = 1, trials: int = 200) -> Sample:
    space = SPACES[name]
    options = space.options()
    frame = space_frame(space, truth, np.random.default_rng(seed), trials=trials)
    return make_sample(
        frame, options["groups"], outcome="value", state="state", replicate="seed", ranges=options["ranges"],
        conditions=options["conditions"], sampler="random",
    )  # fmt: skip


def test_the_surface_is_the_outcome_without_its_noise() -> None:
    sample = sample_of("conditional alpha", Planted(0.6, 0.35), trials=400)
    fit = fit_space_filling(sample, 300, np.random.default_rng(0))
    fitted = fit.surface.fitted()
    assert np.corrcoef(fitted, sample.outcome)[0, 1] ** 2 > 0.85
    drawn = fit.surface.draws_at(sample.factors)
    assert drawn.shape == (len(fit.surface.coefficients), 400)
    np.testing.assert_allclose(drawn.mean(axis=0), fitted, atol=1e-9)
    assert 10 < fit.used_df < 200


def test_pure_error_is_that_of_points_run_twice() -> None:
    sample = sample_of("narrow optimum", Planted(0.5, 0.2), trials=300)
    error = pure_error(sample.factors, sample.outcome)
    assert error.df == 50
    assert error.squares / error.df == pytest.approx(0.05**2 * 0.3, rel=0.5)


@pytest.mark.parametrize(("residual", "small"), [(1.0, False), (3.0, True)])
def test_the_f_test_of_lack_of_fit(residual: float, small: bool) -> None:
    generator = np.random.default_rng(3)
    p_values = []
    for _ in range(200):
        squares = generator.chisquare(40)
        p_values.append(lack_of_fit(PureError(squares, 40), squares + residual * generator.chisquare(100), 140.0))
    assert (np.mean(np.array(p_values) < 0.05) > 0.9) == small
    if not small:
        assert np.mean(np.array(p_values) < 0.05) < 0.12


def test_heavy_tails_widen_the_noise_and_normal_ones_do_not() -> None:
    generator = np.random.default_rng(5)
    drawn = Components({}, np.ones(2000))
    normal, heavy = generator.normal(size=400), generator.standard_t(3, size=400)
    assert not has_heavy_tails(normal)
    assert with_heavy_tails(drawn, normal, generator) is drawn
    assert has_heavy_tails(heavy)
    wide = with_heavy_tails(drawn, heavy, generator).noise
    assert np.quantile(wide, 0.975) / np.quantile(wide, 0.025) > 1.3


def test_many_layers_without_effect_have_no_shares() -> None:
    frame = space_frame(LAYERS, Planted(0.0, 0.0), np.random.default_rng(8))
    found = attribute(frame, **LAYERS.options(), draws=400, details=False, sampler="random")
    for group in ("synchronisation", "shape"):
        assert found.groups[group]["ci_low"] <= 0.01
        assert found.groups[group]["share"] < 0.05


def test_points_run_twice_are_no_sign_of_an_adaptive_search() -> None:
    reasons = [
        attribute(
            space_frame(PLAIN, Planted(0.5, 0.1), np.random.default_rng([9, number])),
            **PLAIN.options(), draws=100, details=False,
        ).reasons
        for number in range(20)
    ]  # fmt: skip
    assert sum("not_uniform" in one for one in reasons) <= 1
