"""Opening a storage: SQLite in WAL mode, another database by URL, or a journal file."""

import os
import time
import warnings
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, JournalStorage, RDBStorage

from ana_search.errors import StorageError
from ana_search.passwords import hide_in_answer, hide_in_url
from ana_search.storage.journal import JournalFile, JournalReader
from ana_search.storage.sqlite_reading import reading_connection
from ana_search.storage.urls import journal_path, sqlite_path
from ana_search.url_checks import storage_problem

__all__ = ["open_storage", "unreadable"]

EngineOptions = dict[str, Any]
"""What SQLAlchemy's ``create_engine`` takes."""

_BUSY_SECONDS = 60
_CONNECT_SECONDS = 10
_SETUP_SECONDS = 10.0
_MADE_LAST = "alembic_version"  # the table that Optuna makes last
_ASK_READ_ONLY = {
    "postgresql": "SHOW transaction_read_only",
    "mysql": "SELECT @@transaction_read_only OR @@global.read_only",
    "mariadb": "SELECT @@tx_read_only OR @@global.read_only",
}
_NETWORK_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "afs", "lustre", "beegfs",
                         "gpfs", "ceph", "glusterfs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph"}  # fmt: skip
_ALLOWED = "sqlite:///FILE, postgresql://USER:PASSWORD@HOST/DATABASE, mysql://..., journal:///FILE"


def open_storage(url: str, *, create: bool = True, write: bool | None = None) -> BaseStorage:
    """Return the storage at ``url``; with ``create`` it is made if it does not exist.

    Where SQLite is written to, it is put into WAL mode with ``synchronous=NORMAL`` and a busy timeout of a minute:
    readers such as the dashboard then never block the driver, and a commit does not wait for the disk. Reading
    works on a disk, in a folder and on a server that cannot be written to.

    Args:
        url: of the storage.
        create: make it if it does not exist.
        write: whether it is to be written to (default: as ``create``).

    Raises:
        StorageError: the URL is not one of a storage, there is none and ``create`` is false, its file is on a
            network file system (SQLite's locks do not hold there) or damaged, it cannot be reached, or it is to be
            written to and cannot be.
    """
    write = create if write is None else write
    problem = storage_problem(url)
    if problem:
        raise StorageError(f"storage {hide_in_url(url)!r}: allowed: {problem}")
    journal = journal_path(url)
    if journal is not None:
        return _open_journal(journal, create, write)
    path = sqlite_path(url)
    if path is None and url.partition("?")[0].count("@") > 1:
        raise StorageError(f"storage {hide_in_url(url)}: more than one '@'; allowed: %40 for an '@' in a password")
    if path is not None:
        _check_sqlite(path, create, write)
    options = _engine_options(url, path is not None)
    clean_up = None
    try:
        if path is not None and not write:
            locks = _file_system(path) not in _NETWORK_FILE_SYSTEMS
            options["creator"], clean_up = reading_connection(path, _BUSY_SECONDS, locks=locks)
        is_set_up, read_only = _look(url, options)
        if not create and not is_set_up:
            raise StorageError(f"storage {hide_in_url(url)}: there is no such file or database, or not yet")
        if write and read_only:
            raise StorageError(
                f"storage {hide_in_url(url)}: is read-only here (a replica?), and this is to write to it; allowed: "
                "the server that it is copied from; `status`, `best`, `analyse`, `export` and `dashboard` work here too"
            )
        storage = _database(url, options)
    except StorageError:
        raise
    except (
        Exception
    ) as error:  # SQLAlchemy, its drivers and Optuna raise many kinds; each means that it cannot be opened
        raise StorageError(f"storage {hide_in_url(url)}: {_reason(error, url)}; allowed: {_ALLOWED}") from None
    if path is not None and write:
        _use_wal(storage.engine, path)
    weakref.finalize(storage, _close, storage.engine, clean_up)  # its connections are closed with it
    return storage


def unreadable(url: str, error: Exception) -> StorageError:
    """Return the error of a storage that was opened and whose contents cannot be read."""
    return StorageError(f"storage {hide_in_url(url)}: cannot be read, it may be damaged: {_reason(error, url)}")


