"""Every reason for `inconclusive`, each from a table that has it, and the design that the answer then asks for."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from ana_search.study_file import load_study_file
from analysis import attribute, uniformity
from analysis.design import NextDesign, study_toml
from analysis.estimate import estimate
from analysis.power import decision_probability
from analysis.sample import Sample, make_sample
from analysis.testing.planted import CASES, Planted, adaptive_frame, factorial_frame, mixed_frame
from analysis.testing.planted_space import SPACES, space_frame
from analysis.verdict import REASONS
from tests.analysis.samples import shipped

CLEAR = Planted(0.70, 0.05)
CASE = "synchronisation 0.70, shape 0.05"


def clear(replicates: int = 3, seed: int = 1) -> pd.DataFrame:
    return factorial_frame(CLEAR, np.random.default_rng(seed), replicates=replicates)


def sample_of(frame: pd.DataFrame) -> Sample:
    return make_sample(frame, None, outcome="value", state="state", replicate="seed")


def lost(frame: pd.DataFrame, rows: object, state: str) -> pd.DataFrame:
    frame = frame.copy()
    frame.loc[rows, "state"] = state
    frame.loc[rows, "value"] = np.nan
    return frame


def group_missing() -> pd.DataFrame:
    return clear().drop(columns="noise")


def not_varied() -> pd.DataFrame:
    return clear().query("noise == 'uniform'").reset_index(drop=True)


def no_replicates() -> pd.DataFrame:
    return clear(1)


def too_few_residual_df() -> pd.DataFrame:
    small = clear(2).query("noise in ['uniform', 'normal'] and interval != 'partition'")
    return small.query("power_law == 'progressive'").reset_index(drop=True)


def empty_cell() -> pd.DataFrame:
    return clear().query("not (noise == 'normal' and interval == 'partition' and power_law == 'progressive')")


def too_few_trials() -> pd.DataFrame:
    return mixed_frame(CLEAR, np.random.default_rng(1), trials=100)


def pruned() -> pd.DataFrame:
    frame = clear()
    return lost(frame, frame.sample(frac=0.15, random_state=1).index, "PRUNED")


def failed() -> pd.DataFrame:
    frame = clear()
    return lost(frame, frame.sample(frac=0.15, random_state=1).index, "FAIL")


def failure_depends_on_level() -> pd.DataFrame:
    frame = clear(5)
    return lost(frame, frame.query("noise == 'normal'").sample(9, random_state=1).index, "FAIL")


def not_uniform() -> pd.DataFrame:
    return adaptive_frame(CASES[CASE], np.random.default_rng(3), trials=150, pruning=False)


def one_seed() -> pd.DataFrame:
    return mixed_frame(CLEAR, np.random.default_rng(1)).assign(seed=7)


def lack_of_fit() -> pd.DataFrame:
    """An optimum a twentieth of an offset's range wide: no polynomial of degree 4 follows it."""
    return space_frame(SPACES["narrow optimum"], CLEAR, np.random.default_rng(1))


def failed_trials_matter() -> pd.DataFrame:
    frame = factorial_frame(Planted(0.85, 0.02), np.random.default_rng(2), replicates=5)
    return lost(frame, frame.groupby("noise").sample(4, random_state=6).index, "FAIL")


def noise_of_few_runs() -> pd.DataFrame:
    """Nine in ten runs of one interval collapse: those that do not make all of the noise."""
    frame, generator = clear(), np.random.default_rng(2)
    fall = frame["interval"].eq("same_end") & (generator.uniform(size=len(frame)) < 0.9)
    return frame.assign(value=frame["value"].where(~fall, 0.1))


def collapsed_level(replicates: int = 3) -> pd.DataFrame:
    """Every run of one interval and power law collapses."""
    frame, generator = factorial_frame(CLEAR, np.random.default_rng(1), replicates=replicates), np.random.default_rng(2)
    fall = frame["interval"].eq("same_end") & frame["power_law"].eq("homogeneous")
    return frame.assign(value=frame["value"].where(~fall, 0.1 + 0.002 * generator.normal(size=len(frame))))


def constant_outcome() -> pd.DataFrame:
    return clear().assign(value=0.5)


def undecided() -> pd.DataFrame:
    return factorial_frame(Planted(0.35, 0.20), np.random.default_rng(1), replicates=2)


TABLES = {
    make.__name__: make
    for make in (
        group_missing, not_varied, no_replicates, too_few_residual_df, empty_cell, too_few_trials, pruned, failed,
        failure_depends_on_level, not_uniform, one_seed, lack_of_fit, noise_of_few_runs,
        collapsed_level, failed_trials_matter, constant_outcome, undecided,
    )
}  # fmt: skip


