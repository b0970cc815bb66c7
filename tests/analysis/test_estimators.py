"""The estimators against answers that were worked out elsewhere: by hand, by statsmodels, by scipy."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats
from statsmodels.formula.api import ols
from statsmodels.regression.mixed_linear_model import MixedLM
from statsmodels.stats.anova import anova_lm

from analysis import attribute
from analysis.blocks import BLOCK, ErrorTerm
from analysis.contrasts import basis_blocks, helmert, legendre_functions
from analysis.factorial import draw_components, fit_factorial
from analysis.factors import Factor
from analysis.noncentral import draw_noncentrality, draw_variance
from analysis.shares import Components, all_subsets
from analysis.space_filling import affordable
from analysis.testing.planted import MIXED, MixedTruth, Planted, factorial_frame, mixed_frame, random_positions

S, H = frozenset({"synchronisation"}), frozenset({"shape"})


def codes_of(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    sync = pd.factorize(frame["interval"] + frame["power_law"])[0]
    return {"synchronisation": sync, "shape": pd.factorize(frame["noise"])[0]}


def test_two_by_two_by_hand():
    # Cell means 1, 3, 5, 11: grand 5, rows 2 and 8, columns 3 and 7; deviations of +-1 within each cell.
    codes = {"synchronisation": np.repeat([0, 0, 1, 1], 2), "shape": np.repeat([0, 1, 0, 1], 2)}
    outcome = np.array([0, 2, 2, 4, 4, 6, 10, 12], dtype=float)
    fit = fit_factorial(codes, outcome, list("abcdefgh"))
    assert fit.mean_squares == {S: 9.0, H: 4.0, S | H: 1.0}
    assert fit.df == {S: 1, H: 1, S | H: 1}
    assert (fit.mse, fit.residual_df, fit.size) == (2.0, 4, 8.0)
    found = fit.estimate()
    assert {subset: float(part) for subset, part in found.parts.items()} == {S: 8.75, H: 3.75, S | H: 0.75}
    assert float(found.share("synchronisation")) == pytest.approx((8.75 + 0.375) / 15.25)
    assert float(found.noise_share()) == pytest.approx(2 / 15.25)


@pytest.mark.parametrize("replicates", [2, 3, 5])
def test_sums_of_squares_are_those_of_statsmodels(replicates):
    frame = factorial_frame(Planted(0.3, 0.2, 0.2), np.random.default_rng(replicates), replicates=replicates)
    codes = codes_of(frame)
    fit = fit_factorial(codes, frame["value"].to_numpy(), [str(n) for n in range(len(frame))])
    table = anova_lm(ols("value ~ C(s) * C(h)", frame.assign(s=codes["synchronisation"], h=codes["shape"])).fit())
    for subset, row in ((S, "C(s)"), (H, "C(h)"), (S | H, "C(s):C(h)")):
        assert fit.mean_squares[subset] * fit.size == pytest.approx(table.loc[row, "sum_sq"], rel=1e-9)
        assert fit.df[subset] == table.loc[row, "df"]
    assert fit.mse == pytest.approx(table.loc["Residual", "mean_sq"])
    assert fit.residual_df == table.loc["Residual", "df"]


def paired(seed: int, *, replicates: int = 4, main: float = 0.3, interaction: float = 0.0) -> pd.DataFrame:
    """A factorial whose seeds recur, with seed effects and seeds that interact with the synchronisation."""
    generator = np.random.default_rng(seed)
    frame = factorial_frame(Planted(0.3, 0.2), generator, replicates=replicates)
    sync, seeds = codes_of(frame)["synchronisation"], frame["seed"].to_numpy()
    frame["value"] += 0.05 * np.sqrt(main) * generator.normal(size=replicates)[seeds]
    frame["value"] += 0.05 * np.sqrt(interaction) * generator.normal(size=(8, replicates))[sync, seeds]
    return frame


def test_replicates_that_recur_are_blocks_as_in_statsmodels():
    frame = paired(8)
    codes = codes_of(frame)
    fit = fit_factorial(codes, frame["value"].to_numpy(), frame["seed"].astype(str).to_numpy())
    joined = frame.assign(s=codes["synchronisation"], h=codes["shape"])
    table = anova_lm(ols("value ~ C(s) * C(h) + C(seed) + C(s):C(seed) + C(h):C(seed)", joined).fit(), typ=2)
    assert fit.block_df == 3
    assert fit.mean_squares[S] * fit.size == pytest.approx(table.loc["C(s)", "sum_sq"])
    rows = {BLOCK: "C(seed)", S: "C(s):C(seed)", H: "C(h):C(seed)"}
    for subset, row in rows.items():
        assert fit.errors[subset].square == pytest.approx(table.loc[row, "sum_sq"])
        assert fit.errors[subset].df == pytest.approx(table.loc[row, "df"])
    assert fit.residual.square == pytest.approx(table.loc["Residual", "sum_sq"])
    assert fit.residual.df == pytest.approx(table.loc["Residual", "df"])


def test_error_terms_are_those_of_a_mixed_model():
    """On a balanced table the components of REML are those of the mean squares, where all of these are positive."""
    frame = paired(3, main=0.5, interaction=0.6)
    codes = codes_of(frame)
    fit = fit_factorial(codes, frame["value"].to_numpy(), frame["seed"].astype(str).to_numpy())
    joined = frame.assign(s=codes["synchronisation"], h=codes["shape"], y=100 * frame["value"], one=1)
    components = {"seed": "0 + C(seed)", "sync": "0 + C(s):C(seed)"}
    model = MixedLM.from_formula("y ~ C(s) * C(h)", joined, groups="one", vc_formula=components, re_formula="0")
    found = model.fit(reml=True)
    residual = ErrorTerm(fit.errors[H].square + fit.residual.square, fit.errors[H].df + fit.residual.df)
    interaction = (fit.errors[S].mean_square - residual.mean_square) / 4
    block = (fit.errors[BLOCK].mean_square - fit.errors[S].mean_square) / 32
    assert interaction > 0
    assert block > 0
    assert found.scale == pytest.approx(1e4 * residual.mean_square, rel=0.01)
    assert dict(zip(model.exog_vc.names, found.vcomp, strict=True)) == pytest.approx(
        {"seed": 1e4 * block, "sync": 1e4 * interaction}, rel=0.03
    )


@pytest.mark.parametrize("replicates", [3, 5])
def test_first_order_shares_are_omega_squared_of_type_two(replicates):
    frame = factorial_frame(Planted(0.4, 0.2, 0.1), np.random.default_rng(replicates), replicates=replicates)
    codes = codes_of(frame)
    fit = fit_factorial(codes, frame["value"].to_numpy(), [str(n) for n in range(len(frame))])
    table = anova_lm(
        ols("value ~ C(s) * C(h)", frame.assign(s=codes["synchronisation"], h=codes["shape"])).fit(), typ=2
    )
    error = table.loc["Residual", "sum_sq"] / table.loc["Residual", "df"]
    components = fit.estimate()
    for subset, row in ((S, "C(s)"), (H, "C(h)"), (S | H, "C(s):C(h)")):
        omega = (table.loc[row, "sum_sq"] - table.loc[row, "df"] * error) / (table["sum_sq"].sum() + error)
        # Omega squared divides by the sample's sum of squares, the share by the population's variance.
        total = (table["sum_sq"].sum() + error) / len(frame)
        assert float(components.parts[subset]) / total == pytest.approx(omega, rel=1e-9)


def test_components_are_unbiased():
    truth = Planted(0.25, 0.15, 0.20)
    found = []
    for number in range(200):
        frame = factorial_frame(truth, np.random.default_rng(number), replicates=2)
        fit = fit_factorial(codes_of(frame), frame["value"].to_numpy(), [str(n) for n in range(len(frame))])
        components = fit.estimate()
        found.append([float(components.parts[S]), float(components.parts[H]), float(components.noise)])
    expected = 0.05**2 * np.array([0.25, 0.15, 0.40])
    error = np.std(found, axis=0) / np.sqrt(len(found))
    assert np.all(np.abs(np.mean(found, axis=0) - expected) < 4 * error)


@pytest.mark.parametrize("df", [1, 3, 7, 21])
@pytest.mark.parametrize("ratio", [0.5, 5.0, 40.0, 900.0])
def test_noncentrality_inverts_scipys_distribution(df, ratio):
    uniforms = np.linspace(0.005, 0.995, 40)
    drawn = draw_noncentrality(np.full(40, ratio), df, uniforms)
    atom = stats.chi2.cdf(ratio, df) <= uniforms
    np.testing.assert_array_equal(drawn[atom], 0.0)
    np.testing.assert_allclose(stats.ncx2.cdf(ratio, df, drawn[~atom]), uniforms[~atom], atol=1e-6)


@pytest.mark.parametrize("ratio", [30.0, 2500.0, 2e4])
def test_quick_noncentrality_is_close(ratio):
    uniforms = np.linspace(0.01, 0.99, 30)
    drawn = draw_noncentrality(np.full(30, ratio), 7, uniforms, fast=True)
    np.testing.assert_allclose(stats.ncx2.cdf(ratio, 7, drawn), uniforms, atol=0.01)


def test_variance_draws_are_chi_squared():
    drawn = draw_variance(12.0, 30, np.linspace(0.01, 0.99, 20))
    np.testing.assert_allclose(stats.chi2.sf(12.0 / drawn, 30), np.linspace(0.01, 0.99, 20))


def test_confidence_distribution_has_the_level_of_the_f_test():
    """The chance that a main effect's draws are 0 is the F test's p value: the same tail by another road."""
    generator = np.random.default_rng(4)
    frame = factorial_frame(Planted(0.06, 0.05), generator, replicates=3)
    fit = fit_factorial(codes_of(frame), frame["value"].to_numpy(), [str(n) for n in range(len(frame))])
    fit = dataclasses.replace(
        fit, residual=ErrorTerm(fit.mse * fit.residual_df, fit.residual_df), ratio=np.ones((8, 4))
    )
    fit = dataclasses.replace(fit, third=np.zeros((8, 4)))
    drawn = draw_components(fit, 20_000, np.random.default_rng(0))
    for subset in (S, H):
        statistic = fit.mean_squares[subset] * fit.size / fit.df[subset] / fit.mse
        p_value = stats.f.sf(statistic, fit.df[subset], fit.residual_df)
        assert float((drawn.parts[subset] == 0).mean()) == pytest.approx(p_value, abs=0.012)


@pytest.mark.parametrize(("variances", "part"), [((1.0, 1.0), 1.0), ((0.2, 1.8), 0.4 / (0.4 * 1.64 + 0.64))])
def test_noise_of_many_cells_has_the_degrees_of_freedom_that_their_scatter_says(variances, part):
    """Cells of 6 runs: the variance of a cell's variance is ``2 E[s^4] / 5 + var(s^2)``, of equal ones 2 / 5."""
    cells = np.repeat(np.arange(4000), 6)
    outcome = np.random.default_rng(6).normal(size=len(cells)) * np.sqrt(np.asarray(variances)[cells % 2])
    fit = fit_factorial({"shape": cells}, outcome, [str(n) for n in range(len(cells))])
    assert fit.noise_df / fit.residual_df == pytest.approx(part, rel=0.08)


