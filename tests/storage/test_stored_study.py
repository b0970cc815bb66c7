"""One open study: what it reads is what Optuna reads, files are known by their hash, and a storage is opened once."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import optuna
import pytest
from optuna.trial import TrialState
from typer.testing import CliRunner

from ana_search.cli.main import build_app
from ana_search.dispatch.local import LocalDispatcher
from ana_search.errors import DamagedFileError
from ana_search.runner import launch
from ana_search.storage import open_study, opening
from ana_search.storage.reading_trials import read_trials
from tests.conftest import KEPT as NAME
from tests.runner.commands import running, wait_until
from tests.runner.postgres import Postgres
from tests.runner.studies import make_spec

FIELDS = (
    "number", "state", "values", "params", "distributions", "user_attrs", "system_attrs", "intermediate_values",
    "datetime_start", "datetime_complete", "_trial_id",
)  # fmt: skip


def command(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(build_app(), [str(word) for word in words])
    return result.exit_code, result.output


@pytest.mark.parametrize("scheme", ["sqlite", "journal", "postgresql"])
def test_trials_are_read_as_optuna_reads_them(scheme: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if scheme == "postgresql":
        url = request.getfixturevalue("server").url("read")
    else:
        url = f"{scheme}:///{tmp_path / 'study'}"
    storage = opening.open_storage(url)
    other = optuna.create_study(study_name="other", storage=storage, directions=["maximize", "minimize"])
    other.add_trial(optuna.trial.create_trial(values=[0.5, 0.25]))
    study = optuna.create_study(study_name="read", storage=storage, direction="maximize")
    study.enqueue_trial({"choice": "b"}, user_attrs={"note": [1, {"two": None}]})

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_categorical("choice", ("a", "b", 3, 2.5, True, None))
        trial.suggest_int("count", 1, 8, log=True)
        trial.report(float("nan"), 1)
        trial.report(0.25, 2)
        if trial.number == 2:
            raise optuna.TrialPruned
        if trial.number == 3:
            return float("nan")
        return trial.suggest_float("rate", 1e-4, 1.0, log=True)

    study.optimize(objective, n_trials=6)
    study.ask()
    for one in (study, other):
        expected = one._storage.get_all_trials(one._study_id, deepcopy=False)
        found = read_trials(one._storage, one._study_id)
        assert len(found) == len(expected)
        for mine, theirs in zip(found, expected, strict=True):
            for field in FIELDS:
                assert str(getattr(mine, field)) == str(getattr(theirs, field)), field
    states = [trial.state for trial in read_trials(study._storage, study._study_id)]
    assert {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING} <= set(states)


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


def test_weights_and_history_are_known_by_the_hash_in_the_trial(runs: Path) -> None:
    stored = open_study(NAME, runs=runs)
    first, second = (stored.place.folder.trial(number) for number in (0, 1))
    for trial in stored.trials:
        assert len(trial.weights_sha256 or "") == len(trial.history_sha256 or "") == 64
        stored.network(trial.number)
    for name in ("network.pt", "history.json"):
        shutil.copy(second / name, first / name)
    with pytest.raises(DamagedFileError, match=r"network\.pt.*another study of the same name"):
        stored.network(0)
    with pytest.raises(DamagedFileError, match=r"history\.json"):
        stored.history(0)
    stored.network(1)


def test_a_study_of_the_same_name_that_shares_the_run_directory(runs: Path, tmp_path: Path) -> None:
    """Its weights take the place of the first study's: nothing of the first is exported or repeated unsaid."""
    other = f"sqlite:///{tmp_path / 'other.db'}"
    spec = make_spec(
        tmp_path, NAME, study='sampler = "grid"\nseed = 7', training="epochs = 1", data="train_size = 100",
        space='noise = ["uniform", "normal"]',
    )  # fmt: skip
    launch(spec, runs=runs, storage=other, workers=1, dispatcher=LocalDispatcher())
    out = tmp_path / "models"
    code, output = command("export", NAME, "--runs", runs, "--out", out)
    assert code in (1, 2), output
    assert "another study of the same name" in output
    assert not list(out.glob("*"))
    code, output = command("rerun", NAME, "--runs", runs, "--trial", 0)
    assert code == 1
    assert "another study of the same name" in output
    code, output = command("confirm", NAME, "--runs", runs, "--seeds", 2)
    assert code == 0, output
    assert "another study of the same name" in output
    code, output = command("export", NAME, "--runs", runs, "--storage", other, "--out", out)
    assert code == 0, output


