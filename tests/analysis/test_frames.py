"""Hostile tables: a clear error, or `inconclusive` with the reason; never a traceback and never a confident answer."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from ana_search.errors import AnaSearchError, FrameError
from analysis import attribute
from analysis.factors import default_groups
from analysis.testing.planted import Planted, factorial_frame, mixed_frame
from analysis.verdict import REASONS

GROUPS = {"synchronisation": ["interval", "power_law"], "shape": ["noise"]}


def table(replicates: int = 3) -> pd.DataFrame:
    return factorial_frame(Planted(0.70, 0.05), np.random.default_rng(1), replicates=replicates)


def undecided(frame: pd.DataFrame, **options: object) -> tuple[str, ...]:
    """Analyse a table that allows no verdict; return why. Its document is valid JSON all the same."""
    found = attribute(frame, GROUPS, draws=200, **options)
    assert found.verdict == "inconclusive"
    assert found.reasons
    assert set(found.reasons) <= set(REASONS)
    json.dumps(found.to_dict(), allow_nan=False)
    return found.reasons


def refused(frame: object, *words: str, **options: object) -> None:
    with pytest.raises(FrameError) as mistake:
        attribute(frame, **{"groups": GROUPS, **options})
    assert isinstance(mistake.value, AnaSearchError)
    for word in words:
        assert word in str(mistake.value)


def test_tables_that_cannot_be_read():
    refused(table().head(0), "no rows")
    refused([1, 2], "DataFrame", "list")
    refused(table().drop(columns="value"), "'value'", "'interval'")
    refused(table().drop(columns="noise"), "'noise'", "shape")
    refused(table(), "'acuracy'", outcome="acuracy")
    refused(table(), "'sead'", replicate="sead")
    refused(table().assign(value=table()["value"] > 0.8), "truth values")
    refused(table().assign(value="good"), "'good'", "number")
    refused(table().assign(state="BROKEN"), "BROKEN", "COMPLETE")
    refused(pd.concat([table(), table()[["noise"]]], axis=1), "'noise'", "twice")


def test_groups_that_cannot_be_meant():
    frame = table()
    refused(frame, "list of columns", groups={"shape": "noise"})
    refused(frame, "no columns", groups={"shape": []})
    refused(frame, "two groups", groups={"shape": ["noise"], "synchronisation": ["noise"]})
    refused(frame, "outcome", groups={"shape": ["value"], "synchronisation": ["interval"]})
    refused(frame[["value", "state"]], "no groups", groups=None)
    with pytest.raises(FrameError) as both:
        attribute(frame, {"shape": ["family"], "synchronisation": ["periods"]})
    assert "family" in str(both.value)
    assert "periods" in str(both.value)


def test_options_that_do_not_exist():
    refused(table(), "'grid'", "factorial", design="grid")
    refused(table(), "1.5", level=1.5)


def test_one_row():
    assert undecided(table().head(1))


def test_two_to_nine_rows():
    for rows in range(2, 10):
        assert undecided(table().sample(rows, random_state=rows))


def test_no_trial_is_finished():
    assert "too_few_trials" in undecided(table().assign(state="RUNNING"))
    assert undecided(table().assign(value=np.nan))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_outcomes_that_are_not_finite_count_as_failures(value):
    frame = table()
    frame.loc[::20, "value"] = value
    found = attribute(frame, GROUPS, draws=400, details=False)
    assert found.n["failed"] == 5
    assert found.verdict == "synchronisation"
    frame.loc[::5, "value"] = value
    assert "failed" in undecided(frame)


def test_constant_outcomes():
    assert "constant_outcome" in undecided(table().assign(value=0.1))
    assert "constant_outcome" in undecided(table().assign(value=0.0))


def test_no_noise_at_all():
    """Replicates that agree to the last bit: no residual variance, and no crash."""
    frame = table(1)
    frame = pd.concat([frame.assign(seed=seed) for seed in (1, 2)], ignore_index=True)
    found = attribute(frame, GROUPS, draws=200)
    assert math.isnan(found.groups["shape"]["share"]) or found.groups["shape"]["share"] <= 1


def test_huge_and_tiny_outcomes():
    for factor in (1e-12, 1e12):
        found = attribute(table().assign(value=table()["value"] * factor), GROUPS, draws=400, details=False)
        assert found.verdict == "synchronisation"


def test_a_factor_with_one_level():
    frame = table().assign(noise="uniform")
    assert "not_varied" in undecided(frame)
    found = attribute(table().assign(strategy="mode"), draws=300, details=False)
    assert found.verdict == "synchronisation"
    assert found.groups.get("strategy", {"share": 0.0})["share"] == 0.0


def test_missing_cells():
    frame = table()
    assert undecided(frame[~((frame["noise"] == "normal") & (frame["interval"] == "partition"))]) == ("empty_cell",)


def test_duplicate_rows_are_not_replicates():
    single = table(1)
    assert "no_replicates" in undecided(pd.concat([single, single, single], ignore_index=True))
    renumbered = pd.concat([single, single.assign(number=single["number"] + 100)], ignore_index=True)
    assert "no_replicates" in undecided(renumbered)


def test_retries_stand_for_what_they_retry():
    frame = table()
    frame["retry_of"] = np.nan
    again = frame.iloc[[4, 9]].assign(retry_of=[4.0, 9.0], number=[200, 201])
    frame.loc[[4, 9], ["state", "value"]] = ["FAIL", np.nan]
    found = attribute(pd.concat([frame, again], ignore_index=True), GROUPS, draws=300, details=False)
    assert (found.n["used"], found.n["failed"], found.n["retried"]) == (96, 0, 2)


def test_an_interrupted_trial_is_no_failure():
    """Repeated or not yet: it says nothing of its parameters."""
    frame = table()
    frame["retry_of"] = np.nan
    again = frame.iloc[[4]].assign(retry_of=4.0, number=200)
    frame.loc[[4, 9], ["state", "value"]] = ["INTERRUPTED", np.nan]
    found = attribute(pd.concat([frame, again], ignore_index=True), GROUPS, draws=300, details=False)
    assert (found.n["used"], found.n["failed"], found.n["retried"], found.n["unfinished"]) == (95, 0, 1, 1)


def test_unicode_names_and_levels():
    frame = table().rename(columns={"noise": "Geräusch 形状", "interval": "périodes"})
    frame["périodes"] = frame["périodes"].map(lambda name: f"«{name}» 🙂\n<b>")
    groups = {"synchronisation": ["périodes", "power_law"], "shape": ["Geräusch 形状"]}
    found = attribute(frame, groups, draws=400)
    assert found.verdict == "synchronisation"
    assert "Geräusch 形状" in json.dumps(found.to_dict(), ensure_ascii=False)


def test_levels_of_mixed_types_and_missing_levels():
    frame = table()
    frame["noise"] = frame["noise"].map({"uniform": 1, "triangular": None, "normal": "1.0", "logistic": (1, 2)})
    found = attribute(frame, GROUPS, draws=300)
    assert found.groups["shape"]["levels"] == 4
    assert "not set" in found.effects["noise"]


def test_a_continuous_factor_needs_a_number_in_every_row():
    frame = mixed_frame(Planted(0.5, 0.1), np.random.default_rng(1))
    frame.loc[3, "offset.0"] = np.nan
    with pytest.raises(FrameError, match=r"offset\.0"):
        attribute(frame)


def test_numbers_with_few_values_are_categories():
    frame = table().assign(alpha=lambda f: f["seed"] % 2 + 1.0)
    found = attribute(frame, {**GROUPS, "schedule": ["alpha"]}, draws=200, details=False)
    assert found.groups["schedule"]["levels"] == 2
    many = mixed_frame(Planted(0.5, 0.1), np.random.default_rng(1))
    assert attribute(many, draws=100, details=False).groups["synchronisation"]["levels"] is None


def test_declared_categories_are_not_continuous():
    frame = table(4).assign(tag=lambda f: f["number"] % 11)
    groups = {"synchronisation": ["interval"], "shape": ["tag"]}
    assert attribute(frame, groups, draws=100, details=False).groups["shape"]["levels"] is None
    named = attribute(frame, groups, draws=100, details=False, categorical=["tag"])
    assert named.groups["shape"]["levels"] == 11


def test_a_table_without_states_or_seeds():
    frame = table().drop(columns=["state", "seed", "number"])
    found = attribute(frame, GROUPS, draws=400, details=False)
    assert found.verdict == "synchronisation"
    assert any("seed" in note for note in found.notes)


def test_other_names_for_the_columns():
    names = {"value": "top1", "state": "status", "seed": "fold"}
    found = attribute(
        table().rename(columns=names),
        GROUPS,
        outcome="top1",
        state="status",
        replicate="fold",
        draws=400,
        details=False,
    )
    assert found.verdict == attribute(table(), GROUPS, draws=400, details=False).verdict


def test_an_index_that_repeats():
    frame = table()
    frame.index = np.zeros(len(frame), dtype=int)
    assert attribute(frame, GROUPS, draws=300, details=False).verdict == "synchronisation"


def test_the_frame_is_left_as_it_was():
    frame = table()
    before = frame.copy(deep=True)
    attribute(frame, draws=100)
    pd.testing.assert_frame_equal(frame, before)


def test_default_groups_know_a_study_files_names():
    frame = pd.DataFrame(columns=["noise.0", "noise.1", "offset.0", "interval", "alpha", "learning_rate", "seconds"])
    assert default_groups(frame) == {
        "synchronisation": ["offset.0", "interval"],
        "shape": ["noise.0", "noise.1"],
        "schedule": ["alpha"],
        "training": ["learning_rate"],
    }


@pytest.mark.parametrize("kind", ["factorial", pytest.param("random", marks=pytest.mark.slow)])
def test_ten_thousand_rows(kind):
    generator = np.random.default_rng(1)
    if kind == "factorial":
        frame = factorial_frame(Planted(0.3, 0.3), generator, replicates=313)
    else:
        frame = mixed_frame(Planted(0.3, 0.3), generator, trials=10_000)
    found = attribute(frame)
    assert found.n["used"] == len(frame) >= 10_000
    assert found.verdict == "both"


def test_factors_of_many_levels_are_not_crossed_with_each_other():
    generator = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "plan": [f"plan{i}" for i in generator.integers(60, size=600)],
            "order": [f"order{i}" for i in generator.integers(60, size=600)],
            "noise": generator.choice(["uniform", "normal"], size=600),
        }
    )
    frame["value"] = 0.8 + 0.05 * frame["noise"].eq("normal") + 0.01 * generator.normal(size=600)
    groups = {"synchronisation": ["plan", "order"], "shape": ["noise"]}
    found = attribute(frame, groups, design="space_filling", draws=100, details=False)
    assert found.groups["shape"]["share"] > 0.5
    (note,) = [note for note in found.notes if "too many levels" in note]
    assert "'plan' and 'order'" in note
