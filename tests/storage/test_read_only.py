"""Reading must not write: on a read-only disk, in a folder without permission, and on a replica."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
import sqlalchemy

from ana_search.dispatch.local import LocalDispatcher
from ana_search.errors import StorageError
from ana_search.runner import launch
from ana_search.storage import locate, open_storage, open_study
from ana_search.study_file import StudySpec
from ana_search.summary import best_trials, study_status
from tests.runner.commands import words_of
from tests.runner.studies import make_spec

NAME = "archived"
UNTIL_KILLED = """
import os, sys
from ana_search.storage import locate
study = locate("archived", runs=sys.argv[1]).open()
study.set_user_attr("left", "in the log")
os._exit(0)
"""


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> StudySpec:
    return make_spec(
        tmp_path_factory.mktemp("file"),
        NAME,
        training="epochs = 1",
        data="train_size = 100",
        space='noise = ["uniform"]',
    )


@pytest.fixture(scope="module")
def archive(spec: StudySpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("archive") / "runs"
    launch(spec, runs=runs, workers=1, dispatcher=LocalDispatcher())
    return runs


@pytest.fixture(params=["closed", "killed", "killed, without index"])
def runs(request: pytest.FixtureRequest, archive: Path, tmp_path: Path) -> Path:
    """Return a folder of runs whose database was closed, or whose log was left behind by a driver that was killed."""
    runs = Path(shutil.copytree(archive, tmp_path / "runs"))
    if request.param == "closed":
        database = sqlite3.connect(runs / NAME / "study.db")  # the last connection that is closed removes the log
        database.execute("PRAGMA wal_checkpoint")
        database.close()
        assert not (runs / NAME / "study.db-wal").exists()
    else:
        subprocess.run([sys.executable, "-c", UNTIL_KILLED, str(runs)], check=True)
        assert (runs / NAME / "study.db-wal").stat().st_size
    if request.param == "killed, without index":
        (runs / NAME / "study.db-shm").unlink()
    return runs


def listing(folder: Path) -> dict[str, bytes]:
    """Return every file by its content, but for the index of an SQLite log, which readers share."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".db-shm")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def namespaces_work() -> bool:
    made = subprocess.run(["unshare", "-rm", "true"], capture_output=True) if shutil.which("unshare") else None
    return made is not None and made.returncode == 0


def in_read_only_mount(runs: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command where the folder of runs is a disk that cannot be written to: for root too."""
    script = 'runs="$1"; shift; mount --bind "$runs" "$runs" && mount -o remount,ro,bind "$runs" && exec "$@"'
    command = ["unshare", "-rm", "sh", "-c", script, "sh", str(runs), *words_of(*words, "--runs", str(runs))]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment)


@pytest.mark.skipif(not namespaces_work(), reason="needs the right to mount in a namespace of its own")
def test_every_reading_command_works_on_a_read_only_disk(runs: Path, tmp_path: Path) -> None:
    before = listing(runs)
    commands = [
        ("status", NAME),
        ("best", NAME),
        ("analyse", NAME, "--out", str(tmp_path / "report")),
        ("export", NAME, "--out", str(tmp_path / "models")),
        ("rerun", NAME, "--trial", "0"),
    ]
    whole = (runs / NAME / "study.db-wal").exists() and not (runs / NAME / "study.db-shm").exists()
    for words in commands if whole else commands[:1]:  # the hardest case takes all of them
        done = in_read_only_mount(runs, *words)
        assert done.returncode == 0, (words, done.stderr)
    assert (tmp_path / "report" / "report.html").is_file() == whole
    assert (tmp_path / "models" / "manifest.json").is_file() == whole
    done = in_read_only_mount(runs, "launch", NAME)
    assert done.returncode == 2
    assert "read-only" in done.stderr
    assert listing(runs) == before


def test_reading_leaves_every_file_as_it_was(runs: Path) -> None:
    before = listing(runs)
    stored = open_study(NAME, runs=runs)
    assert study_status(stored)["finished"] == 1
    assert len(best_trials(stored)) == 1
    with pytest.raises(Exception, match=r"readonly|commit"):
        stored.study.set_user_attr("written", 1)
    stored.study._storage.remove_session()
    del stored
    assert {name: content for name, content in listing(runs).items() if content} == before


@pytest.fixture
def closed_folder(runs: Path) -> Iterator[Path]:
    folder = runs / NAME
    subprocess.run(["chmod", "-R", "a-w", str(folder)], check=True)
    yield runs
    subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)


def test_a_folder_without_permission_to_write(closed_folder: Path) -> None:
    """As a user whom permissions bind: root is not, and takes another's number for this."""
    program = [
        sys.executable,
        "-c",
        "from ana_search.cli import main; main()",
        "status",
        NAME,
        "--runs",
        str(closed_folder),
    ]
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root is bound by no permission, and there is no setpriv to become another user")
        for parent in [closed_folder, *closed_folder.parents][:-1]:
            if parent.stat().st_uid == 0 and parent != Path("/tmp"):
                parent.chmod(parent.stat().st_mode | 0o055)
        subprocess.run(["chmod", "-R", "a+rX", str(closed_folder)], check=True)
        program = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *program]
        if subprocess.run([*program[:4], sys.executable, "-c", "import ana_search"], capture_output=True).returncode:
            pytest.skip("another user cannot reach this installation")
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, env=os.environ | {"HOME": "/tmp"})
    assert done.returncode == 0, done.stderr
    assert "1 of 1" in done.stdout


def test_a_log_whose_index_cannot_be_made_is_read_all_the_same(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a network file system, where SQLite's locks are not to be trusted."""
    from ana_search.storage import opening

    monkeypatch.setattr(opening, "_file_system", lambda path: "nfs4")
    has_log = (runs / NAME / "study.db-wal").exists()
    stored = open_study(NAME, runs=runs)
    assert study_status(stored)["finished"] == 1
    assert stored.study.user_attrs.get("left") == ("in the log" if has_log else None)
    with pytest.raises(StorageError, match="network file system"):
        locate(NAME, runs=runs).open(write=True)


def test_what_a_driver_writes_is_seen_by_who_reads(archive: Path, tmp_path: Path) -> None:
    runs = Path(shutil.copytree(archive, tmp_path / "runs"))
    driver, reader = locate(NAME, runs=runs).open(write=True), locate(NAME, runs=runs).open(write=False)
    for number in range(3):
        driver.set_user_attr("count", number)
        assert reader.user_attrs["count"] == number


def test_a_database_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    path.write_bytes(b"not a database" * 1000)
    for create in (True, False):
        with pytest.raises(StorageError, match=r"study\.db.*not a database"):
            open_storage(f"sqlite:///{path}", create=create)
    other = tmp_path / "other.db"
    sqlite3.connect(other).execute("CREATE TABLE t (x)").connection.close()
    with pytest.raises(StorageError, match="no such file or database"):
        open_storage(f"sqlite:///{other}", create=False)
    assert optuna.storages is not None
    assert sqlalchemy.inspect(sqlalchemy.create_engine(f"sqlite:///{other}")).get_table_names() == ["t"]
