import optuna
import pytest

from ana_search.plan import compress
from ana_search.planner import make_plan
from ana_search.space import make_pruner, replicate_seed, rungs
from ana_search.study_file import StudySpec
from tests.conftest import MakeStudy

ONE = 'noise = ["uniform", "normal"]'


def test_replicates_have_seeds_of_their_own_that_depend_on_the_study_seed(make_study: MakeStudy) -> None:
    one, other = make_study(ONE), make_study(ONE, 'sampler = "random"\nseed = 1')
    seeds = [replicate_seed(one, replicate) for replicate in range(100)]
    assert len(set(seeds)) == 100
    assert not set(seeds) & {replicate_seed(other, replicate) for replicate in range(100)}
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_folds_take_turns_over_replicates(make_study: MakeStudy) -> None:
    spec = make_study(ONE, 'sampler = "grid"\nseeds = 2', data="validation = { folds = 5 }")
    seeds = [replicate_seed(spec, replicate) for replicate in range(10)]
    plans = [make_plan(spec, {"noise": "normal"}, seed) for seed in seeds]
    assert [plan.data.fold for plan in plans] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]
    assert len(set(seeds)) == 10
    assert spec.replicates == 10


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [
        (1, [1]),
        (2, [1, 2]),
        (3, [1, 3]),
        (9, [1, 3, 9]),
        (18, [2, 6, 18]),
        (20, [2, 7, 20]),
        (500, [55, 167, 500]),
    ],
)
def test_rungs(epochs: int, expected: list[int], make_study: MakeStudy) -> None:
    spec = make_study(ONE, 'sampler = "random"\npruner = "asha"', epochs=epochs)
    assert rungs(spec) == expected
    assert rungs(make_study(ONE, epochs=epochs)) == [epochs]
    plan = make_plan(spec, {"noise": "normal"}, 0)
    short = compress(plan, expected[0])
    assert (short.layers, short.training.anneal) == (plan.layers, plan.training.anneal)
    assert short.training.epochs == expected[0]


@pytest.mark.parametrize("pruner", ["asha", "hyperband"])
def test_every_rung_is_one_of_the_pruner(pruner: str, make_study: MakeStudy) -> None:
    """Of 81 trials with known qualities, few reach the last rung, the best among them."""
    spec = make_study(ONE, f'sampler = "random"\npruner = "{pruner}"', epochs=20)
    study = optuna.create_study(direction="maximize", pruner=make_pruner(spec), study_name="fixed")
    reached = {epochs: [] for epochs in rungs(spec)}  # type: dict[int, list[float]]
    for number in range(81):
        trial = study.ask()
        quality = ((number * 37) % 81) / 81
        for epochs in rungs(spec):
            reached[epochs].append(quality)
            trial.report(quality, epochs)
            if epochs < 20 and trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            study.tell(trial, quality)
    counts = [len(reached[epochs]) for epochs in rungs(spec)]
    assert counts[0] == 81
    assert counts[1] < (50 if pruner == "asha" else 75)
    assert counts[2] < counts[1]
    assert max(reached[20]) == 80 / 81


def _rungs_reached(spec: StudySpec, qualities: list[float]) -> list[int]:
    """Return how many rungs each trial reports that the study's pruner lets go on."""
    study = optuna.create_study(direction="maximize", pruner=make_pruner(spec))
    for quality in qualities:
        trial = study.ask()
        for epochs in rungs(spec):
            trial.report(quality, epochs)
            if trial.should_prune():
                break
        study.tell(trial, quality)
    return [len(trial.intermediate_values) for trial in study.trials]


def test_the_first_trials_of_a_long_study_are_the_standard_for_the_others(make_study: MakeStudy) -> None:
    long, short = (make_study(ONE, f'sampler = "random"\npruner = "asha"\ntrials = {trials}') for trials in (27, 26))
    qualities = [0.5, 0.6, 0.7, 0.65, 0.8, 0.9]
    assert _rungs_reached(long, qualities) == [1, 1, 1, 1, 3, 3]
    assert _rungs_reached(short, qualities) == [3, 3, 3, 1, 3, 3]


def test_a_study_that_goes_on_has_its_standard_already(make_study: MakeStudy) -> None:
    spec = make_study(ONE, 'sampler = "random"\npruner = "asha"')
    study = optuna.create_study(direction="maximize")
    for quality in (0.2, 0.3, 0.4):
        trial = study.ask()
        trial.report(quality, rungs(spec)[0])
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    study.pruner = make_pruner(spec)
    trial = study.ask()
    trial.report(0.5, rungs(spec)[0])
    assert not trial.should_prune()


def test_without_pruner_nothing_is_pruned(make_study: MakeStudy) -> None:
    assert isinstance(make_pruner(make_study(ONE)), optuna.pruners.NopPruner)
