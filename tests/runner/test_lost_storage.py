"""A storage that is deleted, replaced or damaged under a running launch: noticed, said, and nothing in memory lost."""

import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
import sqlalchemy

from ana_search.dispatch.local import LocalDispatcher
from ana_search.errors import StorageLostError
from ana_search.runner import launch
from ana_search.storage import open_storage
from tests.runner.commands import run
from tests.runner.postgres import Postgres
from tests.runner.studies import Watcher, check_sound, complete, make_spec, trials_of

DONE = 2  # trials finished before the fault
LOCK = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1])
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(600)
"""


class Faulty(Watcher):
    """Does something to the storage in the first epoch after so many trials have ended."""

    def __init__(self, fault: Callable[[], object]) -> None:
        super().__init__(self._strike)
        self._fault = fault
        self.struck_at: float | None = None

    def _strike(self, worker: str, trial: int, epoch: int) -> None:
        if len(self.ended) >= DONE and self.struck_at is None:
            self._fault()
            self.struck_at = time.monotonic()


def delete(path: Path) -> None:
    path.unlink()


def delete_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def replace_by_backup(path: Path) -> None:
    """Put a copy in its place that was made before the last trials."""
    connection = sqlite3.connect(path)
    backup = sqlite3.connect(path.with_name("backup.db"))
    connection.backup(backup)
    backup.close()
    connection.close()
    os.replace(path.with_name("backup.db"), path)


def overwrite_in_place(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(4096)


def damage(path: Path) -> None:
    path.with_name(f"{path.name}-wal").write_bytes(b"")
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * (path.stat().st_size - 100))


def delete_study(path: Path) -> None:
    optuna.delete_study(study_name="faults", storage=open_storage(f"sqlite:///{path}"))


def take_trials_away(path: Path) -> None:
    """As an older backup restored through the server's own tools would."""
    connection = sqlite3.connect(path, timeout=30)
    with connection:
        for table in ("trial_values", "trial_params", "trial_user_attributes", "trial_system_attributes"):
            connection.execute(f"DELETE FROM {table} WHERE trial_id >= 2")
        connection.execute("DELETE FROM trials WHERE trial_id >= 2")
    connection.close()


QUICK = (delete, replace_by_backup, take_trials_away)
SLOW = (delete_folder, overwrite_in_place, damage, delete_study)
FAULTS = [*QUICK, *(pytest.param(fault, marks=pytest.mark.slow) for fault in SLOW)]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_what_is_in_memory_is_kept_and_can_be_gone_on_with(
    fault: Callable[[Path], None], tmp_path: Path, runs: Path
) -> None:
    spec = make_spec(tmp_path, data="train_size = 600", training="epochs = 12")
    watcher = Faulty(lambda: fault(runs / "faults" / "study.db"))
    with pytest.raises(StorageLostError) as raised:
        launch(spec, workers=1, runs=runs, patience=2, progress=watcher, dispatcher=LocalDispatcher())
    assert watcher.struck_at is not None
    assert time.monotonic() - watcher.struck_at < 40
    if fault is not damage:  # SQLite goes on from the pages that it has in memory; the results are read back at the end
        assert len(watcher.ended) <= DONE + 1, "it went on after the next trial"
    words = shlex.split(str(raised.value).partition("go on with them: ")[2])
    assert words[:3] == ["ana-search", "launch", "faults"]
    url = words[words.index("--storage") + 1]
    rescued = Path(url.removeprefix("sqlite:///"))
    assert rescued.parent == runs / "faults"
    kept = complete(trials_of(runs, storage=url))
    assert len(kept) >= DONE
    if fault is not delete_folder:  # with it the weights are gone; the results are not
        if fault is delete:  # typed as printed, in another folder: it needs no study file
            done = run(tmp_path, *words[1:])
            assert done.returncode == 0, done.stderr
        else:
            again = launch(spec, workers=1, runs=runs, storage=url, dispatcher=LocalDispatcher())
            assert (again.finished, again.complete) == (4, 4)
        trials = trials_of(runs, storage=url)
        check_sound(trials, 4)
        assert {trial.number: trial.value for trial in trials}.items() >= {t.number: t.value for t in kept}.items()


def test_a_database_that_stays_locked_is_given_up_after_the_stated_time(tmp_path: Path, runs: Path) -> None:
    spec = make_spec(tmp_path, data="train_size = 600", training="epochs = 12")
    lockers: list[subprocess.Popen[str]] = []

    def lock() -> None:
        words = [sys.executable, "-c", LOCK, str(runs / "faults" / "study.db")]
        lockers.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
        assert lockers[0].stdout is not None
        assert lockers[0].stdout.readline() == "locked\n"

    watcher = Faulty(lock)
    try:
        with pytest.raises(StorageLostError, match=r"did not answer for \d+ s \(.*locked.*rescued"):
            launch(spec, workers=1, runs=runs, patience=4, progress=watcher, dispatcher=LocalDispatcher())
        assert watcher.struck_at is not None
        assert time.monotonic() - watcher.struck_at < 30
        assert any("trying again for up to 4 s" in message for message in watcher.messages)
    finally:
        for locker in lockers:
            locker.kill()
            locker.communicate()


def test_a_database_on_a_server_that_is_another_one_now(postgres: Postgres, tmp_path: Path, runs: Path) -> None:
    """A table is dropped: the server answers, but not with what was written there."""
    url = postgres.url("dropped")
    spec = make_spec(tmp_path)

    def drop() -> None:
        engine = sqlalchemy.create_engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql("SET lock_timeout = '20s'")
            connection.exec_driver_sql("DROP TABLE trials CASCADE")
        engine.dispose()

    with pytest.raises(StorageLostError, match="rescued"):
        launch(spec, workers=1, runs=runs, storage=url, patience=2, progress=Faulty(drop), dispatcher=LocalDispatcher())
    rescued = f"sqlite:///{runs}/faults/rescued.db"
    assert len(complete(trials_of(runs, storage=rescued))) >= DONE


def test_a_result_that_cannot_be_read_back_is_no_success(
    tmp_path: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something has changed a value behind the driver's back; nothing else shows it."""
    spec = make_spec(tmp_path)

    class Changed(Watcher):
        def trial_ended(self, worker: str, trial: int, state: str, *, finished: int) -> None:
            super().trial_ended(worker, trial, state, finished=finished)
            if finished == 4:
                with sqlite3.connect(runs / "faults" / "study.db") as connection:
                    connection.execute("UPDATE trial_values SET value = 0.5 WHERE trial_id = 2")

    with pytest.raises(StorageLostError, match=r"does not hold 1 results that were reported \(trials 1\)"):
        launch(spec, workers=1, runs=runs, progress=Changed(), dispatcher=LocalDispatcher())
