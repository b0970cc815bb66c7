"""Replicates: innermost in a grid, added to a study that has some, and never the same number twice."""

from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState, create_trial

from ana_search.runner.queue import Queue
from ana_search.space import distributions, grid
from ana_search.storage.record import TrialRecord
from ana_search.study_file import StudySpec
from tests.conftest import MakeStudy

FACTORS = 'noise = ["uniform", "normal"]\ninterval = ["overlapped", "same_start", "partition"]'


def _trials(spec: StudySpec, replicates: list[tuple[dict[str, Any], int]]) -> list[TrialRecord]:
    """Return finished trials with these parameters and replicate numbers."""
    known: dict[str, BaseDistribution] = distributions(spec)
    study = optuna.create_study()
    for params, replicate in replicates:
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE,
                value=0.5,
                params=params,
                distributions={name: known[name] for name in params},
                user_attrs={"replicate": replicate},
            )
        )
    return [TrialRecord.of(trial) for trial in study.trials]


def _taken(queue: Queue) -> list[tuple[dict[str, Any], int | None]]:
    """Return the parameters and the replicates of all requests until the queue has no more of its own."""
    taken = []
    while (request := queue.take()) is not None and request.params is not None:
        taken.append((request.params, request.replicate))
    return taken


def test_replicates_of_a_cell_follow_each_other(make_study: MakeStudy) -> None:
    spec = make_study(FACTORS, 'sampler = "grid"\nseeds = 3')
    assert _taken(Queue(spec, [])) == [(cell, replicate) for cell in grid(spec) for replicate in range(3)]


def test_more_seeds_add_the_missing_replicates_of_every_cell(make_study: MakeStudy) -> None:
    spec = make_study(FACTORS, 'sampler = "grid"\nseeds = 2')
    run = _trials(spec, [(dict(cell), replicate) for cell in grid(spec) for replicate in range(2)])
    assert _taken(Queue(spec, run)) == []
    more = make_study(FACTORS, 'sampler = "grid"\nseeds = 4')
    assert _taken(Queue(more, run)) == [(cell, replicate) for cell in grid(more) for replicate in (2, 3)]


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_set_drawn_again_is_a_replicate_with_a_number_of_its_own(seeds: int, make_study: MakeStudy) -> None:
    queue = Queue(make_study(FACTORS, f'sampler = "random"\nseeds = {seeds}'), [])
    params = {"noise": "normal", "interval": "partition"}
    numbers = [queue.drawn(params)]
    numbers += [replicate for _, replicate in _taken(queue) if replicate is not None]
    numbers += [queue.drawn(params), queue.drawn(params)]
    assert numbers == list(range(seeds + 2))


def test_a_set_drawn_again_after_a_resume_is_none_of_the_replicates_still_to_be_run(make_study: MakeStudy) -> None:
    spec = make_study(FACTORS, 'sampler = "random"\nseeds = 3')
    params = {"noise": "normal", "interval": "partition"}
    queue = Queue(spec, _trials(spec, [(params, 0)]))
    assert _taken(queue) == [(params, 1), (params, 2)]
    assert queue.drawn(params) == 3
