"""The command line as users run it: a process of its own, and all that it starts."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil


def words_of(*words: str) -> list[str]:
    """Return the command line of `ana-search` with these words."""
    return [sys.executable, "-c", "from ana_search.cli import main; main()", *words]


def environment() -> dict[str, str]:
    """Return the environment of a command."""
    return os.environ | {"OMP_NUM_THREADS": "1"}


def run(folder: Path, *words: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        words_of(*words), cwd=folder, env=environment(), capture_output=True, text=True, timeout=timeout
    )


class Command:
    """A running command in a process group of its own, as a terminal makes one."""

    def __init__(
        self, folder: Path, *words: str, log_folder: Path | None = None, variables: Mapping[str, str] | None = None
    ) -> None:
        self.log = (log_folder or folder) / f"{words[0]}-{time.monotonic_ns()}.log"
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                words_of(*words), cwd=folder, env=environment() | dict(variables or {}), stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self.pid = self._process.pid

    def is_running(self) -> bool:
        return self._process.poll() is None

    def tree(self) -> list[psutil.Process]:
        """Return the process and all its descendants."""
        top = psutil.Process(self.pid)
        return [top, *top.children(recursive=True)]

    def workers(self) -> list[psutil.Process]:
        """Return the processes of Ray's workers that have become a slot."""
        return [process for process in self.tree() if is_worker(process)]

    def interrupt(self) -> None:
        """Press Ctrl-C: every process in the group gets the signal."""
        os.killpg(self.pid, signal.SIGINT)

    def kill(self) -> list[psutil.Process]:
        """Kill the driver alone with SIGKILL; return what it leaves behind."""
        left = self.tree()[1:]
        self._process.kill()
        self._process.wait(timeout=30)
        return left

    def wait(self, timeout: float) -> int:
        """Return the exit code."""
        return self._process.wait(timeout=timeout)

    def output(self) -> str:
        return self.log.read_text()


def is_worker(process: psutil.Process) -> bool:
    """Return whether a process is a slot's."""
    try:
        return any(part.startswith("ray::Worker") for part in process.cmdline())
    except psutil.Error:
        return False


@contextmanager
def running(folder: Path, *words: str) -> Iterator[Command]:
    """Run a command beside the block; at its end nothing of it is left."""
    command = Command(folder, *words)
    try:
        yield command
    finally:
        for process in command.kill() if command.is_running() else []:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def wait_until(condition: Callable[[], bool], what: str, timeout: float = 120) -> None:
    """Wait for a condition; fail with ``what`` after ``timeout`` seconds."""
    until = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < until, f"not within {timeout:.0f} s: {what}"
        time.sleep(0.1)
