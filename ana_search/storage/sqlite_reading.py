"""Reading an SQLite file without writing: beside a running driver, on a read-only disk, in an archive.

A file in WAL mode has a log beside it (``-wal``) with what is not in the file yet, and an index of that log
(``-shm``) that every reader must be able to make. Where it cannot be made SQLite refuses to open the file at all,
although nothing is to be written.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

__all__ = ["Connect", "reading_connection"]

Connect = Callable[[], sqlite3.Connection]
_PREFIX = "ana-search-reading-"


def reading_connection(path: Path, timeout: float, *, locks: bool = True) -> tuple[Connect, Callable[[], None]]:
    """Return a function that opens a connection which reads ``path``, and one that removes what it needed for that.

    The first of these ways that works:

    1. The file has no log and its folder can be written to: an ordinary connection that refuses to write. It makes
       log and index, and takes both away when it is closed.
    2. The file has a log: a connection for reading alone, which uses the index that is there or makes one.
    3. No log, and no index can be made: the file as it is. It cannot change, since every writer makes a log first.
    4. A log, and no index can be made: a copy of both in a temporary folder.

    Args:
        path: the file.
        timeout: seconds to wait for a lock.
        locks: whether the locks of its file system hold; without them only the last two ways are used.

    Raises:
        sqlite3.Error, OSError: the file is no database, or none of the ways works.
    """
    path = path.resolve()
    has_log = _size(path.with_name(f"{path.name}-wal")) > 0
    if locks:
        writable = os.access(path.parent, os.W_OK) and os.access(path, os.W_OK)
        connect = _connector(path, "mode=rw" if writable and not has_log else "mode=ro", timeout)
        try:
            connect().close()
        except (
            sqlite3.OperationalError
        ):  # no index can be made, or the file is damaged, which the attempts below find too
            pass
        else:
            return connect, _nothing
    if not has_log:
        connect = _connector(path, "immutable=1", timeout)
        connect().close()
        return connect, _nothing
    folder = tempfile.mkdtemp(prefix=_PREFIX)

    def remove() -> None:
        shutil.rmtree(folder, ignore_errors=True)

    try:
        for suffix in ("", "-wal"):
            shutil.copyfile(path.with_name(path.name + suffix), Path(folder) / (path.name + suffix))
        connect = _connector(Path(folder) / path.name, "mode=rw", timeout)
        connect().close()
    except BaseException:
        remove()
        raise
    return connect, remove


def _connector(path: Path, how: str, timeout: float) -> Connect:
    uri = f"file:{quote(str(path))}?{how}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, timeout=timeout, check_same_thread=False)
        try:
            connection.execute("PRAGMA query_only=ON")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # reads the file, and log and index
        except BaseException:
            connection.close()
            raise
        return connection

    return connect


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _nothing() -> None:
    pass
