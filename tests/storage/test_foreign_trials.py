"""Trials that others put into a storage: run where they can be, otherwise failed or left out, and never counted."""

import json
import math
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial
from typer.testing import CliRunner

from ana_search.cli.main import build_app
from ana_search.dispatch.local import LocalDispatcher
from ana_search.results import load_results
from ana_search.runner import LaunchOutcome, launch
from ana_search.storage import RunFolder, locate, open_storage, open_study
from ana_search.storage.belonging import SearchedSpace
from ana_search.storage.view import ShownStorage
from ana_search.study_file import StudySpec
from ana_search.summary import best_trials, pareto_trials, study_status
from tests.runner.studies import Watcher, make_spec

NAME = "shared"
SPACE = (
    'noise = ["uniform", "normal"]\noffset = {low = -0.2, high = 0.2}\nbatch_size = {low = 16, high = 64, step = 16}'
)


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    return make_spec(
        tmp_path,
        NAME,
        study='sampler = "random"\ntrials = 2',
        training="epochs = 1",
        data="train_size = 100",
        space=SPACE,
    )


@pytest.fixture(params=["sqlite", "journal"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"{request.param}:///{tmp_path / 'study'}"


def go_on(spec: StudySpec, url: str, runs: Path, trials: int) -> tuple[LaunchOutcome, Watcher]:
    watcher = Watcher()
    outcome = launch(
        spec, runs=runs, storage=url, trials=trials, workers=1, progress=watcher, dispatcher=LocalDispatcher()
    )
    return outcome, watcher


def foreign(url: str) -> optuna.Study:
    return optuna.load_study(study_name=NAME, storage=open_storage(url))


BAD = [
    {"noise": "cauchy"},
    {"offset": 0.5},
    {"offset": "far"},
    {"offset": math.nan},
    {"batch_size": 17},
    {"batch_size": 16.5},
    {"batch_size": True},
    {"unknown": 1},
    {"noise.0": "uniform"},
]


def test_enqueued_trials_run_where_their_values_are_right(spec: StudySpec, url: str, runs: Path) -> None:
    go_on(spec, url, runs, 1)
    study = foreign(url)
    for params in BAD:
        study.enqueue_trial(params)
    study.enqueue_trial({"noise": "normal", "offset": 0.125})
    outcome, watcher = go_on(spec, url, runs, 2)
    assert (outcome.finished, outcome.requested, outcome.complete) == (2, 2, 2)
    trials = foreign(url).get_trials(deepcopy=False)
    assert [trial.state.name for trial in trials] == ["COMPLETE", *["FAIL"] * len(BAD), "COMPLETE"]
    assert trials[-1].params["noise"] == "normal"
    assert trials[-1].params["offset"] == 0.125
    for trial, params in zip(trials[1:], BAD, strict=False):
        name = next(iter(params))
        assert name in trial.user_attrs["reason"], params
        assert any(f"trial {trial.number} " in line and name in line for line in watcher.messages), params
    outcome, watcher = go_on(spec, url, runs, 2)
    assert watcher.messages == []


def test_a_trial_enqueued_while_the_study_runs(spec: StudySpec, url: str, runs: Path) -> None:
    def enqueue(worker: str, trial: int, epoch: int) -> None:
        if trial == 0:
            foreign(url).enqueue_trial({"noise": "uniform", "offset": -0.125})
            foreign(url).ask()  # another program takes it, and is at it when the next one is asked for
            foreign(url).enqueue_trial({"noise": "normal", "offset": 0.125})

    watcher = Watcher(enqueue)
    launch(spec, runs=runs, storage=url, trials=3, workers=1, progress=watcher, dispatcher=LocalDispatcher())
    trials = foreign(url).get_trials(deepcopy=False)
    assert [trial.state.name for trial in trials] == ["COMPLETE", "RUNNING", "COMPLETE", "COMPLETE"]
    assert trials[2].params["offset"] == 0.125
    assert any("trial 1 (RUNNING) is left out" in line for line in watcher.messages)


def poison(url: str) -> None:
    """Put into a study what another Optuna program may."""
    study = foreign(url)
    study.ask()
    other = {"depth": FloatDistribution(0, 9)}
    for state, value in ((TrialState.COMPLETE, 0.999), (TrialState.PRUNED, 0.5), (TrialState.FAIL, None)):
        study.add_trial(create_trial(state=state, value=value, params={"depth": 3.0}, distributions=other))
    known = {"noise": CategoricalDistribution(("uniform", "normal"))}
    study.add_trial(create_trial(value=1.5, params={"noise": "uniform"}, distributions=known))
    marks = {"seed": 1, "plan_hash": "made up", "replicate": 0, "attempt": 1}
    study.add_trial(
        create_trial(value=0.998, params={"depth": 3.0}, distributions={"depth": other["depth"]}, user_attrs=marks)
    )
    study.add_trial(create_trial(value=0.997, user_attrs=marks | {"retry_of": "the first"}))
    study.add_trial(create_trial(value=math.inf, user_attrs=marks))


def test_trials_of_another_program_never_count(spec: StudySpec, url: str, runs: Path, tmp_path: Path) -> None:
    go_on(spec, url, runs, 1)
    poison(url)
    for requested in (2, 3):
        outcome, watcher = go_on(spec, url, runs, requested)
        assert (outcome.finished, outcome.complete) == (requested, requested)
        assert sum("is left out" in line for line in watcher.messages) == 8
    stored = open_study(NAME, url, runs)
    assert len(stored.left_out) == 8
    status = study_status(stored)
    assert (status["finished"], status["requested"]) == (3, 3)
    assert status["states"]["COMPLETE"] == 3
    assert status["states"]["RUNNING"] == 0
    assert sum(status["left_out"].values()) == 8
    assert {row["number"] for row in best_trials(stored)} == {0, 9, 10}
    assert status["best"]["number"] in (0, 9, 10)
    assert set(pareto_trials(stored)) <= {0, 9, 10}
    frame = load_results(stored)
    assert frame["number"].tolist() == [0, 9, 10]
    assert "depth" not in frame
    assert set(frame.attrs["left_out"]) == set(range(1, 9))
    shown = ShownStorage(stored.study._storage)
    trials = shown.get_all_trials(stored.study._study_id)
    assert [trial.number for trial in trials if trial.state == TrialState.COMPLETE] == [0, 9, 10]
    assert shown.get_best_trial(stored.study._study_id).number in (0, 9, 10)
    words = ["status", NAME, "--storage", url, "--runs", str(runs)]
    result = CliRunner().invoke(build_app(), words)
    assert result.exit_code == 0
    assert "3 of 3 (100%)" in result.output
    assert "it was not made by ana-search" in result.output


def test_a_study_that_was_only_enqueued_into_is_launched(spec: StudySpec, url: str, runs: Path) -> None:
    study = optuna.create_study(study_name=NAME, storage=open_storage(url), direction="maximize")
    study.enqueue_trial({"noise": "normal", "offset": 0.0625})
    outcome, _ = go_on(spec, url, runs, 1)
    assert outcome.complete == 1
    assert foreign(url).trials[0].params["offset"] == 0.0625


def test_a_space_of_a_newer_version_allows_what_it_holds() -> None:
    text = {"space": {"parameters": {"x": {"kind": "simplex"}}}, "study": {"objective": ["val_accuracy"]}}
    assert SearchedSpace.from_json(json.dumps(text)).problem({"x": [0.5, 0.5]}) is None
    assert SearchedSpace.from_json("{").problem({"anything": 1}) is None


def test_a_study_of_a_newer_version_is_named_and_read_as_far_as_it_goes(
    spec: StudySpec, runs: Path, tmp_path: Path
) -> None:
    launch(spec, runs=runs, trials=1, workers=1, dispatcher=LocalDispatcher())
    study = locate(NAME, runs=runs).open()
    newer = json.loads(study.user_attrs["spec"])
    newer["training"]["attention"] = True
    study.set_user_attr("spec", json.dumps(newer))
    study.set_user_attr("version", "7.1.0")
    study.set_user_attr("lease", json.dumps({"holder": {"name": "of another format"}}))
    for words, code in (
        (["status", NAME], 0),
        (["best", NAME], 0),
        (["analyse", NAME, "--out", str(tmp_path / "report")], 0),
        (["launch", str(tmp_path / f"{NAME}.toml")], 2),
        (["export", NAME, "--out", str(tmp_path / "models")], 2),
    ):
        result = CliRunner().invoke(build_app(), [*words, "--runs", str(runs)])
        assert result.exit_code == code, (words, result.output)
        assert "fault of ana-search" not in result.output
        if words[0] != "best":
            assert "7.1.0" in result.output, (words, result.output)
    assert RunFolder(runs, NAME).database.is_file()


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"