@pytest.mark.parametrize("seed", range(5))
def test_a_few_cells_do_not_show_how_well_the_noise_is_known(seed):
    cells = np.repeat(np.arange(4), 3)
    fit = fit_factorial({"shape": cells}, np.random.default_rng(seed).normal(size=12), [str(n) for n in range(12)])
    assert 0.25 < fit.noise_df / fit.residual_df < 0.5


def test_interactions_are_split_evenly():
    part = {S: 0.3, H: 0.1, frozenset({"training"}): 0.0, S | H: 0.2, S | H | {"training"}: 0.3}
    found = Components({k: np.asarray(v) for k, v in part.items()}, np.asarray(0.1))
    assert float(found.share("synchronisation")) == pytest.approx(0.3 + 0.1 + 0.1)
    assert float(found.share("shape")) == pytest.approx(0.1 + 0.1 + 0.1)
    assert float(found.share("training")) == pytest.approx(0.1)
    assert float(found.interaction()) == pytest.approx(0.5)
    assert float(found.with_interactions("shape")) == pytest.approx(0.6)
    assert float(found.first_order("shape")) == pytest.approx(0.1)
    total = sum(float(found.share(g)) for g in ("synchronisation", "shape", "training"))
    assert total + float(found.noise_share()) == pytest.approx(1.0)


