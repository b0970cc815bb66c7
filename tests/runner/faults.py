"""Ten kinds of faults that a soak draws from, each done to a running launch."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import optuna
import psutil

from ana_search.storage import open_storage
from ana_search.storage.lease import LEASE_ATTRIBUTE, Holder, holder_of, read_lease
from tests.runner.commands import Command, wait_until
from tests.runner.postgres import Postgres
from tests.runner.waiting import publish

STEP_SECONDS = 0.15  # a trial of the soak has 40 steps: it takes about as long as a fault

# Put before everything else on a command's path: its wall clock, and what is derived from it, can be set by a file.
CLOCK = """
import os, time

def _offset():
    try:
        with open(os.environ["STEPPED_CLOCK"]) as file:
            return float(file.read() or 0)
    except (OSError, ValueError, KeyError):
        return 0.0

_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + _offset()
time.time_ns = lambda: _time_ns() + int(1e9 * _offset())
import psutil
_boot_time = psutil._pslinux.boot_time
psutil._pslinux.boot_time = psutil.boot_time = lambda: _boot_time() + _offset()
"""
LOCK = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], timeout=30)
connection.execute("BEGIN EXCLUSIVE")
time.sleep(float(sys.argv[2]))
"""


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[bool]:
    """Mount a file system of so many megabytes; yields whether that was allowed."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)]
    mounted = subprocess.run(words, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(filler: Path) -> None:
    """Fill the disk that a file is on."""
    with filler.open("wb", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2


@dataclass
class Faults:
    """The faults that can be done here, by name; each returns the exit codes that the launch may end with.

    An empty answer means that the launch goes on. ``command`` is the launch of the moment.
    """

    folder: Path
    study: str
    url: str
    draw: random.Random
    postgres: Postgres | None
    mounted: bool
    command: Command | None = None
    kinds: dict[str, Callable[[], set[int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kinds = {
            "SIGTERM": lambda: self._signal(signal.SIGTERM),
            "SIGHUP": lambda: self._signal(signal.SIGHUP),
            "SIGKILL": self._kill,
            "worker": self._worker,
            "raylet": self._raylet,
            "database": self._database,
            "clock": self._clock,
            "lease": self._lease,
        }
        if self.mounted:
            self.kinds |= {"full disk": self._full_disk, "full log": self._full_log}

    def sequence(self, count: int) -> list[str]:
        """Return so many kinds in random order, each about as often as the others."""
        names = [name for round_ in range(count // len(self.kinds) + 1) for name in self.kinds][:count]
        self.draw.shuffle(names)
        return names

    def environment(self) -> dict[str, str]:
        """Return what a launch needs to have its clock set, and to find the network that waits."""
        site = self.folder / "site"
        site.mkdir(exist_ok=True)
        publish(site, STEP_SECONDS)
        (site / "sitecustomize.py").write_text(CLOCK)
        return {"PYTHONPATH": f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}", "STEPPED_CLOCK": str(self._step)}

    @property
    def log(self) -> Path:
        """The folder of the logs: a disk of its own, where it can be filled."""
        return self.folder / "log"

    @property
    def _step(self) -> Path:
        return self.folder / "clock"

    @property
    def _launch(self) -> Command:
        assert self.command is not None
        return self.command

    def _stored(self) -> optuna.Study:
        return optuna.load_study(study_name=self.study, storage=open_storage(self.url, create=False, write=True))

    def _signal(self, number: int) -> set[int]:
        with suppress(ProcessLookupError):  # it may have come to its end a moment ago
            os.kill(self._launch.pid, number)
        return {130, 0}

    def _kill(self) -> set[int]:
        psutil.wait_procs(self._launch.kill(), timeout=60)
        return {-signal.SIGKILL}

    def _worker(self) -> set[int]:
        with suppress(psutil.Error):
            workers = self._launch.workers()
            if workers:
                self.draw.choice(workers).kill()
        return set()

    def _raylet(self) -> set[int]:
        with suppress(psutil.Error):
            for one in self._launch.tree():
                if one.name() == "raylet":
                    one.kill()
                    return {1, 0}
        return set()

    def _full_disk(self) -> set[int]:
        filler = self.folder / "runs" / "filler"
        fill(filler)
        time.sleep(self.draw.uniform(0.5, 3.0))
        filler.unlink()
        return set()

    def _full_log(self) -> set[int]:
        """Fill the disk of the log, then end a worker, which is told there."""
        fill(self.log / "filler")
        self._worker()
        return set()

    def empty_log(self) -> None:
        """Make room for the next launch's log."""
        (self.log / "filler").unlink(missing_ok=True)

    def _database(self) -> set[int]:
        seconds = self.draw.uniform(1.0, 6.0)
        if self.postgres is not None:
            self.postgres.crash()
            time.sleep(seconds)
            self.postgres.start()
        else:
            path = self.url.removeprefix("sqlite:///")
            subprocess.run([sys.executable, "-c", LOCK, path, str(seconds)], check=True, timeout=120)
        return set()

    def _clock(self) -> set[int]:
        """Set the launch's clock, far and near; it is still seen to drive the study by one whose clock is right."""
        self._step.write_text(str(self.draw.choice([-86400.0, -90.0, -5.0, 5.0, 90.0, 3600.0, 1e7])))
        time.sleep(0.2)
        holder = holder_of(self._stored())
        assert not self._launch.is_running() or (holder is not None and holder.pid == self._launch.pid)
        return set()

    def _lease(self) -> set[int]:
        """Take the study over as a driver on another machine would, until the launch has noticed; then give it back."""
        study = self._stored()
        if not read_lease(study):
            return set()
        other = replace(Holder.of_this_process(), host="another-host", machine="another machine")
        taken = json.dumps(asdict(other))

        def has_ended() -> bool:
            # The launch may have read its lease a moment before and write it after: a driver that takes one over looks
            # whether it has it, and so does this.
            if read_lease(study) not in (taken, ""):
                study.set_user_attr(LEASE_ATTRIBUTE, taken)
            return not self._launch.is_running()

        wait_until(has_ended, "the launch has noticed that its lease was taken", 60)
        study.set_user_attr(LEASE_ATTRIBUTE, "")
        return {1, 0}
