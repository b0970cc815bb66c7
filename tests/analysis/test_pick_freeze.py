"""Pick-freeze: against SALib's estimates on a known function, against planted truths, and what is wrong with tables."""

import numpy as np
import pandas as pd
import pytest
from SALib.analyze import sobol as analyze
from SALib.sample import sobol as draw

from ana_search.errors import FrameError
from analysis import attribute
from analysis.pick_freeze import Runs, shares_of, statistics
from analysis.testing.planted import CASES, Planted
from analysis.testing.planted_space import SPACES, pick_freeze_frame

S, H = "synchronisation", "shape"


def function(points: np.ndarray) -> np.ndarray:
    """Ishigami's function of three numbers in [0, 1], with a fourth that acts alone."""
    x = np.pi * (2 * points[:, :3] - 1)
    ishigami = np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])
    return np.asarray(ishigami + 4 * points[:, 3])


@pytest.mark.parametrize("rest", [False, True])
def test_shares_are_those_of_saltelli(rest: bool) -> None:
    """x0 is synchronisation's and x2 shape's (they interact), x1 and x3 are either's or others'."""
    groups = [S, "others", H, "others"] if rest else [S, S, H, H]
    problem = {"num_vars": 4, "names": list("abcd"), "groups": groups, "bounds": [[0, 1]] * 4}
    saltelli = draw.sample(problem, 2**14, calc_second_order=False, seed=1)
    indices = analyze.analyze(problem, function(saltelli), calc_second_order=False, seed=1)
    order = list(dict.fromkeys(groups))

    generator = np.random.default_rng(2)
    one, other = generator.uniform(size=(2, 60_000, 4))
    mine = {name: np.array([group == name for group in groups]) for name in (S, H)}
    noise = generator.normal(0, 1.0, size=(60_000, 5))
    first = function(one)[:, None] + noise[:, :2]
    runs = Runs(
        first,
        function(np.where(mine[S], other, one)) + noise[:, 2],
        function(np.where(mine[H], other, one)) + noise[:, 3],
        function(other) + noise[:, 4],
    )
    found = shares_of(statistics(runs).mean(axis=0), rest)
    explained = 1.0 - float(found.noise_share())
    for name in (S, H):
        place = order.index(name)
        assert float(found.first_order(name)) / explained == pytest.approx(indices["S1"][place], abs=0.02)
        assert float(found.with_interactions(name)) / explained == pytest.approx(indices["ST"][place], abs=0.02)
        shapley = 0.5 * (indices["S1"][place] + indices["ST"][place])
        assert float(found.share(name)) / explained == pytest.approx(shapley, abs=0.02)
    assert float(found.noise) == pytest.approx(1.0, abs=0.03)


def test_what_a_block_lacks_biases_nothing() -> None:
    generator = np.random.default_rng(4)
    truth = {"s": 2.0, "h": 1.0}
    a_s, b_s, a_h, b_h = generator.normal(size=(4, 40_000)) * np.array([[2.0], [2.0], [1.0], [1.0]]) ** 0.5
    noise = generator.normal(size=(40_000, 5)) * 0.5
    values = np.stack([a_s + a_h, a_s + a_h, b_s + a_h, a_s + b_h, b_s + b_h], axis=1) + noise
    values[generator.uniform(size=values.shape) < 0.2] = np.nan
    table = statistics(Runs(values[:, :2], values[:, 2], values[:, 3], values[:, 4]))
    found = shares_of(np.nanmean(table, axis=0), rest=False)
    whole = truth["s"] + truth["h"] + 0.25
    assert float(found.share(S)) == pytest.approx(truth["s"] / whole, abs=0.02)
    assert float(found.share(H)) == pytest.approx(truth["h"] / whole, abs=0.02)
    assert float(found.noise) == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize(
    "name", ["narrow optimum", "three-way interaction within synchronisation", "conditional alpha"]
)
def test_no_basis_has_to_fit(name: str) -> None:
    truth, space = CASES["synchronisation 0.70, shape 0.05"], SPACES[name]
    frame = pick_freeze_frame(space, truth, np.random.default_rng(6), trials=400)
    found = attribute(frame, **space.options(), draws=800, sampler="pick_freeze")
    assert (found.verdict, found.method, found.reasons) == ("synchronisation", "pick_freeze", ())
    assert found.groups[S]["ci_low"] <= truth.shares[0] <= found.groups[S]["ci_high"]
    assert found.groups[H]["ci_low"] <= truth.shares[1] <= found.groups[H]["ci_high"]
    assert found.noise_floor["source"] == "replicates"
    found.to_dict()


def test_other_groups_are_one_and_the_order_of_rows_changes_nothing() -> None:
    space = SPACES["log range of one decade, wide linear range"]
    frame = pick_freeze_frame(space, Planted(0.5, 0.2), np.random.default_rng(7), trials=300)
    found = attribute(frame, **space.options(), draws=500, details=False, design="pick_freeze")
    assert set(found.groups["others"]["columns"]) == {"learning_rate", "spread"}
    assert found.groups["others"]["ci_low"] <= 0.01
    mixed = attribute(
        frame.sample(frac=1, random_state=1), **space.options(), draws=500, details=False, sampler="pick_freeze"
    )
    for group in found.groups:
        assert mixed.groups[group]["share"] == pytest.approx(found.groups[group]["share"], abs=0.02)


def test_a_design_with_lost_trials_keeps_its_whole_pairs() -> None:
    space = SPACES["conditional alpha"]
    frame = pick_freeze_frame(space, Planted(0.7, 0.05), np.random.default_rng(8), trials=400)
    lost = frame.sample(20, random_state=2).index
    frame.loc[lost, ["state", "value"]] = ["FAIL", np.nan]
    found = attribute(frame, **space.options(), draws=500, details=False, sampler="pick_freeze")
    assert found.verdict == "synchronisation"
    assert any("blocks of the design lack runs" in note for note in found.notes)


def small(trials: int) -> pd.DataFrame:
    return pick_freeze_frame(SPACES["narrow optimum"], Planted(0.7, 0.05), np.random.default_rng(9), trials=trials)


def test_too_few_blocks_have_no_interval_and_more_of_them_are_asked_for() -> None:
    found = attribute(small(100), **SPACES["narrow optimum"].options(), draws=300, sampler="pick_freeze")
    assert found.reasons == ("too_few_trials",)
    assert not np.isfinite(found.groups[S]["ci_low"])
    assert found.power["next"]["kind"] == "trials"
    assert found.power["next"]["trials"] == 200


def test_what_is_wrong_with_the_columns_of_the_design() -> None:
    options = {**SPACES["narrow optimum"].options(), "sampler": "pick_freeze"}
    with pytest.raises(FrameError, match="'redrawn' is not there"):
        attribute(small(20).drop(columns="redrawn"), **options)
    with pytest.raises(FrameError, match="unknown 'noise'; allowed: none, all"):
        attribute(small(20).assign(redrawn="noise"), **options)
