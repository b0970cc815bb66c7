"""Reading a study that was really run: as a table, as plans and trained networks, and in a few numbers."""

from pathlib import Path

import pandas as pd
import pytest
from optuna.trial import TrialState, create_trial

from ana_search.data import load_dataset
from ana_search.dispatch.local import LocalDispatcher
from ana_search.errors import StudyNotFoundError
from ana_search.rerun import rerun_trial
from ana_search.results import load_history, load_plan, load_results, load_spec, load_trained
from ana_search.runner import launch
from ana_search.storage import locate
from ana_search.study_file import StudySpec
from ana_search.summary import best_trials, pareto_trials, study_status
from ana_search.training import evaluate
from tests.runner.studies import DIVERGING_SPACE, DIVERGING_TRAINING, make_spec

EPOCHS = 4


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> StudySpec:
    return make_spec(
        tmp_path_factory.mktemp("file"),
        "read",
        study='sampler = "grid"\nseeds = 2',
        training=DIVERGING_TRAINING,
        space=DIVERGING_SPACE,
    )


@pytest.fixture(scope="module")
def runs(spec: StudySpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a study of which half the trials diverge."""
    folder = tmp_path_factory.mktemp("runs")
    launch(spec, runs=folder, workers=1, dispatcher=LocalDispatcher())
    return folder


@pytest.fixture(scope="module")
def frame(runs: Path) -> pd.DataFrame:
    return load_results("read", runs=runs)


def test_one_row_a_trial_with_its_parameters_as_plain_columns(frame: pd.DataFrame) -> None:
    assert frame["number"].tolist() == list(range(8))
    assert frame["state"].value_counts().to_dict() == {"COMPLETE": 4, "PRUNED": 4}
    assert set(frame["noise"]) == {"uniform", "normal"}
    done = frame[frame["state"] == "COMPLETE"]
    assert set(done["weight_decay"]) == {0.0}
    assert done["value"].between(0, 1).all()
    assert (done["trained_epochs"] == EPOCHS).all()
    assert (done["mean_weight_bits"] == 2).all()
    assert (done["ended"] > done["started"]).all()
    assert frame.loc[frame["state"] == "PRUNED", "value"].isna().all()
    assert frame.loc[frame["state"] == "PRUNED", "reason"].str.contains("the loss became").all()


def test_trials_of_one_replicate_have_one_seed(frame: pd.DataFrame) -> None:
    seeds = frame.groupby("replicate")["seed"].unique()
    assert [len(one) for one in seeds] == [1, 1]
    assert seeds[0] != seeds[1]
    assert frame["plan_hash"].is_unique


def test_a_trained_network_has_the_accuracy_of_its_trial(frame: pd.DataFrame, runs: Path) -> None:
    for number in frame.loc[frame["state"] == "COMPLETE", "number"]:
        plan, network = load_trained("read", number, runs=runs)
        assert plan == load_plan("read", number, runs=runs)
        assert plan.hash == frame.loc[number, "plan_hash"]
        accuracy, _ = evaluate(network, load_dataset(plan.data), "validation")
        assert accuracy == frame.loc[number, "value"]
        history = load_history("read", number, runs=runs)
        assert [epoch["epoch"] for epoch in history] == [1, 2, 3, 4]
        assert history[-1]["accuracy"] == frame.loc[number, "value"]


def test_what_is_not_there_is_said(frame: pd.DataFrame, runs: Path) -> None:
    pruned = int(frame.loc[frame["state"] == "PRUNED", "number"].iloc[0])
    with pytest.raises(StudyNotFoundError, match="only complete trials"):
        load_trained("read", pruned, runs=runs)
    assert load_history("read", pruned, runs=runs) == []
    with pytest.raises(StudyNotFoundError, match="allowed: 0 to 7"):
        load_plan("read", 8, runs=runs)
    with pytest.raises(StudyNotFoundError, match="no study 'other'"):
        load_results("other", runs=runs)


def test_the_specification_is_kept(spec: StudySpec, runs: Path) -> None:
    assert load_spec("read", runs=runs).to_json() == spec.to_json()


def test_a_study_in_a_few_numbers(frame: pd.DataFrame, runs: Path) -> None:
    status = study_status("read", runs=runs)
    assert status["states"] == {"RUNNING": 0, "COMPLETE": 4, "PRUNED": 4, "FAIL": 0, "WAITING": 0}
    assert (status["finished"], status["requested"], status["retries"]) == (8, 8, 0)
    assert sum(status["failures"].values()) == 4
    ranked = best_trials("read", runs=runs)
    values = frame["value"].dropna().sort_values(ascending=False)
    assert [one["value"] for one in ranked] == values.tolist()
    assert status["best"]["number"] == ranked[0]["number"]
    assert ranked[0]["seed"] == frame.loc[ranked[0]["number"], "seed"]
    assert set(pareto_trials("read", runs=runs)) == set(frame.index[frame["value"] == values.iloc[0]])


def test_a_trial_trained_again_gives_its_value(frame: pd.DataFrame, runs: Path) -> None:
    number = int(frame["value"].idxmax())
    again = rerun_trial("read", number, runs=runs)
    assert again.equal
    assert (again.tolerance, again.differences) == (0.0, ())
    assert again.repeated == frame.loc[number, "value"]
    assert (again.device, again.threads) == (frame.loc[number, "device"], frame.loc[number, "threads"]) == ("cpu", 1)
    with pytest.raises(StudyNotFoundError, match="PRUNED"):
        rerun_trial("read", int(frame["value"].isna().idxmax()), runs=runs)


def test_an_interrupted_trial_is_told_from_a_failed_one(tmp_path: Path) -> None:
    spec = make_spec(tmp_path, "ends", space='noise = ["uniform"]')
    launch(spec, runs=tmp_path, workers=1, dispatcher=LocalDispatcher())
    study = locate("ends", runs=tmp_path).open()
    for end in ({"retry": "interrupted", "reason": "interrupted"}, {"reason": "my own mistake"}):
        params, kinds = study.trials[0].params, study.trials[0].distributions
        attributes = {**study.trials[0].user_attrs, **end}
        study.add_trial(create_trial(state=TrialState.FAIL, params=params, distributions=kinds, user_attrs=attributes))
    assert list(load_results("ends", runs=tmp_path)["state"]) == ["COMPLETE", "INTERRUPTED", "FAIL"]
