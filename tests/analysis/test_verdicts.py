"""Planted truths: the verdicts that they must give, and what must not change a verdict."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import Attribution, attribute
from analysis.testing.planted import CASES, Planted, adaptive_frame, factorial_frame, mixed_frame
from analysis.verdict import decide, region_of, region_probability

GROUPS = {"synchronisation": ["interval", "power_law"], "shape": ["noise"]}


def quick(frame: pd.DataFrame, groups: dict[str, list[str]] | None = None, **options: object) -> Attribution:
    return attribute(frame, groups, details=False, **{"draws": 400, **options})


def shares(found: Attribution) -> dict[str, float]:
    return {name: entry["share"] for name, entry in found.groups.items()}


@pytest.mark.parametrize("noise", ["normal", "skewed"])
@pytest.mark.parametrize("case", CASES)
def test_planted_factorials(case, noise):
    """Twelve tables a case: never a wrong verdict, and the clear cases decided."""
    truth = CASES[case]
    verdicts: Counter[str] = Counter()
    for number in range(12):
        frame = factorial_frame(truth, np.random.default_rng([11, number]), noise=noise)
        verdicts[quick(frame, draws=1000).verdict] += 1
    assert set(verdicts) <= {truth.verdict, "inconclusive"}
    if case in ("synchronisation 0.70, shape 0.05", "synchronisation 0.10, shape 0.60", "interaction 0.60"):
        assert verdicts[truth.verdict] >= 10


@pytest.mark.parametrize("case", ["synchronisation 0.70, shape 0.05", "synchronisation 0.10, shape 0.60", "nothing"])
def test_planted_random_samples(case):
    verdicts = Counter(
        quick(mixed_frame(CASES[case], np.random.default_rng([12, number])), draws=500).verdict for number in range(5)
    )
    assert set(verdicts) <= {CASES[case].verdict, "inconclusive"}
    assert verdicts[CASES[case].verdict] >= 4 or case == "nothing"


@pytest.mark.parametrize("pruning", [True, False])
def test_an_adaptive_search_has_no_verdict(pruning):
    frame = adaptive_frame(CASES["synchronisation 0.70, shape 0.05"], np.random.default_rng(3), pruning=pruning)
    found = attribute(frame, draws=300)
    assert found.verdict == "inconclusive"
    assert set(found.reasons) & {"not_uniform", "pruned"}
    design = found.power["next"]
    assert design["kind"] == "random"
    assert design["trials"] >= 200
    assert "random" in design["text"]


def test_a_column_that_happens_to_be_called_arm_filters_nothing():
    frame = factorial_frame(CASES["synchronisation 0.70, shape 0.05"], np.random.default_rng(5))
    arm = np.where(frame.index % 2, "random", "left")
    found, plain = quick(frame.assign(arm=arm)), quick(frame)
    assert found.n["used"] == len(frame)
    assert shares(found) == shares(plain)
    assert found.sample.space.sampler is None


def test_shuffled_outcomes_have_no_cause():
    frame = factorial_frame(Planted(0.7, 0.05), np.random.default_rng(2))
    for number in range(5):
        shuffled = frame.assign(value=np.random.default_rng(number).permutation(frame["value"]))
        assert quick(shuffled).verdict in ("neither", "inconclusive")


@pytest.fixture(scope="module", params=["factorial", "random", "wide"])
def table(request: pytest.FixtureRequest) -> pd.DataFrame:
    """A factorial, a random sample with more runs than functions of the basis, and one with fewer."""
    generator = np.random.default_rng(21)
    if request.param == "factorial":
        return factorial_frame(Planted(0.45, 0.10, 0.10), generator, failed=0.05)
    return mixed_frame(Planted(0.6, 0.05), generator, trials=200 if request.param == "random" else 129)


def assert_same(one: Attribution, other: Attribution, **renamed: str) -> None:
    assert other.verdict == renamed.get(one.verdict, one.verdict)
    assert other.reasons == one.reasons
    for group, entry in one.groups.items():
        for key in ("share", "ci_low", "ci_high", "first_order", "total"):
            assert other.groups[renamed.get(group, group)][key] == pytest.approx(entry[key], abs=2e-6), (group, key)
    for region, chance in one.region_probability.items():
        assert other.region_probability[renamed.get(region, region)] == pytest.approx(chance, abs=0.003)
    assert other.noise_floor["share"] == pytest.approx(one.noise_floor["share"], abs=2e-6)


def test_the_order_of_the_rows_changes_nothing(table):
    mixed = table.sample(frac=1, random_state=4)
    assert_same(quick(table), quick(mixed))


def test_the_same_frame_and_seed_give_the_same_answer(table):
    one, other = quick(table), quick(table.copy())
    assert {**one.to_dict(), "created": ""} == {**other.to_dict(), "created": ""}
    pd.testing.assert_frame_equal(one.draws, other.draws)
    again = quick(table, seed=1)
    assert not again.draws.equals(one.draws)
    assert shares(again) == pytest.approx(shares(one), abs=0.05)


def test_an_affine_change_of_the_outcome_changes_nothing(table):
    found = quick(table)
    assert_same(found, quick(table.assign(value=40.0 + 12.5 * table["value"])))
    assert_same(found, quick(table.assign(value=1e-3 * table["value"])))


def test_a_turned_outcome_changes_no_share(table):
    """The random numbers differ then: over seeds the shares agree as far as their own scatter says."""
    seeds = range(8)
    plain = np.array([[*shares(quick(table, seed=n)).values()] for n in seeds])
    turned = np.array([[*shares(quick(table.assign(value=-table["value"]), seed=n)).values()] for n in seeds])
    scatter = np.sqrt((plain.var(axis=0, ddof=1) + turned.var(axis=0, ddof=1)) / 2)
    assert (scatter < 0.03).all()  # measured: 0 in a factorial, 0.006 and, with fewer runs than functions, 0.022
    surely = stats.t.ppf(0.9999, 2 * (len(seeds) - 1))
    assert (np.abs(plain.mean(axis=0) - turned.mean(axis=0)) <= surely * scatter * np.sqrt(2 / len(seeds)) + 2e-6).all()


def test_renamed_levels_change_nothing(table):
    names = {level: f"ü{number} ✓" for number, level in enumerate(sorted(set(table["interval"]), reverse=True))}
    assert_same(quick(table), quick(table.assign(interval=table["interval"].map(names))))


def test_swapped_groups_swap_the_verdict(table):
    sync = [c for c in table.columns if c.split(".")[0] in ("interval", "power_law", "offset")]
    shape = [c for c in table.columns if c.split(".")[0] == "noise"]
    one = quick(table, {"synchronisation": sync, "shape": shape})
    other = quick(table, {"synchronisation": shape, "shape": sync})
    assert_same(one, other, synchronisation="shape", shape="synchronisation")


@pytest.mark.parametrize("group", ["synchronisation", "shape"])
def test_a_factor_that_does_nothing_moves_no_share(group):
    moves = []
    for number in range(12):
        generator = np.random.default_rng([31, number])
        frame = factorial_frame(Planted(0.45, 0.15), generator, replicates=2, idle_levels=2)
        plain = shares(quick(frame, GROUPS))
        wider = shares(quick(frame, {**GROUPS, group: [*GROUPS[group], "idle"]}))
        moves.append(max(abs(wider[name] - plain[name]) for name in GROUPS))
    assert np.mean(moves) < 0.03


def test_further_groups_take_their_own_share():
    frame = factorial_frame(Planted(0.4, 0.1), np.random.default_rng(9), replicates=2, idle_levels=3)
    frame["value"] += frame["idle"].map({"idle0": -0.08, "idle1": 0.0, "idle2": 0.08})
    found = quick(frame, {**GROUPS, "training": ["idle"]})
    assert set(found.groups) == {"synchronisation", "shape", "training"}
    assert found.groups["training"]["share"] > 0.5
    total = sum(shares(found).values()) + found.noise_floor["share"]
    assert total == pytest.approx(1.0, abs=0.02)


def test_regions_meet_at_their_borders():
    synchronisation = np.array([0.05, 0.10, 0.50, 0.50, 0.20, 0.05, 0.0])
    shape = np.array([0.05, 0.00, 0.28, 0.29, 0.36, 0.11, 0.0])
    assert region_of(synchronisation, shape).tolist() == [3, 0, 0, 2, 1, 1, 3]
    found = region_probability(synchronisation, shape)
    assert found == {"synchronisation": 2 / 7, "shape": 2 / 7, "both": 1 / 7, "neither": 2 / 7}
    assert decide(found) == "inconclusive"
    assert decide({"synchronisation": 0.95, "shape": 0.05, "both": 0.0, "neither": 0.0}) == "synchronisation"
