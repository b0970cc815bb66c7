"""The soak: 300 short trials while workers die every few seconds, the driver is killed, and the server goes away.

The two soaks are the longest of the slow tests: a quarter of an hour on two cores.
"""

import random
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import pytest
from optuna.trial import TrialState

from ana_search.errors import AnaSearchError
from tests.runner.commands import Command, running
from tests.runner.postgres import Postgres
from tests.runner.studies import check_sound, complete, finished, trials_of, write_study

pytestmark = pytest.mark.slow

TRIALS = 300
KILLS_OF_THE_DRIVER = (60, 130, 200)  # finished trials
PAUSE = (4.0, 7.0)  # seconds between two kills of a worker
PROGRESS = 2  # trials finished between two kills: on a slow machine a worker needs longer to be there again
LIMIT_SECONDS = 1500.0


class Reaper:
    """Kills a random worker every few seconds while the block runs."""

    def __init__(self, command: Command, finished: Callable[[], int]) -> None:
        self._command = command
        self._finished = finished
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._reap)
        self._draw = random.Random(command.pid)
        self.killed = 0

    def __enter__(self) -> "Reaper":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _reap(self) -> None:
        last = self._finished()
        while not self._over.wait(self._draw.uniform(*PAUSE)):
            if self._finished() < last + PROGRESS:
                continue
            try:
                workers = self._command.workers()
                if workers:
                    self._draw.choice(workers).kill()
                    self.killed += 1
                    last = self._finished()
            except psutil.Error:
                continue


def soak(folder: Path, storage: str | None, at_half: Callable[[], None] | None) -> None:
    """Launch again and again until the study is done; check after every kill that nothing finished was lost."""
    space = "alpha = {low = 0.5, high = 4.0}"
    study = f'sampler = "random"\ntrials = {TRIALS}'
    write_study(folder, "soak", study=study, data="train_size = 600", training="epochs = 3", space=space)
    words = ["launch", "soak.toml", "--workers", "2", *(["--storage", storage] if storage else [])]
    until = time.monotonic() + LIMIT_SECONDS
    before: dict[int, float | None] = {}
    killed = launches = 0
    for stop_at in (*KILLS_OF_THE_DRIVER, None):
        with running(folder, *words) as launch, Reaper(launch, partial(done, folder, storage)) as reaper:
            launches += 1
            while launch.is_running() and (stop_at is None or done(folder, storage) < stop_at):
                assert time.monotonic() < until, launch.output()
                if at_half is not None and stop_at is None:
                    at_half()
                    at_half = None
                time.sleep(0.5)
            if stop_at is not None:
                assert launch.is_running(), launch.output()
                before |= values(folder, storage)
                workers = launch.workers()
                launch.kill()
                psutil.wait_procs(workers, timeout=60)
            else:
                assert launch.wait(60) == 0, launch.output()
        killed += reaper.killed
        now = values(folder, storage)
        assert now.items() >= before.items(), "a finished trial was lost or changed"
    trials = trials_of(folder / "runs", "soak", storage)
    check_sound(trials, TRIALS)
    assert len(complete(trials)) == TRIALS
    lost = [trial.user_attrs["reason"] for trial in trials if trial.state == TrialState.FAIL]
    by_driver = sum("driver died" in reason for reason in lost)
    print(f"{launches} launches, {killed} workers killed, {len(lost)} trials repeated, {by_driver} for their driver")
    assert 1 <= by_driver <= 2 * len(KILLS_OF_THE_DRIVER)
    assert 1 <= len(lost) - by_driver <= killed


def done(folder: Path, storage: str | None) -> int:
    try:
        return len(finished(trials_of(folder / "runs", "soak", storage)))
    except AnaSearchError:
        return 0


def values(folder: Path, storage: str | None) -> dict[int, float | None]:
    return {trial.number: trial.value for trial in complete(trials_of(folder / "runs", "soak", storage))}


def test_soak_on_sqlite(tmp_path: Path) -> None:
    soak(tmp_path, None, None)


def test_soak_on_postgresql_with_its_server_away_for_half_a_minute(postgres: Postgres, tmp_path: Path) -> None:
    def restart() -> None:
        time.sleep(15)  # the study is running again
        postgres.stop()
        time.sleep(30)
        postgres.start()

    soak(tmp_path, postgres.url("soak"), restart)
