"""Opening storages: how SQLite is set, what is refused, and a journal cut short."""

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import optuna
import psutil
import pytest
import sqlalchemy
from optuna.storages import RDBStorage

from ana_search.errors import StorageError, StudyNotFoundError
from ana_search.storage import RunFolder, hide_password, locate, open_storage
from ana_search.storage.journal import JournalFile


def test_sqlite_is_in_wal_mode_with_a_long_busy_timeout(tmp_path: Path) -> None:
    storage = open_storage(f"sqlite:///{tmp_path}/new/study.db")
    assert isinstance(storage, RDBStorage)
    with storage.engine.connect() as connection:
        for pragma, expected in (("journal_mode", "wal"), ("synchronous", 1), ("busy_timeout", 60_000)):
            assert connection.execute(sqlalchemy.text(f"PRAGMA {pragma}")).scalar() == expected


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "lustre", "fuse.sshfs"])
def test_sqlite_on_a_network_file_system_is_refused(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The one thing that no test machine has: a mount of that kind.
    mounts = [SimpleNamespace(mountpoint="/", fstype="ext4"), SimpleNamespace(mountpoint=str(tmp_path), fstype=kind)]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)
    with pytest.raises(StorageError, match=rf"network file system \({kind}\).*postgresql://.*journal://"):
        open_storage(f"sqlite:///{tmp_path}/runs/study.db")
    assert list(tmp_path.iterdir()) == []
    open_storage(f"journal:///{tmp_path}/study.journal")


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "sqlite:////proc/none/study.db",
        "journal:////proc/none/study.journal",
        "postgresql+psycopg://ana:secret@127.0.0.1:1/studies",
        "postgresql://ana:se@cret@127.0.0.1:1/studies",
        "oracle://ana:secret@127.0.0.1/studies",
    ],
)
def test_a_storage_that_cannot_be_opened_is_a_wrong_request(url: str) -> None:
    with pytest.raises(StorageError) as caught:
        open_storage(url)
    assert "cret" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_password_with_an_at_sign_is_asked_for_in_its_encoded_form() -> None:
    with pytest.raises(StorageError, match="%40"):
        open_storage("postgresql://ana:se@cret@127.0.0.1:1/studies")


@pytest.mark.parametrize("scheme", ["sqlite", "journal"])
def test_looking_for_a_storage_creates_none(scheme: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no such file"):
        open_storage(f"{scheme}:///{tmp_path}/none", create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ana:secret@host:5432/db", "postgresql://ana:***@host:5432/db"),
        ("postgresql+psycopg://ana:p@ss:w/ord@host/db", "postgresql+psycopg://ana:***@host/db"),
        ("mysql://:secret@host/db", "mysql://:***@host/db"),
        ("postgresql://host/db?user=ana&password=secret", "postgresql://host/db?user=ana&password=***"),
        ("sqlite:////data/study.db", "sqlite:////data/study.db"),
        ("error in postgresql://ana:secret@host/db: none", "error in postgresql://ana:***@host/db: none"),
    ],
)
def test_a_password_is_never_shown(url: str, shown: str) -> None:
    assert hide_password(url) == shown


@pytest.mark.parametrize("name", ["../../x", "a/b", "nul\0", "", ".", "..", "-flag", ".hidden", "x" * 65, "new\nline"])
def test_a_name_that_could_leave_the_run_directory_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(StudyNotFoundError):
        RunFolder(tmp_path / "runs", name)
    with pytest.raises(StudyNotFoundError):
        locate(name, runs=tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []


def study_in(path: Path) -> optuna.Study:
    return optuna.create_study(study_name="kept", storage=open_storage(f"journal:///{path}"), load_if_exists=True)


def test_a_journal_cut_in_the_middle_of_a_line_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "study.journal"
    study_in(path).set_user_attr("first", 1)
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.write(b'{"op_code":2,"worker_id":"a dri')  # killed here
    study = study_in(path)
    assert study.user_attrs == {"first": 1}
    study.set_user_attr("second", 2)
    assert study_in(path).user_attrs == {"first": 1, "second": 2}
    assert path.read_bytes().startswith(whole)


def test_a_journal_is_whole_after_a_write_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "study.journal"
    study = study_in(path)
    whole = path.read_bytes()

    def full(self: object, logs: object) -> None:
        with path.open("ab") as file:
            file.write(b'{"half')
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(JournalFile.__mro__[1], "append_logs", full)
        with pytest.raises(OSError, match="No space left"):
            study.set_user_attr("lost", 1)
    assert path.read_bytes() == whole
    study.set_user_attr("kept", 1)
    assert study_in(path).user_attrs == {"kept": 1}


OPENERS = """
import sys, time
import optuna
from ana_search.errors import StorageError
from ana_search.storage import open_storage
url, role, start = sys.argv[1], sys.argv[2], float(sys.argv[3])
time.sleep(max(0.0, start - time.time()))
until = time.time() + (0.0 if role == "make" else 60.0)
while True:
    try:
        storage = open_storage(url, create=role == "make")
        optuna.create_study(study_name=role + sys.argv[4], storage=storage) if role == "make" else None
        break
    except StorageError as error:
        if role == "make" or "no such file" not in str(error) or time.time() > until:
            raise
"""


def test_many_may_open_a_database_while_it_is_made(tmp_path: Path) -> None:
    url, start = f"sqlite:///{tmp_path}/made/study.db", str(time.time() + 6)
    processes = [
        subprocess.Popen([sys.executable, "-c", OPENERS, url, role, start, str(number)], stderr=subprocess.PIPE)
        for role in ("make", "look")
        for number in range(2)
    ]
    said = [process.communicate(timeout=120)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, said
