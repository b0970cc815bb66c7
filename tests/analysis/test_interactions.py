"""Many interactions: their sum has the level of one F test, and many error terms make no noise of their own."""

import numpy as np
import pytest
from scipy import optimize, stats

from analysis.blocks import BLOCK, ErrorTerm, draw_errors
from analysis.factorial import draw_components, fit_factorial
from analysis.interactions import nearest_with_total
from analysis.shares import all_subsets

LEVELS = (4, 3, 2, 2, 2)
NAMES = tuple("abcde")


def table(seed: int, *, runs: int = 2) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Five groups of which only the first does anything, and their outcomes."""
    place = np.indices((*LEVELS, runs)).reshape(len(LEVELS) + 1, -1)
    generator = np.random.default_rng(seed)
    outcome = np.array([-1.0, 0.0, 0.0, 1.0])[place[0]] + generator.normal(size=place.shape[1])
    return dict(zip(NAMES, place[:-1], strict=True)), outcome


@pytest.mark.parametrize("seed", range(3))
def test_nearest_components_are_those_of_a_general_solver(seed):
    generator = np.random.default_rng(seed)
    single, weights = generator.gamma(0.5, size=(4, 6)), generator.uniform(0.2, 3.0, size=(4, 6))
    total = np.array([0.0, 0.3, 0.8, 1.5]) * single.sum(axis=1)
    found = nearest_with_total(single, weights, total)
    np.testing.assert_allclose(found.sum(axis=1), np.minimum(total, single.sum(axis=1)), atol=1e-12)
    np.testing.assert_array_equal(found[3], single[3])
    for row in (1, 2):
        best = optimize.minimize(
            lambda x, row=row: float((((x - single[row]) ** 2) / weights[row]).sum()),
            np.full(6, total[row] / 6), bounds=[(0, None)] * 6, tol=1e-12,
            constraints={"type": "eq", "fun": lambda x, row=row: x.sum() - total[row]},
        )  # fmt: skip
        np.testing.assert_allclose(found[row], best.x, atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_all_interactions_together_have_the_level_of_one_f_test(seed):
    """The chance that none of 26 interactions is there is the p value of the F test of all of them at once."""
    codes, outcome = table(seed)
    fit = fit_factorial(codes, outcome, [str(n) for n in range(len(outcome))])
    drawn = draw_components(fit, 4000, np.random.default_rng(0))
    crossed = [subset for subset in fit.df if len(subset) > 1]
    nothing = np.all([drawn.parts[subset] == 0 for subset in crossed], axis=0)
    df = sum(fit.df[subset] for subset in crossed)
    # The noise is known with the residual's degrees of freedom here, the sum's own are those of all interactions.
    ratio = sum(fit.mean_squares[subset] for subset in crossed) * fit.size / df / fit.residual.mean_square
    assert float(nothing.mean()) == pytest.approx(stats.f.sf(ratio, df, fit.residual.df), abs=0.06)


def test_interactions_that_are_not_there_take_little():
    shares = []
    for seed in range(10):
        codes, outcome = table(seed)
        fit = fit_factorial(codes, outcome, [str(n) for n in range(len(outcome))])
        shares.append(float(np.mean(draw_components(fit, 800, np.random.default_rng(0)).interaction())))
    assert np.mean(shares) < 0.06


def test_a_real_interaction_among_many_keeps_its_size():
    found = []
    for seed in range(10):
        codes, outcome = table(seed)
        effect = np.where((codes["b"] == 0) == (codes["c"] == 0), 1.0, -1.0) * np.array([0.5, 1.0, 1.0])[codes["b"]]
        fit = fit_factorial(codes, outcome + effect, [str(n) for n in range(len(outcome))])
        true = float(np.mean(effect**2)) - float(np.mean(effect)) ** 2
        drawn = draw_components(fit, 800, np.random.default_rng(0))
        mine = [subset for subset in drawn.parts if {"b", "c"} & subset]
        found.append(float(np.mean(sum(drawn.parts[subset] for subset in mine))) / true)
    assert np.mean(found) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("interacting", [0, 26])
def test_seeds_that_interact_with_nothing_or_with_everything(interacting):
    """The noise of a new seed is what it is, however many error terms there are, and whether they are large or not."""
    generator = np.random.default_rng(5)
    subsets = all_subsets(list(NAMES))
    df = {s: int(np.prod([LEVELS[NAMES.index(g)] - 1 for g in s])) for s in subsets}
    crossed = [s for s in subsets if len(s) > 1][:interacting]
    true = {s: 5.0 if s in crossed else 1.0 for s in subsets}
    middle = []
    for _ in range(12):
        terms = {s: ErrorTerm(true[s] * generator.chisquare(2 * df[s]), 2.0 * df[s]) for s in subsets}
        residual = terms.pop(frozenset(NAMES))
        scale, found = draw_errors(terms | {BLOCK: ErrorTerm(2.0, 2.0)}, residual, 1.0, 400, generator)
        noise = sum(df[s] * found.get(s, scale) for s in subsets)
        middle.append(float(np.median(noise)) / sum(df[s] * true[s] for s in subsets))
    assert np.mean(middle) == pytest.approx(1.0, abs=0.15)
