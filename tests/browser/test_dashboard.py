"""The dashboard as a person meets it, on a finished and on a running study."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna_dashboard import wsgi

from ana_search.ana.annealer import LayerSchedule
from ana_search.dashboard import DashboardServer, publish
from ana_search.dashboard.artifacts import artifact_store
from ana_search.plan import DataPlan, LayerPlan, NetworkPlan, TrainingPlan, TrainingSettings
from ana_search.storage.view import ShownStorage
from tests.dashboard.conftest import ATTRIBUTION, StudyFacts, frame_of, make_study

pytestmark = pytest.mark.slow


def plan() -> TrainingPlan:
    """Return a plan of four layers that fall silent one after another."""
    schedules = [LayerSchedule("normal", mean=-0.5, start=n / 4, end=(n + 1) / 4) for n in range(4)]
    layers = tuple(LayerPlan("ternary", "ternary", one, one) for one in schedules)
    return TrainingPlan(DataPlan("digits"), NetworkPlan("digits_cnn"), layers, TrainingSettings(20), 1)


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    return make_study(f"sqlite:///{tmp_path}/study.db")


@pytest.fixture
def server(study: optuna.Study, tmp_path: Path) -> Iterator[DashboardServer]:
    files = [tmp_path / "report.html", tmp_path / "learning_curves.csv"]
    files[0].write_text("<!doctype html><title>Report</title><h1>The report</h1>")
    files[1].write_text("trial,epoch,accuracy\n1,1,0.5\n")
    facts = StudyFacts("digits", 10, ["val_accuracy"], [True], ATTRIBUTION)
    folder = tmp_path / "artifacts"
    publish(study, frame_of(study), facts, plans={"best plan: trial 1": plan()}, files=files, artifacts=folder)
    with DashboardServer(wsgi(ShownStorage(study._storage), artifact_store(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.stop()
        thread.join()


def test_the_study_page_shows_note_figures_and_metric(server, visit):
    visit.open(f"{server.url}/dashboard/studies/1", "val_accuracy")
    titles = {
        "attribution": "Shares of the variance: synchronisation",
        "schedules-best-plan": "best plan: trial 1",
    }
    for name, title in titles.items():
        drawn = visit.page.locator(f"[id='user-defined-plot:{name}'] .gtitle")
        drawn.wait_for()
        assert drawn.text_content() == title.replace(": ", ":")  # on two lines
    visit.shoot("dashboard-study", whole=True)
    visit.open(f"{server.url}/dashboard/studies/1/note", "Answer so far", "70.0 %", "shape")
    visit.shoot("dashboard-note")
    assert visit.outside == []
    assert visit.problems == []


def test_the_trial_page_shows_parameters_and_note(server, visit):
    visit.open(f"{server.url}/dashboard/studies/1/trials?numbers=1", "Trial 1 (trial_id=2)", "alpha", "Best so far")
    assert "xxxx" not in visit.page.inner_text("body")
    visit.shoot("dashboard-trial")
    visit.open(f"{server.url}/dashboard/studies/1/trials?numbers=3", "worker lost")
    visit.shoot("dashboard-failed-trial")
    assert visit.outside == []
    assert visit.problems == []


def test_files_can_be_downloaded(server, visit):
    visit.open(f"{server.url}/dashboard/studies/1", "Study Artifacts", "report.html", "learning_curves.csv")
    for link in visit.page.locator("a[href^='/artifacts/1/']").all():
        with visit.page.expect_download() as downloading:
            link.click()
        text = downloading.value.path().read_text()
        name = downloading.value.suggested_filename
        assert {"report.html": "The report", "learning_curves.csv": "trial,epoch"}[name] in text
    assert visit.outside == []


def test_a_running_study_fills_while_one_watches(server, study, visit):
    visit.open(f"{server.url}/dashboard/studies/1/trials", "6 Trials")
    for value in (0.91, 0.92):
        trial = study.ask()
        trial.suggest_categorical("noise", ("uniform", "normal"))
        trial.suggest_float("alpha", 0.5, 2.0)
        study.tell(trial, value)
    visit.page.get_by_text("8 Trials").first.wait_for()
    visit.shoot("dashboard-running")
    assert visit.outside == []


def test_every_page_works_and_stays_on_the_machine(server, visit):
    for page in ("", "/studies/1", "/studies/1/analytics", "/studies/1/trials", "/studies/1/smartSelection"):
        visit.open(f"{server.url}/dashboard{page}", "digits (id=1)" if page else "digits")
        visit.page.wait_for_load_state("networkidle")
        visit.page.wait_for_timeout(1500)
    assert len(visit.requests) > 10
    assert visit.outside == []
    assert json.dumps(visit.problems) == "[]"