def test_all_subsets_of_three_groups():
    found = all_subsets(["a", "b", "c"])
    assert len(found) == len(set(found)) == 7
    assert [len(subset) for subset in found] == [1, 1, 1, 2, 2, 2, 3]


@pytest.mark.parametrize("levels", [2, 3, 5, 8])
def test_helmert_contrasts_are_orthonormal(levels):
    table = helmert(levels)
    np.testing.assert_allclose(table.T @ table / levels, np.eye(levels - 1), atol=1e-12)
    np.testing.assert_allclose(table.mean(axis=0), 0, atol=1e-12)


def test_legendre_functions_are_orthonormal():
    for one in range(4):
        for other in range(4):
            product = integrate.quad(
                lambda x, i=one, j=other: float(np.prod(legendre_functions(np.array([x]), 4)[0, [i, j]])) / 2, -1, 1
            )[0]
            assert product == pytest.approx(float(one == other), abs=1e-9)


def test_basis_of_a_crossing_is_orthonormal():
    """On every combination of two categories and 5 Gauss-Legendre nodes all functions are uncorrelated."""
    nodes, weights = np.polynomial.legendre.leggauss(9)
    grid = np.array([(a, b, i) for a in range(3) for b in range(4) for i in range(9)])
    factors = [
        Factor("a", "shape", "categorical", ("x", "y", "z"), grid[:, 0]),
        Factor("b", "synchronisation", "categorical", ("1", "2", "3", "4"), grid[:, 1]),
        Factor("c", "synchronisation", "continuous", values=nodes[grid[:, 2]]),
    ]
    blocks = basis_blocks(factors)
    assert [block.columns.shape[1] for block in blocks] == [2, 3, 4, 6, 4, 6]
    assert [block.groups for block in blocks[3:]] == [S | H, S | H, S]
    columns = np.concatenate([block.columns for block in blocks], axis=1)
    mass = weights[grid[:, 2]] / 2 / 12
    np.testing.assert_allclose(columns.T @ (columns * mass[:, None]), np.eye(columns.shape[1]), atol=1e-9)


