"""Noticing that the storage under a running launch is no longer the one that it began with."""

import os
from pathlib import Path
from typing import Any

import sqlalchemy
from optuna import Study
from optuna.storages import RDBStorage

from ana_search.errors import StorageLostError
from ana_search.storage.private import backend_of, storage_of
from ana_search.storage.urls import journal_path, sqlite_path

__all__ = ["StorageGuard", "answer_soon", "storage_file"]

_BUSY_SECONDS = 3


def storage_file(url: str) -> Path | None:
    """Return the file of an SQLite or journal URL, absolute, or ``None`` where a server holds the study."""
    path = sqlite_path(url) or journal_path(url)
    return None if path is None else path.absolute()


def answer_soon(study: Study) -> None:
    """Let SQLite say after a few seconds that another process has locked it, instead of after a minute.

    Whoever waits for it then hears Ctrl-C meanwhile, and can tell people why nothing happens.
    """
    backend = backend_of(storage_of(study))
    if not isinstance(backend, RDBStorage) or backend.engine.dialect.name != "sqlite":
        return

    def prepare(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}")

    backend.engine.dispose()
    sqlalchemy.event.listen(backend.engine, "connect", prepare)


class StorageGuard:
    """Looks at the storage's file, if it has one.

    A database that is deleted, or replaced by another file, goes on to exist for the process that has it open: what
    is written then succeeds and is read by nobody.
    """

    def __init__(self, url: str) -> None:
        self._path = storage_file(url)
        self._identity, self._size = _look(self._path) if self._path is not None else ((0, 0), 0)

    def check(self) -> None:
        """Raise `StorageLostError` if the file is gone, another one, or shorter than it was. Cheap."""
        if self._path is None:
            return
        try:
            identity, size = _look(self._path)
        except (FileNotFoundError, NotADirectoryError):
            raise StorageLostError(f"{self._path} was deleted while the study ran") from None
        except OSError:  # a file system that is away is dealt with where results are read and written, not here
            return
        if identity != self._identity:
            raise StorageLostError(f"{self._path} was replaced by another file while the study ran")
        if size < self._size:
            raise StorageLostError(
                f"{self._path} was cut or overwritten while the study ran: {size} bytes after {self._size}"
            )
        self._size = size


def _look(path: Path) -> tuple[tuple[int, int], int]:
    status = os.stat(path)
    return (status.st_dev, status.st_ino), status.st_size
