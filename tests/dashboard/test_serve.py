"""A stored study on the dashboard: what is written before the first page is served, and how it ends."""

import threading
from pathlib import Path

import optuna
import pytest
from optuna_dashboard import get_note

from ana_search.dashboard import DashboardServer, offer, serve
from ana_search.dashboard.serve import refresh
from ana_search.errors import StudyNotFoundError
from ana_search.shipped import find_study_file
from ana_search.storage import RunFolder, locate
from ana_search.study_file import StudySpec, load_study_file
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
    assert names == {"attribution", "schedules-best-plan"}
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