WITH_NUMBERS = {
    "empty_cell": r"1 of 32 combinations has no finished trial: interval = \w+, power_law = \w+ with noise = \w+",
    "too_few_trials": r"\d+ finished trials; 128 \*random\* ones are needed, and TPE trials do not count",
    "not_uniform": r"`\w+` was not drawn evenly \(p = [\d.e-]+\)\. A TPE study always looks so; a random one should .*",
}
"""Reasons that name the factor, the trials or the combinations of the table."""


def test_every_reason_has_a_table():
    assert set(TABLES) == set(REASONS)


@pytest.mark.parametrize("reason", REASONS)
def test_reason(reason):
    chance = 0.0 if reason == "failed_trials_matter" else None
    found = attribute(TABLES[reason](), draws=400, details=reason != "undecided", chance=chance)
    assert found.verdict == "inconclusive"
    assert reason in found.reasons
    said = found.explanations[found.reasons.index(reason)]
    assert re.fullmatch(WITH_NUMBERS.get(reason, re.escape(REASONS[reason])), said), said
    assert found.power["next"]["kind"] != "none"
    assert len(found.power["next"]["text"]) > 40


def test_the_same_tables_without_the_flaw_are_decided():
    for frame in (clear(), factorial_frame(Planted(0.85, 0.02), np.random.default_rng(2), replicates=5)):
        found = attribute(frame, draws=400, details=False)
        assert (found.verdict, found.reasons) == ("synchronisation", ())
        assert found.power["next"]["kind"] == "none"


def test_a_collapsed_level_is_believed_with_enough_runs():
    asked = attribute(collapsed_level(), draws=400)
    assert asked.reasons == ("collapsed_level",)
    assert asked.power["next"]["replicates"] == 8  # of four shapes each: 32 runs of the level
    assert attribute(collapsed_level(8), draws=400, details=False).verdict == "synchronisation"


def test_a_collapsed_level_is_found_beside_one_that_collapsed_but_for_a_run():
    """The run that did not collapse moves what its seed seems to do to all levels, the collapsed one's too."""
    frame, generator = factorial_frame(CLEAR, np.random.default_rng(1)), np.random.default_rng(2)
    low = frame["interval"].eq("same_end")
    saved = frame.index[low & frame["power_law"].eq("progressive")][4]
    fall = low & (frame.index != saved)
    frame["value"] = frame["value"].where(~fall, 0.1 + 0.002 * generator.normal(size=len(frame)))
    found = attribute(frame, draws=400, details=False)
    assert found.estimate is not None
    assert found.estimate.fit.block_df == 2
    assert "collapsed_level" in found.reasons


def test_a_bad_level_that_is_no_quieter_is_no_collapse():
    frame = clear()
    found = attribute(frame.assign(value=frame["value"] - 0.25 * frame["interval"].eq("same_end")), draws=400)
    assert (found.verdict, found.reasons) == ("synchronisation", ())


def test_face_value_is_told_but_not_trusted():
    found = attribute(failed(), draws=400, details=False)
    assert found.verdict_ungated == "synchronisation"
    assert found.verdict == "inconclusive"


def test_chance_is_what_failed_trials_count_as():
    frame = factorial_frame(CLEAR, np.random.default_rng(4), failed=0.05)
    alone = attribute(frame, draws=400, details=False).sensitivity
    assert alone["failed_dropped"] == "synchronisation"
    harmless = attribute(frame, draws=400, details=False, chance=float(frame["value"].mean())).sensitivity
    assert harmless == {"failed_dropped": "synchronisation", "failed_chance": "synchronisation"}


def test_failures_of_one_level_among_forty_factors_are_seen():
    generator = np.random.default_rng(3)
    frame = pd.DataFrame({f"noise.{i}": generator.choice(["uniform", "normal"], size=300) for i in range(40)})
    frame["interval"] = generator.choice(["partition", "same_end"], size=300)
    frame["value"], frame["state"] = generator.normal(size=300), "COMPLETE"
    keep_to_one_level = lost(frame, frame.query("`noise.7` == 'normal'").index[:25], "FAIL")
    assert uniformity.failure_depends_on_level(sample_of(keep_to_one_level))
    keep_to_none = lost(frame, frame.sample(25, random_state=0).index, "FAIL")
    assert not uniformity.failure_depends_on_level(sample_of(keep_to_none))


@pytest.mark.parametrize("where", ["one end", "both ends", "the middle"])
def test_failures_of_a_range_of_a_number_are_seen(where):
    frame = mixed_frame(CLEAR, np.random.default_rng(3))
    distance = {
        "one end": frame["offset.0"],
        "both ends": frame["offset.0"].abs(),
        "the middle": -frame["offset.0"].abs(),
    }
    worst = distance[where].nlargest(40).index
    keep_to_a_range = lost(frame, np.random.default_rng(1).choice(worst, size=15, replace=False), "FAIL")
    assert "failure_depends_on_level" in attribute(keep_to_a_range, draws=100, details=False).reasons
    keep_to_none = lost(frame, frame.sample(15, random_state=0).index, "FAIL")
    assert not uniformity.failure_depends_on_level(sample_of(keep_to_none))


