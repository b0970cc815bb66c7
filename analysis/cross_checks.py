"""Cross-checks: what other methods say of the same table. Shown beside the verdict, never part of it."""

import warnings
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from ana_search.verdict_file import CheckEntry, SobolEntry
from analysis.factors import Factor
from analysis.layout import Layout, outcome_inside
from analysis.sample import Sample

__all__ = ["cross_checks"]

MOST_COLUMNS = 250
MOST_ROWS = 2000
SOBOL_POINTS = 512
TREES = 100

Floats = npt.NDArray[np.float64]


def cross_checks(sample: Sample, layout: Layout | None, method: str, seed: int = 0) -> dict[str, CheckEntry]:
    """Return the shares that other methods give each group, with what each can be trusted for.

    ``omega_squared`` (statsmodels; a complete factorial), ``sobol`` (SALib's first-order and total group indices on a
    random forest; a random sample), ``ped_anova`` (Optuna's importances, summed over the group). A method that does not
    apply is left out.
    """
    values = sample.outcome
    if len(values) < 8 or np.ptp(values) <= 1e-12 * np.abs(values).max() or not sample.factors:
        return {}
    found: dict[str, CheckEntry] = {}
    if method == "factorial" and layout is not None and not layout.empty:
        found |= _named("omega_squared", _omega_squared(sample, layout), "first-order shares, noise taken off")
    if method == "space_filling" and len(values) >= 64:
        found |= _named("sobol", _sobol(sample, seed), "group indices of a random forest; noise is not counted")
    note = "wrong in 13 to 99 % of planted cases on adaptive data, and blind to the seed: not to be relied on"
    found |= _named("ped_anova", _ped_anova(sample), note)
    return found


def _named(
    name: str, shares: Mapping[str, float] | Mapping[str, SobolEntry] | None, note: str
) -> dict[str, CheckEntry]:
    return {} if not shares else {name: {"note": note, "groups": dict(shares)}}


def _omega_squared(sample: Sample, layout: Layout) -> dict[str, float] | None:
    """Omega squared of each group's main effect in the model with all pairs of groups."""
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    groups = list(layout.codes)
    levels = [int(layout.codes[g].max()) for g in groups]
    columns = 1 + sum(levels) + sum(a * b for i, a in enumerate(levels) for b in levels[i + 1 :])
    outcome = outcome_inside(sample, layout)
    if columns > MOST_COLUMNS or len(outcome) <= columns + 1 or len(outcome) > 20_000:
        return None
    table = pd.DataFrame({f"g{i}": layout.codes[g] for i, g in enumerate(groups)})
    table["y"] = (outcome - outcome.mean()) / outcome.std()
    terms = " + ".join(f"C(g{i}, Sum)" for i in range(len(groups)))
    model = ols(f"y ~ ({terms})**2" if len(groups) > 1 else f"y ~ {terms}", table).fit()
    anova = anova_lm(model, typ=2)
    error = anova.loc["Residual", "sum_sq"] / anova.loc["Residual", "df"]
    total = anova["sum_sq"].sum() + error
    rows = {group: anova.loc[f"C(g{i}, Sum)"] for i, group in enumerate(groups)}
    return {group: float((row["sum_sq"] - row["df"] * error) / total) for group, row in rows.items()}


def _numbers(factor: Factor) -> tuple[Floats, int]:
    """A factor's rows as numbers, and its number of levels (0: continuous in [-1, 1]).

    That a conditional category does not exist is one more level here.
    """
    if factor.values is not None:
        return factor.values, 0
    assert factor.codes is not None
    levels = len(factor.levels)
    return np.where(factor.exists, factor.codes, levels).astype(float), levels + int(not factor.exists.all())


def _sobol(sample: Sample, seed: int) -> dict[str, SobolEntry] | None:
    """SALib's Sobol indices of each group on a random-forest surrogate."""
    from SALib.analyze import sobol as analyze
    from SALib.sample import sobol as draw
    from sklearn.ensemble import RandomForestRegressor

    columns = [_numbers(factor) for factor in sample.factors]
    matrix = np.stack([column for column, _ in columns], axis=1)
    groups = list(dict.fromkeys(factor.group for factor in sample.factors))
    if len(groups) < 2:
        return None
    chosen = np.arange(len(matrix))[:: -(-len(matrix) // MOST_ROWS)]
    forest = RandomForestRegressor(TREES, min_samples_leaf=2, random_state=seed, n_jobs=1)
    forest.fit(matrix[chosen], sample.outcome[chosen])
    problem = {
        "num_vars": len(columns),
        "names": [factor.name for factor in sample.factors],
        "groups": [factor.group for factor in sample.factors],
        "bounds": [[0.0, 1.0]] * len(columns),
    }
    unit = draw.sample(problem, SOBOL_POINTS, calc_second_order=False, seed=seed)
    points = np.stack(
        [
            np.minimum(np.floor(unit[:, k] * levels), levels - 1) if levels else 2 * unit[:, k] - 1
            for k, (_, levels) in enumerate(columns)
        ],
        axis=1,
    )
    predicted = forest.predict(points)
    if np.ptp(predicted) == 0:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SALib divides by zero where a group does nothing
        indices = analyze.analyze(problem, predicted, calc_second_order=False, seed=seed)
    return {
        group: {"first_order": float(first), "total": float(total)}
        for group, first, total in zip(groups, indices["S1"], indices["ST"], strict=True)
    }


def _ped_anova(sample: Sample) -> dict[str, float] | None:
    """Optuna's PED-ANOVA importances, summed over each group."""
    import optuna

    rows = np.arange(len(sample.outcome))[:: -(-len(sample.outcome) // MOST_ROWS)]
    distributions: dict[str, optuna.distributions.BaseDistribution] = {}
    for factor in sample.factors:
        if factor.values is not None:
            distributions[factor.name] = optuna.distributions.FloatDistribution(-1.0, 1.0)
        else:
            distributions[factor.name] = optuna.distributions.CategoricalDistribution(range(_numbers(factor)[1]))
    columns = {factor.name: _numbers(factor)[0] for factor in sample.factors}
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna calls the evaluator experimental
            study = optuna.create_study(direction="maximize")
            for row in rows:
                params = {
                    name: float(column[row]) if _is_real(distributions[name]) else int(column[row])
                    for name, column in columns.items()
                }
                study.add_trial(
                    optuna.trial.create_trial(
                        params=params, distributions=distributions, value=float(sample.outcome[row])
                    )
                )
            evaluator = optuna.importance.PedAnovaImportanceEvaluator()
            importances = optuna.importance.get_param_importances(study, evaluator=evaluator)
    except (ValueError, RuntimeError):
        return None
    finally:
        optuna.logging.set_verbosity(verbosity)
    found = dict.fromkeys(dict.fromkeys(factor.group for factor in sample.factors), 0.0)
    for factor in sample.factors:
        found[factor.group] += float(importances.get(factor.name, 0.0))
    return found


def _is_real(distribution: object) -> bool:
    """Whether a distribution is of real numbers."""
    return hasattr(distribution, "low")