def _close(engine: sqlalchemy.Engine, clean_up: Callable[[], None] | None) -> None:
    engine.dispose()
    if clean_up is not None:
        clean_up()


def _look(url: str, options: EngineOptions) -> tuple[bool, bool]:
    """Return whether Optuna's tables are there, to the last that is written when they are made, and read-only.

    Optuna makes what it misses whenever it opens a database: a reader that comes while the tables are being made would
    make them too, and one of the two would fail.
    """
    engine = sqlalchemy.create_engine(url, **options)
    try:
        with engine.connect() as connection:
            asked = _ASK_READ_ONLY.get(engine.dialect.name)
            read_only = asked is not None and str(connection.execute(sqlalchemy.text(asked)).scalar()) in ("on", "1")
            if not sqlalchemy.inspect(connection).has_table(_MADE_LAST):
                return False, read_only
            made = connection.execute(sqlalchemy.text(f"SELECT 1 FROM {_MADE_LAST}")).first() is not None
            return made, read_only
    finally:
        engine.dispose()


def _database(url: str, options: EngineOptions) -> RDBStorage:
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


def _open_journal(path: Path, create: bool, write: bool) -> BaseStorage:
    if not create and not path.is_file():
        raise StorageError(f"storage journal://{path}: there is no such file")
    if path.exists() and not path.is_file():
        raise StorageError(f"storage journal://{path}: is not a file")
    if write:
        _make_writable_place("journal", path)
    try:
        return JournalStorage(JournalFile(path) if write else JournalReader(path))
    except Exception as error:  # a damaged line makes Optuna raise whatever it stumbles on
        raise StorageError(f"storage journal://{path}: {_reason(error, '')}") from None


def _make_writable_place(scheme: str, path: Path) -> None:
    """Make the folder of a storage's file; raise `StorageError` where the file cannot be written to."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise StorageError(f"storage {scheme}:///{path}: {error}") from None
    if not os.access(path.parent, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        raise StorageError(
            f"storage {scheme}:///{path}: the file or its folder is read-only, and this is to write to it; allowed: "
            "a folder that can be written to (--runs, --storage)"
        )


def _engine_options(url: str, sqlite: bool) -> EngineOptions:
    if sqlite:
        return {"connect_args": {"timeout": _BUSY_SECONDS}}
    options: EngineOptions = {"pool_pre_ping": True, "pool_recycle": 300}
    if url.startswith(("postgresql", "mysql")):
        options["connect_args"] = {"connect_timeout": _CONNECT_SECONDS}
    return options


def _check_sqlite(path: Path, create: bool, write: bool) -> None:
    if not create and not path.is_file():
        raise StorageError(f"storage sqlite:///{path}: there is no such file")
    kind = _file_system(path)
    if write and kind in _NETWORK_FILE_SYSTEMS:
        raise StorageError(
            f"storage sqlite:///{path}: the file is on a network file system ({kind}), where SQLite's locks do not "
            "hold; allowed: a local disk, postgresql://... or journal:///FILE"
        )
    if write:
        _make_writable_place("sqlite", path)


def _file_system(path: Path) -> str:
    """Return the type of the file system that ``path`` is or would be on."""
    resolved = path.resolve()
    mounts = [part for part in psutil.disk_partitions(all=True) if resolved.is_relative_to(part.mountpoint)]
    return max(mounts, key=lambda part: len(part.mountpoint)).fstype if mounts else ""


def _use_wal(engine: sqlalchemy.Engine, path: Path) -> None:
    """Set WAL mode, which is stored in the file, and the settings that every single connection needs."""

    def prepare(connection: Any, _record: Any = None) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}")
        cursor.close()

    engine.dispose()
    sqlalchemy.event.listen(engine, "connect", prepare)
    try:
        engine.connect().close()
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise StorageError(f"storage sqlite:///{path}: cannot be written to: {_reason(error, '')}") from None


def _reason(error: Exception, url: str) -> str:
    """Return the first line of the innermost error, without a password."""
    while error.__cause__ is not None and isinstance(error.__cause__, Exception):
        error = error.__cause__
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return hide_in_answer(lines[0], url)
