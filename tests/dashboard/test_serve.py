"""A stored study on the dashboard: what is written before the first page is served, and how it ends."""

import threading
from pathlib import Path

import optuna
import pytest
from optuna_dashboard import get_note

from ana_search.dashboard import DashboardServer, offer, serve
from ana_search.dashboard.figures import attribution_figure, curves_figure
from ana_search.dashboard.serve import refresh
from ana_search.errors import StudyNotFoundError
from ana_search.shipped import find_study_file
from ana_search.storage import RunFolder, locate
from ana_search.storage.view import ShownStorage
from ana_search.study_file import StudySpec, load_study_file
from analysis.style import COLOURS, PALETTE
from tests.dashboard.conftest import ATTRIBUTION
from tests.dashboard.stored import stored_study


@pytest.fixture(scope="module")
def spec() -> StudySpec:
    return load_study_file(find_study_file("quickstart"))


def attributes(study: optuna.Study) -> dict[str, object]:
    return study._storage.get_study_system_attrs(study._study_id)


def test_a_whole_study_is_answered(spec, tmp_path: Path):
    stored_study(spec, tmp_path)
    place = locate("quickstart", runs=tmp_path)
    study = place.open()
    assert refresh(place, study) == 64
    note = get_note(study)
    assert "Answer so far: synchronisation" in note
    assert "64 finished of 64" in note
    names = {key.split(":")[2] for key in attributes(study) if key.startswith("dashboard:plot_data:")}
    assert names == {"attribution", "learning-curves", "schedules-best-plan"}
    assert "learning_curves.csv" in str([text for key, text in attributes(study).items() if "artifacts:" in key])
    before = dict(attributes(study))
    refresh(place, study)
    assert attributes(study) == before


@pytest.mark.parametrize("trials", [0, 1])
def test_a_study_that_has_just_begun_says_so(spec, tmp_path: Path, trials):
    stored_study(spec, tmp_path, trials=trials, histories=False)
    place = locate("quickstart", runs=tmp_path)
    study = place.open()
    refresh(place, study)
    note = get_note(study)
    assert "None yet" in note or "inconclusive" in note
    assert f"{trials} finished of 64" in note


def test_serving_announces_the_address_and_ends_with_ctrl_c(spec, tmp_path: Path, monkeypatch):
    stored_study(spec, tmp_path, trials=2)
    told: list[str] = []

    def interrupted(server: DashboardServer) -> None:
        assert threading.active_count() >= 2
        raise KeyboardInterrupt

    monkeypatch.setattr(DashboardServer, "serve_forever", interrupted)
    serve("quickstart", runs=tmp_path, announce=told.append)
    assert told[0].startswith("http://127.0.0.1:")
    assert told[0].endswith("/dashboard/studies/1")


def test_a_study_that_is_not_there_is_the_users_mistake(tmp_path: Path):
    with pytest.raises(StudyNotFoundError, match="no study 'nothing'"):
        serve("nothing", runs=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_files_of_other_commands_are_offered(spec, tmp_path: Path):
    stored_study(spec, tmp_path, trials=1, histories=False)
    report = tmp_path / "report.html"
    report.write_text("<h1>report</h1>")
    assert offer("quickstart", [report], runs=tmp_path) == ["report.html"]
    assert offer("quickstart", [report], runs=tmp_path) == []
    assert len(list(RunFolder(tmp_path, "quickstart").artifacts.iterdir())) == 1


@pytest.mark.parametrize("damage", ["", "[", "[1, 2]", '{"epoch": 1}', "[" * 100_000, "\x00\xff"])
def test_a_damaged_history_costs_its_own_trial_alone(spec, tmp_path: Path, damage: str):
    study = stored_study(spec, tmp_path, trials=3)
    place = locate("quickstart", runs=tmp_path)
    (place.folder.trial(1) / "history.json").write_text(damage, encoding="latin-1")
    refresh(place, study)
    (curves,) = (path for path in place.folder.artifacts.iterdir() if path.is_file())
    trials = {line.split(",")[0] for line in curves.read_text().splitlines()[1:]}
    assert trials == {"0", "2"}


def test_it_starts_although_the_note_cannot_be_written(spec, tmp_path: Path, monkeypatch, capsys):
    stored_study(spec, tmp_path, trials=2)
    (tmp_path / "quickstart" / "artifacts").write_text("a file where a folder should be")

    def interrupted(server: DashboardServer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(DashboardServer, "serve_forever", interrupted)
    told: list[str] = []
    serve("quickstart", runs=tmp_path, announce=told.append)
    assert told[0].startswith("http://127.0.0.1:")
    said = capsys.readouterr().err
    assert "keeps no files" in said
    assert "Traceback" not in said


def test_listening_for_others_is_said(spec, tmp_path: Path, monkeypatch, capsys):
    stored_study(spec, tmp_path, trials=1)

    def interrupted(server: DashboardServer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(DashboardServer, "serve_forever", interrupted)
    serve("quickstart", runs=tmp_path, host="0.0.0.0", announce=lambda _: None)
    assert "without a password: whoever reaches this machine can read" in capsys.readouterr().err


def test_learning_curves_are_shown_and_not_stored(spec, tmp_path: Path):
    """The pages see every epoch; the storage keeps one value a rung, which is what a pruner compares."""
    study = stored_study(spec, tmp_path, trials=5)
    place = locate("quickstart", runs=tmp_path)
    view = ShownStorage(study._storage)
    refresh(place, study, view=view)
    trials = view.get_all_trials(study._study_id)
    assert [sorted(trial.intermediate_values) for trial in trials] == [list(range(1, 21))] * 5
    assert trials[2].intermediate_values[20] == pytest.approx(trials[2].value * (1 - 0.7**20))
    assert view.get_trial(trials[1]._trial_id).intermediate_values == trials[1].intermediate_values
    assert [trial.intermediate_values for trial in study.get_trials()] == [{}] * 5


def test_of_very_many_trials_the_best_have_curves():
    view = ShownStorage(optuna.storages.InMemoryStorage())
    view.show_curves({number: {1: 0.5} for number in range(3000)}, list(range(2999, -1, -1)))
    assert sorted(view._curves) == list(range(2000, 3000))


def test_the_curves_of_a_long_training_stay_small():
    curves = {number: {epoch: epoch / 1000 for epoch in range(1, 501)} for number in range(20)}
    figure = curves_figure(curves, [3, 1])
    assert figure is not None
    assert [trace.name for trace in figure.data[-2:]] == ["trial 3", "trial 1"]
    assert [len(trace.x) for trace in figure.data] == [100] * 5
    assert [trace.x[-1] for trace in figure.data] == [500] * 5
    assert [trace.line.color for trace in figure.data[-2:]] == list(PALETTE[:2])
    assert curves_figure({1: {1: 0.5}}, [1]) is None


def test_groups_have_the_colours_of_the_report():
    figure = attribution_figure(ATTRIBUTION)
    colours = {trace.y[0]: trace.marker.color for trace in figure.data}
    assert colours == {
        "synchronisation": COLOURS["synchronisation"],
        "shape": COLOURS["shape"],
        "interaction": COLOURS["interaction"],
        "seed alone": COLOURS["seed"],
    }
