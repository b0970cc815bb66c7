"""Storage URLs: which one holds a study, and which file an SQLite URL means."""

import os
import re
from pathlib import Path

from ana_search.passwords import hide_password
from ana_search.storage.folders import RunFolder

__all__ = ["STORAGE_VARIABLE", "hide_password", "journal_path", "sqlite_path", "storage_url"]

STORAGE_VARIABLE = "ANA_SEARCH_STORAGE"
JOURNAL = "journal://"


def storage_url(folder: RunFolder, *named: str | None) -> str:
    """Return the first URL named, the environment's, or that of the SQLite file in the run directory."""
    for url in (*named, os.environ.get(STORAGE_VARIABLE)):
        if url:
            return url
    return f"sqlite:///{folder.database}"


def sqlite_path(url: str) -> Path | None:
    """Return the file of an SQLite URL, or ``None`` for any other."""
    match = re.fullmatch(r"sqlite(?:\+\w+)?:///(?P<path>[^?]+)(?:\?.*)?", url)
    return None if match is None else Path(match["path"])


def journal_path(url: str) -> Path | None:
    """Return the file of a journal URL, or ``None`` for any other."""
    return Path(url.removeprefix(JOURNAL)) if url.startswith(JOURNAL) else None