def test_a_trial_without_a_hash_is_exported_and_said_to_be_so(runs: Path, tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(runs / NAME / "study.db") as database:
        database.execute("DELETE FROM trial_user_attributes WHERE key LIKE '%sha256'")
    code, output = command("export", NAME, "--runs", runs, "--out", tmp_path / "models")
    assert code == 0, output
    assert "has no hash of its weights" in output


def test_export_opens_the_storage_once(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    monkeypatch.setattr(opening, "_database", lambda *given, _real=opening._database: opened.append(1) or _real(*given))
    code, output = command("export", NAME, "--runs", runs, "--top", 2, "--out", tmp_path / "models")
    assert code == 0, output
    assert len(opened) == 1
    opened.clear()
    for words in (("status", NAME), ("best", NAME)):
        assert command(*words, "--runs", runs)[0] == 0
        assert opened == [1]
        opened.clear()


def note(address: str, study: int) -> str:
    """Return the note that the dashboard shows of a study."""
    return str(json.loads(urlopen(f"{address}/api/studies/{study}?after=0").read())["note"]["body"])


@pytest.mark.slow
def test_a_replica_is_read_and_not_written_to(tmp_path: Path, server: Postgres) -> None:
    url = server.url("replica")
    spec = make_spec(tmp_path, NAME, training="epochs = 1", data="train_size = 100", space='noise = ["uniform"]')
    runs = tmp_path / "runs"
    launch(spec, runs=runs, storage=url, workers=1, dispatcher=LocalDispatcher())
    server._server.psql("ALTER DATABASE replica SET default_transaction_read_only = on;")
    where = ("--runs", runs, "--storage", url)
    for words in (("status", NAME), ("best", NAME), ("export", NAME, "--out", tmp_path / "models")):
        code, output = command(*words, *where)
        assert code == 0, output
    code, output = command("analyse", NAME, "--out", tmp_path / "report", *where)
    assert code == 0, output
    code, output = command("launch", tmp_path / f"{NAME}.toml", *where)
    assert code == 2
    assert "read-only here (a replica?)" in output
    with running(tmp_path, "dashboard", NAME, "--port", "0", *map(str, where)) as dashboard:
        wait_until(lambda: "http://127.0.0.1" in dashboard.output(), "the dashboard says its address", 60)
        (address,) = set(re.findall(r"http://127\.0\.0\.1:\d+", dashboard.output()))
        (study,) = json.loads(urlopen(f"{address}/api/studies").read())["study_summaries"]
        assert study["study_name"] == NAME
        shown = json.loads(urlopen(f"{address}/api/studies/{study['study_id']}?after=0").read())
        assert [trial["state"] for trial in shown["trials"]] == ["Complete"]
        wait_until(lambda: bool(note(address, study["study_id"])), "the note is shown, from memory", 60)
        assert "Traceback" not in dashboard.output()


@pytest.mark.parametrize("damaged", [False, True])
def test_the_dashboard_of_a_study_that_cannot_be_written_to(damaged: bool, runs: Path, tmp_path: Path) -> None:
    """It shows the note from memory, and writes nothing; a damaged file costs its curve."""
    from ana_search.dashboard.serve import refresh
    from ana_search.storage.view import UnwrittenStorage

    stored = open_study(NAME, runs=runs)
    if damaged:
        (stored.place.folder.trial(0) / "history.json").write_bytes(b"")
    shown = UnwrittenStorage(stored.study._storage)
    study = optuna.load_study(study_name=NAME, storage=shown)  # type: ignore[arg-type]  # registered as a storage
    assert refresh(stored.place, study, tmp_path / "artifacts") == 2
    assert any("note" in key for key in shown.get_study_system_attrs(study._study_id))
    assert not any("note" in key for key in stored.study._storage.get_study_system_attrs(study._study_id))
