"""Optuna's journal file, with repair: half a line that a full disk or a killed process left is cut off."""

import errno
import os
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import get_lock_file

__all__ = ["JournalFile", "JournalReader"]


class JournalFile(JournalFileBackend):
    """A journal that a full disk or a driver killed in the middle of a line cannot spoil.

    Optuna appends to whatever the file ends with: after half a line the next one would be unreadable, and with it
    the whole study. Here what was never written to its end is cut off before anything is appended.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append the lines, or leave the file as it was and raise `OSError`."""
        with get_lock_file(self._lock):
            _cut_half_line(self._file_path)
        try:
            super().append_logs(logs)
        except OSError:
            with get_lock_file(self._lock):
                _cut_half_line(self._file_path)
            raise


class JournalReader(JournalFileBackend):
    """A journal that is only read: no lock beside it, and an error for whatever would be written."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Raise `OSError`: the journal was opened for reading."""
        raise OSError(errno.EROFS, "the journal was opened for reading", self._file_path)


def _cut_half_line(path: str) -> None:
    with open(path, "rb+") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return
        file.seek(size - 1)
        if file.read(1) == b"\n":
            return
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
