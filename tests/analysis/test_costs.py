"""What decisions cost: planted costs are covered, a constant costs nothing, and two studies' shares are compared."""

import numpy as np
import pandas as pd
import pytest

from ana_search.decisions import SHARES_DEPEND, cost_rows
from analysis import attribute
from analysis.compare import share_differences
from analysis.costs import decision_costs
from analysis.figures import costs as figure
from analysis.testing.planted import (
    CASES,
    MIXED,
    MixedTruth,
    Planted,
    factorial_frame,
    mixed_frame,
    random_positions,
)
from analysis.testing.planted_noise import FactorialCase, planted_table
from tests.analysis.samples import figure_input, quickstart

TABLES = 24
LEAST = 0.92
"""The planted tables are always the same, of which 94 to 99 % of the levels are covered: 48 tables a case leave a
standard error of 0.3 to 1.8 % (levels of one table are not independent: 2 to 13 % from table to table)."""


@pytest.mark.parametrize(
    "case",
    [
        FactorialCase(0.45, 0.15),
        FactorialCase(0.0, 0.0, 0.60),
        FactorialCase(0.10, 0.60, noise="t3"),
        FactorialCase(0.20, 0.05, seed=0.1, seed_synchronisation=0.3),
        FactorialCase(0.10, 0.60, noise="binomial", paired=False),
    ],
    ids=["clean", "pure interaction", "t3", "seeds that interact", "ceiling"],
)
def test_planted_costs_are_covered(case):
    hits, levels = 0, 0
    for number in range(TABLES):
        table = planted_table(case, np.random.default_rng([81, number]))
        found = attribute(table.frame, table.groups, details=False, draws=500)
        costs = decision_costs(found.sample, found.layout, found.estimate, level=0.95, seed=0, draws=400)
        for axis, (name,) in enumerate(table.groups.values()):
            for level, cost in costs[name].items():
                truth = table.cost(axis, int(level.split()[1]))
                hits += cost.ci_low - 1e-9 <= truth <= cost.ci_high + 1e-9
                levels += 1
    assert hits >= LEAST * levels


def test_one_bad_level_more_changes_the_verdict_and_no_cost():
    """Four good intervals and a shape effect of 4 points: shape. One interval 25 points worse: synchronisation."""
    generator = np.random.default_rng(3)
    rows = [(i, f, s) for i in range(5) for f in range(4) for s in range(4)]
    frame = pd.DataFrame(rows, columns=["interval", "noise", "seed"]).astype({"interval": str, "noise": str})
    frame["value"] = 0.9 - 0.04 * frame["noise"].eq("3") - 0.25 * frame["interval"].eq("4")
    frame["value"] += 0.004 * generator.normal(size=len(frame))
    all_levels, four = attribute(frame), attribute(frame[frame["interval"] != "4"].reset_index(drop=True))
    assert (four.verdict, all_levels.verdict) == ("shape", "synchronisation")
    for found in (four, all_levels):
        assert found.costs["noise"]["3"].points == pytest.approx(4, abs=0.6)
        assert found.costs["noise"]["3"].safe < 0.01
        assert found.costs["interval"]["1"].points < 0.5
    assert all_levels.costs["interval"]["4"].points == pytest.approx(25, abs=1)
    difference = share_differences(all_levels, four)
    assert difference["synchronisation"].differs
    assert difference["synchronisation"].ci_low > 0
    assert difference["shape"].ci_high < 0


def test_equal_studies_do_not_differ():
    one, other = (
        attribute(factorial_frame(CASES["synchronisation 0.45, shape 0.15"], np.random.default_rng(n)), details=False)
        for n in (1, 2)
    )
    for entry in share_differences(one, other).values():
        assert entry.ci_low <= entry.difference <= entry.ci_high
        assert entry.differs == (entry.ci_low > 0 or entry.ci_high < 0)
    assert not share_differences(one, other)["shape"].differs


def test_a_random_sample_has_costs_from_its_surface():
    frame = mixed_frame(Planted(0.7, 0.02), np.random.default_rng(4))
    found = attribute(frame.assign(value=frame["value"].clip(upper=1.0)), draws=300)  # accuracies: counted in points
    assert {"interval", "power_law", "noise.0", "offset.0", "mean"} <= set(found.costs)
    assert len(found.costs["offset.0"]) == 4
    for levels in found.costs.values():
        assert min(cost.points for cost in levels.values()) < 1.5
        for cost in levels.values():
            assert 0 <= cost.ci_low <= cost.points <= cost.ci_high
    assert max(cost.points for cost in found.costs["interval"].values()) > 2