def test_planted_shares_are_what_they_say():
    truth = Planted(0.4, 0.2, 0.1)
    function = MixedTruth.draw(truth, np.random.default_rng(1))
    positions = random_positions(200_000, np.random.default_rng(2))
    assert {column.name for column in MIXED} == set(positions)
    assert float(function(positions).var()) == pytest.approx(0.7, abs=0.02)
    frame = factorial_frame(truth, np.random.default_rng(3), replicates=4)
    fit = fit_factorial(codes_of(frame), frame["value"].to_numpy(), [str(n) for n in range(len(frame))])
    assert fit.means.var() == pytest.approx(0.05**2 * 0.7, rel=0.35)


@pytest.mark.parametrize(
    ("draws", "runs", "functions", "made"),
    [(4000, 200, 150, 4000), (4000, 10_000, 3000, 400), (4000, 3000, 100_000, 400), (300, 10_000, 3000, 300)],
)
def test_as_many_draws_as_there_is_time_for(draws, runs, functions, made):
    assert affordable(draws, runs, functions) == made


def test_fewer_draws_of_many_functions(monkeypatch):
    assert 1000 < affordable(4000, 1000, 800) < 2000
    frame = mixed_frame(Planted(0.60, 0.30), np.random.default_rng(6))
    assert len(attribute(frame, draws=600, details=False).draws) == 600
    monkeypatch.setattr("analysis.space_filling.MOST_OPERATIONS", 1.0)
    assert len(attribute(frame, draws=600, details=False).draws) == 400


def test_space_filling_recovers_a_strong_signal():
    frame = mixed_frame(Planted(0.60, 0.30, 0.05), np.random.default_rng(6), trials=400)
    found = attribute(frame, draws=400, details=False)
    assert found.method == "space_filling"
    assert found.groups["synchronisation"]["share"] == pytest.approx(0.625, abs=0.06)
    assert found.groups["shape"]["share"] == pytest.approx(0.325, abs=0.06)
    assert found.noise_floor["share"] == pytest.approx(0.05, abs=0.03)
    assert found.noise_floor["source"] == "residual"
