"""A short calibration: coverage and wrong verdicts on forty tables a case. The long one: benchmarks/calibration.py."""

import numpy as np
import pytest
from scipy import stats

from analysis import attribute
from analysis.testing.planted import CASES, adaptive_frame, factorial_frame, mixed_frame

pytestmark = pytest.mark.slow

TABLES = 40
MAKERS = {
    "normal": lambda truth, generator: factorial_frame(truth, generator),
    "skewed": lambda truth, generator: factorial_frame(truth, generator, noise="skewed"),
    "failed": lambda truth, generator: factorial_frame(truth, generator, failed=0.05),
}
FEWEST = int(stats.binom.ppf(0.001, 2 * TABLES, 0.90))
"""Fewer hits than these of two shares a table would hardly come from intervals that cover 90 %."""


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("case", CASES)
def test_intervals_cover_and_verdicts_are_right(case, kind):
    truth = CASES[case]
    hits, right, wrong = 0, 0, 0
    for number in range(TABLES):
        frame = MAKERS[kind](truth, np.random.default_rng([71, number]))
        found = attribute(frame, details=False, draws=800)
        for group, share in zip(("synchronisation", "shape"), truth.shares, strict=True):
            low, high = found.groups[group]["ci_low"], found.groups[group]["ci_high"]
            hits += low <= share <= high or (share == 0 and low <= 0.01)
        right += found.verdict == truth.verdict
        wrong += found.verdict not in (truth.verdict, "inconclusive")
    assert hits >= FEWEST
    assert wrong <= 1
    if case in ("synchronisation 0.70, shape 0.05", "synchronisation 0.10, shape 0.60"):
        assert right >= 0.85 * TABLES


@pytest.mark.parametrize("case", ["synchronisation 0.70, shape 0.05", "nothing"])
def test_random_samples(case):
    truth = CASES[case]
    verdicts = [
        attribute(mixed_frame(truth, np.random.default_rng([72, number])), details=False, draws=400).verdict
        for number in range(TABLES // 2)
    ]
    assert set(verdicts) <= {truth.verdict, "inconclusive"}
    assert verdicts.count(truth.verdict) >= 17 or case == "nothing"


@pytest.mark.parametrize("pruning", [True, False])
def test_searches_are_always_inconclusive(pruning):
    for number in range(8):
        frame = adaptive_frame(CASES["nothing"], np.random.default_rng([73, number]), pruning=pruning)
        found = attribute(frame, details=False, draws=100)
        assert found.verdict == "inconclusive"
        assert set(found.reasons) & {"pruned", "not_uniform"}
        assert found.power["next"]["kind"] == "random"