def true_costs(function: MixedTruth, generator: np.random.Generator) -> dict[str, list[float]]:
    """The points that holding each level, or quarter of a range, of the mixed space truly costs."""
    base, found = random_positions(20_000, generator), {}
    for column in MIXED:
        if column.levels is None:
            held = [-0.5 + (code + base[column.name] + 0.5) / 4 for code in range(4)]
        else:
            held = [np.full(20_000, float(code)) for code in range(len(column.levels))]
        best = np.array([function({**base, column.name: values}).max() for values in held])
        found[column.name] = list(100 * 0.05 * (best.max() - best))
    return found


def test_planted_costs_of_a_random_sample_are_covered():
    """What holding a level costs in a space with continuous factors; one that does nothing costs nothing."""
    truth, hits, levels = Planted(0.50, 0.20), 0, 0
    for number in range(6):
        frame = mixed_frame(truth, np.random.default_rng([5, number]))
        generator = np.random.default_rng([5, number])
        random_positions(len(frame), generator)
        planted = true_costs(MixedTruth.draw(truth, generator), generator)
        found = attribute(frame.assign(value=frame["value"] - 0.2), draws=400, details=False)
        costs = decision_costs(found.sample, found.layout, found.estimate, level=0.95, seed=0)
        assert max(cost.points for cost in costs["mean"].values()) < 0.5
        assert all(cost.ci_low == pytest.approx(0, abs=1e-9) for cost in costs["mean"].values())
        for column in MIXED:
            named = costs[column.name]
            place = {name: code for code, name in enumerate(column.levels or named)}
            for name, cost in named.items():
                hits += cost.ci_low - 0.05 <= planted[column.name][place[name]] <= cost.ci_high + 0.05
                levels += 1
    assert levels == 6 * 26
    assert hits >= LEAST * levels


def test_rows_and_figure():
    given = figure_input(quickstart(96))
    document = given.attribution.to_dict()
    rows = cost_rows(document)
    assert rows[0]["held"].startswith("interval = ")
    assert len(cost_rows(document, 3)) == 3
    assert len(rows) == sum(len(levels) for levels in document["costs"].values())
    assert "levels" in SHARES_DEPEND
    data = figure.compute(given)
    assert len(data) == len(rows)
    assert "same_end" in figure.describe(data, given)
    assert figure.draw(data, given).axes


def nested_frame(group_of_alpha: str) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Alpha exists under decay = power only."""
    generator = np.random.default_rng(6)
    policies = [("power", 1.0), ("power", 2.0), ("cosine", None)]
    rows = [(i, f, *p, s) for i in "abc" for f in "xy" for p in policies for s in range(4)]
    frame = pd.DataFrame(rows, columns=["interval", "noise", "decay", "alpha", "seed"])
    frame["value"] = 0.8 + frame["interval"].map({"a": 0.0, "b": 0.03, "c": 0.08}) + 0.02 * frame["alpha"].eq(2.0)
    frame["value"] += 0.005 * generator.normal(size=len(frame))
    groups = {"synchronisation": ["interval"], "shape": ["noise"], "schedule": ["decay"]}
    groups[group_of_alpha] = [*groups[group_of_alpha], "alpha"]
    return frame, groups


def test_a_nested_factor_is_a_factor_within_a_level():
    frame, groups = nested_frame("schedule")
    found = attribute(frame, groups, categorical=["alpha"], draws=500)
    assert (found.verdict, found.reasons, found.method) == ("synchronisation", (), "factorial")
    assert found.groups["schedule"].levels == 3
    assert set(found.costs["alpha"]) == {"1", "2"}
    assert found.costs["alpha"]["1"].points == pytest.approx(2, abs=0.6)
    assert "not set" not in found.costs["alpha"]


def test_a_factor_nested_in_another_groups_level_is_no_missing_cell():
    """Where alpha exists the groups are crossed; the trials without it are shown as a reference."""
    frame, groups = nested_frame("synchronisation")
    found = attribute(frame, groups, categorical=["alpha"], draws=300, details=False)
    assert (found.verdict, found.reasons) == ("synchronisation", ())
    assert found.n["outside"] == 24
    assert any("outside the full crossing" in note for note in found.notes)
