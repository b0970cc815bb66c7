"""Random designs: a seed for every trial, a fifth of the points twice, and nothing repeated by a resume."""

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from ana_search.runner.queue import Queue, retry_of
from ana_search.space import REDRAWN, distributions, grid, make_sampler, replicate_seed, suggest, training_seed
from ana_search.storage.record import TrialRecord, TrialStart
from ana_search.study_file import StudySpec
from tests.conftest import MakeStudy

SPACE = 'noise = ["uniform", "normal"]\ninterval = ["overlapped", "partition"]\nspread = {low = 0.2, high = 0.8}'


def records(study: optuna.Study) -> list[TrialRecord]:
    return [TrialRecord.of(trial) for trial in study.get_trials(deepcopy=False)]


def run(spec: StudySpec, study: optuna.Study, trials: int) -> list[FrozenTrial]:
    """Run trials as the driver does, from a queue that is made anew for every one: a study resumed each time."""
    known = distributions(spec)
    for _ in range(trials):
        queue = Queue(spec, records(study))
        request = queue.take()
        assert request is not None
        params = request.params
        if params is None:
            params = suggest(optuna.create_study(sampler=make_sampler(spec, len(study.trials))).ask(), spec)
        replicate = queue.drawn(params) if request.replicate is None else request.replicate
        seed = training_seed(spec, len(study.trials), replicate)
        start = TrialStart(seed=seed, replicate=replicate, block=request.block, redrawn=request.redrawn)
        chosen = {name: known[name] for name in params}
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE,
                value=0.5,
                params=params,
                distributions=chosen,
                user_attrs=start.attributes(),
            )
        )
    return study.get_trials(deepcopy=False)


@pytest.mark.parametrize("sampler", ["random", "qmc"])
def test_a_random_design_has_new_seeds_and_a_fifth_of_its_points_twice(sampler: str, make_study: MakeStudy) -> None:
    spec = make_study(SPACE, f'sampler = "{sampler}"\ntrials = 60')
    trials = run(spec, optuna.create_study(), 60)
    assert len({trial.user_attrs["seed"] for trial in trials}) == 60
    points = [str(sorted(trial.params.items())) for trial in trials]
    if sampler == "random":
        assert len(set(points)) == 50
        assert [points[n] == points[n - 1] for n in range(1, 60)] == [n % 6 == 5 for n in range(1, 60)]


def test_a_pick_freeze_design_goes_on_where_it_stopped(make_study: MakeStudy) -> None:
    spec = make_study(SPACE, 'sampler = "pick_freeze"\ntrials = 60')
    study = optuna.create_study()
    trials = run(spec, study, 23)
    assert [trial.user_attrs["redrawn"] for trial in trials[:5]] == list(REDRAWN)
    assert [trial.user_attrs["block"] for trial in trials] == [number // 5 for number in range(23)]
    assert len({trial.user_attrs["seed"] for trial in trials}) == 23
    other = run(spec, optuna.create_study(), 23)
    assert [trial.params for trial in trials] == [trial.params for trial in other]
    missing = optuna.create_study()
    for trial in trials:
        if trial.number not in (4, 11):
            missing.add_trial(trial)
    queue = Queue(spec, records(missing))
    taken = [request.block for _ in range(3) if (request := queue.take()) is not None]
    assert taken == [0, 2, 4]


def test_a_retry_keeps_its_place_and_its_seed(make_study: MakeStudy) -> None:
    spec = make_study(SPACE, 'sampler = "pick_freeze"\ntrials = 60')
    trial = run(spec, optuna.create_study(), 3)[2]
    request = retry_of(TrialRecord.of(trial))
    assert request.seed == trial.user_attrs["seed"]
    assert (request.block, request.redrawn) == (0, "shape")


@pytest.mark.parametrize("sampler", ["grid", "tpe"])
def test_grids_and_searches_keep_the_seeds_of_their_replicates(sampler: str, make_study: MakeStudy) -> None:
    spec = make_study(SPACE.splitlines()[0] + "\n" + SPACE.splitlines()[1], f'sampler = "{sampler}"\nseeds = 2')
    assert len(grid(spec)) == 4
    assert [training_seed(spec, number, 1) for number in range(3)] == [replicate_seed(spec, 1)] * 3
