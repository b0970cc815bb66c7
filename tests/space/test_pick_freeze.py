"""The pick-freeze design: which runs of a block share what, with independent draws and conditional parameters."""

import numpy as np
import pytest
from scipy import stats

from ana_search.errors import StudyFileError
from ana_search.space import REDRAWN, pick_freeze_point, redrawn_in
from tests.conftest import MakeStudy

SPACE = """
noise = {choices = ["uniform", "triangular", "normal"], scope = "layer"}
backward = ["same", "static"]
backward_noise = ["uniform", "normal", "logistic"]
interval = ["overlapped", "partition", "same_end"]
offset = {low = -0.2, high = 0.2, scope = "layer"}
learning_rate = {low = 1e-3, high = 1e-2, log = true}
batch_size = {low = 16, high = 128, log = true}
spread = {low = 0.25, high = 0.75, step = 0.25}
"""


def test_runs_of_a_block_share_all_but_what_is_redrawn(make_study: MakeStudy) -> None:
    spec = make_study(SPACE, 'sampler = "pick_freeze"')
    for block in range(20):
        runs = [pick_freeze_point(spec, block, place) for place in range(len(REDRAWN))]
        one, *_, other, again = runs
        assert again == one
        for run, redrawn in zip(runs, REDRAWN, strict=True):
            for name, value in run.items():
                source = other if redrawn_in(name, redrawn) else one
                assert source.get(name, value) == value
            assert ("backward_noise" in run) == (run["backward"] == "static")
            assert {n for n in run if redrawn_in(n, "synchronisation")} >= {"interval", "offset.0"}


def test_what_comes_to_exist_with_a_redraw_is_drawn(make_study: MakeStudy) -> None:
    """The shape's backward noise under a backward of B: drawn evenly, though A has none."""
    spec = make_study(SPACE, 'sampler = "pick_freeze"')
    found = []
    for block in range(300):
        one, _, shape, other, _ = (pick_freeze_point(spec, block, place) for place in range(5))
        assert ("backward_noise" in shape) == ("backward_noise" in one)
        if "backward_noise" in other and "backward_noise" not in one:
            found.append(other["backward_noise"])
    counts = np.unique(found, return_counts=True)[1]
    assert stats.chisquare(counts).pvalue > 1e-3


def test_points_are_even_draws(make_study: MakeStudy) -> None:
    spec = make_study(SPACE, 'sampler = "pick_freeze"')
    points = [pick_freeze_point(spec, block, place) for block in range(300) for place in (0, 3)]
    rate = np.log10([float(point["learning_rate"]) for point in points])
    assert stats.kstest(rate + 3, "uniform").pvalue > 1e-3
    offsets = np.array([float(point["offset.1"]) for point in points])
    assert stats.kstest((offsets + 0.2) / 0.4, "uniform").pvalue > 1e-3
    assert stats.pearsonr(rate, offsets).pvalue > 1e-3
    for name, values in (("spread", 3), ("interval", 3), ("noise.2", 3)):
        counts = np.unique([str(point[name]) for point in points], return_counts=True)[1]
        assert len(counts) == values
        assert stats.chisquare(counts).pvalue > 1e-3
    sizes = [point["batch_size"] for point in points]
    assert all(isinstance(size, int) for size in sizes)
    assert (min(sizes), max(sizes)) == (16, pytest.approx(128, abs=5))


@pytest.mark.parametrize(("study", "said"), [("seeds = 3", "study.seeds"), ('pruner = "asha"', "study.pruner")])
def test_what_does_not_go_with_the_design(study: str, said: str, make_study: MakeStudy) -> None:
    with pytest.raises(StudyFileError, match=said):
        make_study(SPACE, f'sampler = "pick_freeze"\n{study}')
