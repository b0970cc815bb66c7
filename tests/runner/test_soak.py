"""The soak: short trials under faults of ten kinds, drawn at random, on SQLite and on PostgreSQL.

Nothing may be lost, changed, finished twice or given up. ``ANA_SEARCH_SOAK=300/150/1`` sets the number of trials, of
faults and the seed; that takes most of an hour. A trial takes some seconds, as a fault does: otherwise the trials would
come to their end before the faults. It waits for most of them, so that two soaks leave two cores to others.
"""

import os
import random
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState

from ana_search.errors import AnaSearchError
from ana_search.storage.attributes import is_finished
from tests.runner.commands import Command
from tests.runner.faults import Faults, small_disk
from tests.runner.postgres import Postgres
from tests.runner.studies import check_sound, complete, finished, trials_of, write_study
from tests.runner.waiting import NAME

pytestmark = pytest.mark.slow

TRIALS, FAULTS, SEED = (int(part) for part in os.environ.get("ANA_SEARCH_SOAK", "16/10/0").split("/"))
STALL_SECONDS = 300.0


class Soak:
    """One study under faults."""

    def __init__(self, folder: Path, storage: str | None, postgres: Postgres | None, mounted: bool) -> None:
        self._folder = folder
        self._storage = storage
        self.url = storage or f"sqlite:///{folder}/runs/soak/study.db"
        self.faults = Faults(folder, "soak", self.url, random.Random(SEED), postgres, mounted)
        self.launches = 0
        self.done: Counter[str] = Counter()
        self.codes: Counter[int] = Counter()
        self._known: dict[int, float | None] = {}

    def run(self) -> None:
        write_study(
            self._folder, "soak", study=f'sampler = "random"\ntrials = {TRIALS}', data="train_size = 108",
            network=NAME, training="epochs = 5\nbatch_size = 10", space="alpha = {low = 0.5, high = 4.0}",
        )  # fmt: skip
        for number, kind in enumerate(self.faults.sequence(FAULTS)):
            self._until(int(0.8 * TRIALS * number / FAULTS))  # there must be trials left for the last faults
            if not self._command.is_running():
                break
            expected = self.faults.kinds[kind]()
            self.done[kind] += 1
            if expected:
                code = self._command.wait(120)
                self.codes[code] += 1
                assert code in expected, f"{kind}: exit {code}\n{self._command.output()}"
            self._compare()
        assert sum(self.done.values()) >= 0.5 * FAULTS, "the trials had come to their end before the faults"
        self._until(TRIALS)  # a launch that was ended by the last fault is started once more: it has to say 0
        assert self._command.wait(240) == 0, self._command.output()
        self._compare()

    def end(self) -> None:
        """Leave nothing running."""
        if self.faults.command is not None and self._command.is_running():
            for process in self._command.kill():
                process.kill()

    @property
    def _command(self) -> Command:
        assert self.faults.command is not None
        return self.faults.command

    def _until(self, count: int) -> None:
        """Wait until so many trials are finished and the launch is at work, started anew where it has ended."""
        since, last = time.monotonic(), -1
        while True:
            if self.faults.command is None or not self._command.is_running():
                if self.faults.command is not None and count < TRIALS <= self._finished():
                    return
                self.faults.empty_log()
                words = [
                    "launch",
                    "soak.toml",
                    "--workers",
                    "2",
                    *(["--storage", self._storage] if self._storage else []),
                ]
                self.faults.command = Command(
                    self._folder, *words, log_folder=self.faults.log, variables=self.faults.environment()
                )
                self.launches += 1
            now = self._finished()
            if now >= count and (count == TRIALS or self._at_work()):
                return
            since, last = (time.monotonic(), now) if now != last else (since, last)
            assert time.monotonic() - since < STALL_SECONDS, f"nothing happens:\n{self._command.output()}"
            time.sleep(0.3)

    def _at_work(self) -> bool:
        """Return whether the launch has trials running, and not only its predecessor's."""
        return (
            self._command.is_running() and len(self._command.workers()) == 2 and self._states()[TrialState.RUNNING] > 0
        )

    def _states(self) -> Counter[TrialState]:
        try:
            return Counter(trial.state for trial in trials_of(self._folder / "runs", "soak", self._storage))
        except AnaSearchError:
            return Counter()

    def _finished(self) -> int:
        try:
            return len(finished(trials_of(self._folder / "runs", "soak", self._storage)))
        except AnaSearchError:
            return 0

    def _compare(self) -> None:
        """Check that every result that was ever seen is still there, and the same."""
        now = {trial.number: trial.value for trial in complete(self.trials())}
        assert now.items() >= self._known.items(), "a finished trial was lost or changed"
        self._known = now

    def trials(self) -> list[FrozenTrial]:
        return trials_of(self._folder / "runs", "soak", self._storage)


def soak(folder: Path, storage: str | None, postgres: Postgres | None) -> None:
    """Run one study under faults; check all that must be true of it in the end."""
    began = time.monotonic()
    with ExitStack() as stack:
        mounted = stack.enter_context(small_disk(folder / "runs", 64)) and stack.enter_context(
            small_disk(folder / "log", 1)
        )
        (folder / "log").mkdir(exist_ok=True)
        one = Soak(folder, storage, postgres, mounted)
        stack.callback(one.end)
        one.run()
        trials = one.trials()
        check_sound(trials, TRIALS)
        assert len(complete(trials)) == TRIALS, "a trial was given up"
        left = [*(folder / "runs").rglob("checkpoint.pt*"), *(folder / "runs").rglob(".part-*")]
        assert left == []
    repeated = Counter(trial.user_attrs["retry"] for trial in trials if not is_finished(trial))
    print(
        f"{sum(one.done.values())} faults {dict(one.done)}, {one.launches} launches, exit codes {dict(one.codes)}, "
        f"{len(trials)} attempts at {TRIALS} trials, repeated {dict(repeated)}, {time.monotonic() - began:.0f} s"
    )


def test_soak_on_sqlite(tmp_path: Path) -> None:
    soak(tmp_path, None, None)


def test_soak_on_postgresql(postgres: Postgres, tmp_path: Path) -> None:
    soak(tmp_path, postgres.url("soak"), postgres)
