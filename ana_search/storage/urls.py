"""Storage URLs: which one holds a study, and how it may be shown."""

import os
import re
from pathlib import Path

from ana_search.storage.folders import RunFolder

__all__ = ["STORAGE_VARIABLE", "hide_password", "storage_url"]

STORAGE_VARIABLE = "ANA_SEARCH_STORAGE"
# Up to the last @: a password may hold one itself.
_PASSWORD = re.compile(r"(?P<head>\w[\w+.-]*://[^:/@\s]*):\S*@")
_PASSWORD_OPTION = re.compile(r"(?P<head>[?&](?:password|passwd|pwd)=)[^&\s]*", re.IGNORECASE)


def storage_url(folder: RunFolder, *named: str | None) -> str:
    """Return the first URL named, the environment's, or that of the SQLite file in the run directory."""
    for url in (*named, os.environ.get(STORAGE_VARIABLE)):
        if url:
            return url
    return f"sqlite:///{folder.database}"


def hide_password(text: str) -> str:
    """Return ``text`` with the password of every URL in it replaced by ``***``."""
    return _PASSWORD_OPTION.sub(r"\g<head>***", _PASSWORD.sub(r"\g<head>:***@", text))


def sqlite_path(url: str) -> Path | None:
    """Return the file of an SQLite URL, or ``None`` for any other."""
    match = re.fullmatch(r"sqlite(?:\+\w+)?:///(?P<path>[^?]+)(?:\?.*)?", url)
    return None if match is None else Path(match["path"])