def test_missing_cells_are_listed_one_by_one():
    design = attribute(empty_cell(), draws=300).power["next"]
    assert design["kind"] == "cells"
    assert (design["replicates"], design["trials"]) == (3, 3)
    assert design["missing"] == [
        {"cell": {"interval": "partition", "power_law": "progressive", "noise": "normal"}, "runs": 3}
    ]


def test_replicates_for_a_table_without():
    found = attribute(no_replicates(), draws=300)
    assert found.reasons == ("no_replicates",)
    design = found.power["next"]
    assert (design["kind"], design["replicates"], design["trials"]) == ("replicates", 3, 64)


@pytest.mark.parametrize(("cells", "replicates"), [(4, 4), (6, 3)])
def test_few_cells_get_enough_residual_degrees_of_freedom(cells, replicates):
    small = clear(1).query("noise in ['uniform', 'normal'] and power_law == 'progressive'")
    intervals = ["overlapped", "same_end", "partition"][: cells // 2]
    design = attribute(small[small["interval"].isin(intervals)], draws=300).power["next"]
    assert design["replicates"] == replicates
    assert (design["replicates"] - 1) * (cells - 1) >= 8


def test_power_knows_easy_from_hard():
    """Planted 0.70 and 0.05 is decided by two replicates nearly always, 0.45 and 0.15 seldom by three."""
    easy = attribute(factorial_frame(CLEAR, np.random.default_rng(1), replicates=3), draws=300)
    hard = attribute(factorial_frame(Planted(0.45, 0.15), np.random.default_rng(5), replicates=3), draws=300)
    assert easy.power["probability_decided_with_this_design"] >= 0.95
    assert easy.power["replicates_for_80_percent"] <= 3
    assert hard.power["probability_decided_with_this_design"] < 0.95
    needed = hard.power["replicates_for_80_percent"]
    assert needed is None or needed > 3


def test_more_replicates_decide_more_often():
    found = attribute(factorial_frame(Planted(0.50, 0.12), np.random.default_rng(3)), draws=300, details=False)
    assert found.layout is not None
    fit = estimate(found.sample, found.layout, "factorial", draws=10, seed=0).fit
    chances = [decision_probability(fit, replicates) for replicates in (2, 8, 20)]
    assert chances[0] < chances[1] <= chances[2] + 0.05
    assert decision_probability(fit, 1) == 0.0


def test_power_of_a_random_sample_grows_with_its_trials():
    found = attribute(mixed_frame(Planted(0.45, 0.15), np.random.default_rng(2)), draws=400)
    assert found.power["replicates_for_80_percent"] is None
    assert 0 <= found.power["probability_decided_with_this_design"] <= 1
    if found.power["trials_for_80_percent"] is not None:
        assert found.power["trials_for_80_percent"] >= 200


@pytest.mark.parametrize("reason", ["no_replicates", "empty_cell", "pruned", "not_varied", "failed"])
def test_every_design_is_a_study_file_that_loads(reason, tmp_path):
    spec = shipped("quickstart")
    design = attribute(TABLES[reason](), draws=300, details=False).power["next"]
    file = tmp_path / "next.toml"
    file.write_text(study_toml(json.loads(spec.to_json()), design))
    loaded = load_study_file(file)
    assert loaded.space == spec.space
    assert loaded.training == spec.training
    if design["kind"] in ("replicates", "cells"):
        assert loaded.study.name == "quickstart"
        assert loaded.study.seeds == max(2, design["replicates"])
    else:
        assert loaded.study.name == "quickstart-design"
        assert loaded.study.pruner == "none"
        assert loaded.study.seed != spec.study.seed


def test_every_kind_of_parameter_is_written_as_it_was_given(tmp_path, make_study):
    """A range from 0 too, and one of whole numbers, with a step, logarithmic, or for every layer."""
    spec = make_study(
        """
strategy = "mode"
noise = { choices = ["uniform", "normal"], scope = "layer" }
interval = ["overlapped", "partition"]
spread = { low = 0.0, high = 0.8, step = 0.2 }
offset = { low = 0, high = 0.3, scope = "layer" }
learning_rate = { low = 1e-4, high = 1e-2, log = true }
epochs = { low = 4, high = 9 }
"""
    )
    design = NextDesign("random", "Run 200 trials.", trials=200).to_dict()
    file = tmp_path / "next.toml"
    file.write_text(study_toml(json.loads(spec.to_json()), design))
    assert load_study_file(file).space == spec.space
