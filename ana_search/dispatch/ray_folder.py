"""A short folder for Ray: the path of a socket may have 107 bytes, and Ray's paths below a long TMPDIR have more."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ana_search.errors import ResourceError

__all__ = ["short_folder"]

_LONGEST = 107
_INSIDE = "/ray/session_2026-01-01_00-00-00_000000_1234567/sockets/plasma_store"
_SHORT = ("/tmp", "/var/tmp", "/dev/shm")


@contextlib.contextmanager
def short_folder() -> Iterator[str | None]:
    """Yield a short folder for Ray to work in, removed after the block; ``None`` where its usual one will do.

    Raises:
        ResourceError: neither the usual folder nor any of the short ones can be used.
    """
    # Ray looks for its folder in these variables, in this order.
    usual = os.environ.get("RAY_TMPDIR", os.environ.get("TMPDIR", "/tmp"))
    if _fits(usual) and _can_be_written(usual):
        yield None
        return
    places = [place for place in (*_SHORT, os.environ.get("XDG_RUNTIME_DIR", "")) if place and _can_be_written(place)]
    if not places:
        raise ResourceError(
            f"the folder for temporary files, {usual!r}, cannot be used for Ray's sockets, whose paths hold at most "
            f"{_LONGEST} bytes; allowed: RAY_TMPDIR set to a folder of at most {_LONGEST - len(_INSIDE)} bytes that "
            "can be written to"
        )
    folder = Path(tempfile.mkdtemp(prefix="ana-search-", dir=places[0]))
    try:
        yield str(folder / "ray")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fits(folder: str) -> bool:
    return len(os.fsencode(folder)) + len(_INSIDE) <= _LONGEST


def _can_be_written(folder: str) -> bool:
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)
