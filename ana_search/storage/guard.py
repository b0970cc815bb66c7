"""Noticing that the storage under a running launch is no longer the one that it began with."""

import os
from pathlib import Path

from ana_search.errors import StorageLostError
from ana_search.storage.urls import journal_path, sqlite_path

__all__ = ["StorageGuard", "storage_file"]


def storage_file(url: str) -> Path | None:
    """Return the file of an SQLite or journal URL, absolute, or ``None`` where a server holds the study."""
    path = sqlite_path(url) or journal_path(url)
    return None if path is None else path.absolute()


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
        except OSError:  # a file system that is away for a while is the business of who reads or writes results
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
