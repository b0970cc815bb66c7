"""A small study in SQLite, as a launch leaves it."""

import shutil
from pathlib import Path

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from ana_search.dashboard.notes import StudyFacts

ATTRIBUTION = {
    "question": "Shape or synchronisation?",
    "verdict": "synchronisation",
    "reasons": [],
    "method": "factorial",
    "level": 0.95,
    "groups": {
        "synchronisation": {"share": 0.7, "ci_low": 0.6, "ci_high": 0.8, "sd_points": 5.0},
        "shape": {"share": 0.05, "ci_low": 0.0, "ci_high": 0.1, "sd_points": 1.0},
    },
    "interaction": {"share": 0.01, "ci_low": 0.0, "ci_high": 0.02},
    "noise_floor": {"share": 0.25, "ci_low": 0.2, "ci_high": 0.3},
    "thresholds": {"delta": 0.10, "rho": 1.732},
    "n": {"used": 3, "failed": 1},
}


def make_study(url: str) -> optuna.Study:
    """Return a study with three finished trials, one that failed, its retry, and one that runs."""
    storage = optuna.storages.get_storage(url)
    study = optuna.create_study(storage=storage, study_name="digits", direction="maximize")
    study.set_user_attr("lease", "x" * 5000)
    for number, value in enumerate([0.5, 0.9, 0.7, None, 0.6, None]):
        trial = study.ask()
        trial.suggest_categorical("noise", ("uniform", "normal"))
        trial.suggest_float("alpha", 0.5, 2.0)
        trial.set_user_attr("address", "postgresql://ana:secret@db/studies")
        if number == 3:
            trial.set_user_attr("reason", "worker lost")
            study.tell(trial, state=TrialState.FAIL)
        elif value is not None:
            study.tell(trial, value)
    return study


def frame_of(study: optuna.Study) -> pd.DataFrame:
    rows = []
    for trial in study.trials:
        row = {"number": trial.number, "state": trial.state.name, "value": trial.value}
        row |= {"reason": trial.user_attrs.get("reason"), "attempt": 2 if trial.number == 4 else 1}
        rows.append(row | {"retry_of": 3.0 if trial.number == 4 else None})
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dashboard") / "study.db"
    make_study(f"sqlite:///{path}")._storage.remove_session()
    return path


@pytest.fixture
def study(database: Path, tmp_path: Path) -> optuna.Study:
    shutil.copy(database, tmp_path / "study.db")
    return optuna.load_study(study_name="digits", storage=f"sqlite:///{tmp_path}/study.db")


@pytest.fixture
def facts() -> StudyFacts:
    return StudyFacts("digits", 10, ["val_accuracy"], [True], ATTRIBUTION)
