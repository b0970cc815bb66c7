"""Opening a storage: SQLite in WAL mode, another database by URL, or a journal file."""

import time
import warnings
import weakref
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, JournalStorage, RDBStorage

from ana_search.errors import StorageError
from ana_search.storage.journal import JournalFile
from ana_search.storage.urls import hide_password, sqlite_path
from ana_search.study_file.storage_url import storage_problem

__all__ = ["open_storage"]

_BUSY_SECONDS = 60
_CONNECT_SECONDS = 10
_SETUP_SECONDS = 10.0
_MADE_LAST = "alembic_version"  # of the tables that Optuna makes
_JOURNAL = "journal://"
_NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afs", "lustre", "beegfs",
                         "gpfs", "ceph", "glusterfs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph"}  # fmt: skip
_ALLOWED = "sqlite:///FILE, postgresql://USER:PASSWORD@HOST/DATABASE, mysql://..., journal:///FILE"


def open_storage(url: str, *, create: bool = True) -> BaseStorage:
    """Return the storage at ``url``; with ``create`` it is made if it does not exist.

    SQLite is put into WAL mode with ``synchronous=NORMAL`` and a busy timeout of a minute: readers such as the
    dashboard then never block the driver, and a commit does not wait for the disk.

    Raises:
        StorageError: the URL is not one of a storage, there is none and ``create`` is false, its file is on a
            network file system (SQLite's locks do not hold there), or it cannot be reached.
    """
    problem = storage_problem(url)
    if problem:
        raise StorageError(f"storage {hide_password(url)!r}: allowed: {problem}")
    if url.startswith(_JOURNAL):
        return _open_journal(Path(url.removeprefix(_JOURNAL)), create)
    path = sqlite_path(url)
    if path is None and url.partition("?")[0].count("@") > 1:
        raise StorageError(f"storage {hide_password(url)}: more than one '@'; allowed: %40 for an '@' in a password")
    if path is not None:
        _check_sqlite(path, create)
    options = _engine_options(url, path is not None)
    try:
        if not create and not _is_set_up(url, options):
            raise StorageError(f"storage {hide_password(url)}: there is no such file or database, or not yet")
        storage = _database(url, options)
    except StorageError:
        raise
    except Exception as error:  # SQLAlchemy, its drivers and Optuna raise many kinds; all mean the same here
        raise StorageError(f"storage {hide_password(url)}: {_reason(error)}; allowed: {_ALLOWED}") from None
    if path is not None:
        _use_wal(storage.engine)
    weakref.finalize(storage, storage.engine.dispose)  # its connections are closed with it
    return storage


def _is_set_up(url: str, options: dict[str, Any]) -> bool:
    """Return whether Optuna's tables are there, to the last that is written when they are made.

    Optuna makes what it misses whenever it opens a database: a reader that comes while the tables are being made would
    make them too, and one of the two would fail.
    """
    engine = sqlalchemy.create_engine(url, **options)
    try:
        with engine.connect() as connection:
            if not sqlalchemy.inspect(connection).has_table(_MADE_LAST):
                return False
            return connection.execute(sqlalchemy.text(f"SELECT 1 FROM {_MADE_LAST}")).first() is not None
    finally:
        engine.dispose()


def _database(url: str, options: dict[str, Any]) -> RDBStorage:
    """Return Optuna's storage; where another process is making its tables in the same moment, wait for it."""
    until = time.monotonic() + _SETUP_SECONDS
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                return RDBStorage(url, engine_kwargs=dict(options))
        except sqlalchemy.exc.SQLAlchemyError as error:
            if not _made_by_another(error) or time.monotonic() > until:
                raise
            time.sleep(0.1)


def _made_by_another(error: sqlalchemy.exc.SQLAlchemyError) -> bool:
    return isinstance(error, sqlalchemy.exc.IntegrityError) or "already exists" in str(error)


def _open_journal(path: Path, create: bool) -> BaseStorage:
    if not create and not path.is_file():
        raise StorageError(f"storage journal://{path}: there is no such file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"storage journal://{path}: {error}") from None
    return JournalStorage(JournalFile(path))


def _engine_options(url: str, sqlite: bool) -> dict[str, Any]:
    if sqlite:
        return {"connect_args": {"timeout": _BUSY_SECONDS}}
    options: dict[str, Any] = {"pool_pre_ping": True, "pool_recycle": 300}
    if url.startswith(("postgresql", "mysql")):
        options["connect_args"] = {"connect_timeout": _CONNECT_SECONDS}
    return options


def _check_sqlite(path: Path, create: bool) -> None:
    if not create and not path.is_file():
        raise StorageError(f"storage sqlite:///{path}: there is no such file")
    kind = _file_system(path)
    if kind in _NETWORK_FILE_SYSTEMS:
        raise StorageError(
            f"storage sqlite:///{path}: the file is on a network file system ({kind}), where SQLite's locks do not "
            "hold; allowed: a local disk, postgresql://... or journal:///FILE"
        )
    if create:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"storage sqlite:///{path}: {error}") from None


def _file_system(path: Path) -> str:
    """Return the type of the file system that ``path`` is or would be on."""
    resolved = path.resolve()
    mounts = [part for part in psutil.disk_partitions(all=True) if resolved.is_relative_to(part.mountpoint)]
    return max(mounts, key=lambda part: len(part.mountpoint)).fstype if mounts else ""


def _use_wal(engine: sqlalchemy.Engine) -> None:
    """Set WAL mode, which the file keeps, and for this and every later connection what a connection keeps."""

    def prepare(connection: Any, _record: Any = None) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}")
        cursor.close()

    engine.dispose()
    sqlalchemy.event.listen(engine, "connect", prepare)


def _reason(error: Exception) -> str:
    """Return the first line of the innermost error, without a password."""
    while error.__cause__ is not None and isinstance(error.__cause__, Exception):
        error = error.__cause__
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return hide_password(lines[0])
