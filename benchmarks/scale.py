"""How many workers does one driver keep busy?

    python benchmarks/scale.py                              # 64, 256 and 1,024 workers: about ten minutes of one core
    python benchmarks/scale.py --workers 1024 --trials 2    # one size, two trials a worker
    python benchmarks/scale.py --json FILE

The real driver (asking, storing in SQLite, receiving, recording, keeping files) drives a simulated cluster: workers
"train" in virtual time, 350 s a trial on average (log-normal, standard deviation of the logarithm 0.5), 50 epochs each
reported. TPE draws 60 parameters. The processor time that the driver takes between two calls is added to the virtual
clock, and so is what is not simulated and was measured before, on real Ray: the cost of an event with as many
calls pending as there are workers, and that of taking over and keeping the weights of a network (--megabytes).
A driver that is too slow leaves workers idle.

Utilisation "while asking" counts up to the start of the last trial; after it workers idle because the study ends.
"""

import argparse
import contextlib
import json
import logging
import os
import platform
import sqlite3
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
from ask import load_spec

from ana_search.dispatch import Done, EpochDone, Outcome
from ana_search.plan import TrainingPlan
from ana_search.planner import make_plan
from ana_search.runner import Silent, launch
from ana_search.runner.files import keep
from ana_search.storage import RunFolder
from ana_search.study_file import StudySpec
from ana_search.testing import SimulatedDispatcher, lognormal_fates
from ana_search.training import Machine

MEAN_SECONDS, SPREAD, EPOCHS = 350.0, 0.5, 50
EVENTS = 400
RESULTS = 8


@dataclass(frozen=True)
class Transport:
    """Seconds of the driver's thread for one event and for one network, over Ray."""

    event_seconds: float
    done_seconds: float


@dataclass(frozen=True)
class Row:
    """What one simulated study showed."""

    workers: int
    trials: int
    hours: float
    utilisation: float
    while_asking: float
    driver_load: float
    driver_ms: float
    last_driver_ms: float
    most_a_second: float
    database_bytes: int
    folder_bytes: int
    transport: Transport


class Watch(Silent):
    """Notes when trials ended, in the driver's own seconds."""

    def __init__(self, dispatcher: SimulatedDispatcher) -> None:
        self._dispatcher = dispatcher
        self.ended: list[tuple[float, float]] = []

    def trial_ended(self, worker: str, trial: int, state: str, *, finished: int) -> None:
        self.ended.append((self._dispatcher.clock, self._dispatcher.driver_seconds))
        if finished % 100 == 0:
            print(f"  {finished} finished", flush=True)


def load_study(name: str) -> StudySpec:
    spec = load_spec("tpe", conditional=False)
    training = spec.training.model_copy(update={"epochs": EPOCHS})
    return spec.model_copy(update={"study": spec.study.model_copy(update={"name": name}), "training": training})


def simulate(workers: int, trials: int, transport: Transport) -> Row:
    spec = load_study(f"scale-{workers}")
    dispatcher = SimulatedDispatcher(
        workers,
        lognormal_fates(MEAN_SECONDS, SPREAD),
        meter=time.thread_time,  # processor time: what else the machine does is not the driver's work
        event_seconds=transport.event_seconds,
        done_seconds=transport.done_seconds,
    )
    watch = Watch(dispatcher)
    with tempfile.TemporaryDirectory() as folder:
        launch(spec, trials=trials, workers=workers, runs=folder, dispatcher=dispatcher, progress=watch)
        path = Path(folder) / spec.study.name
        database = database_bytes(path / "study.db")
        files = sum(file.stat().st_size for file in path.glob("trials/*/*"))
    # The driver's time a trial at the study's end: asking grows with the trials there are. At the very end nothing
    # is asked for any more.
    asking = [one for one in watch.ended if one[0] <= dispatcher.last_submit]
    tail = asking[-max(2, len(asking) // 10) :]
    last = (tail[-1][1] - tail[0][1]) / (len(tail) - 1)
    return Row(
        workers=workers,
        trials=trials,
        hours=dispatcher.clock / 3600,
        utilisation=dispatcher.utilisation(),
        while_asking=dispatcher.utilisation(dispatcher.last_submit),
        driver_load=dispatcher.driver_load(),
        driver_ms=1000 * dispatcher.driver_seconds / trials,
        last_driver_ms=1000 * last,
        most_a_second=1 / last,
        database_bytes=database,
        folder_bytes=files,
        transport=transport,
    )


def database_bytes(path: Path) -> int:
    """Return the size of the file once its log is written back into it."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.stat().st_size


def measure_transport(sizes: list[int], megabytes: float) -> dict[int, Transport]:
    """Return what Ray costs the driver's thread with so many calls pending."""
    import ray

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        address="local", num_cpus=1, num_gpus=0, include_dashboard=False, _node_ip_address="127.0.0.1",
        logging_level=logging.ERROR, log_to_driver=False,
    )  # fmt: skip
    spec = load_study("transport")
    plan = make_plan(spec, {}, 0)
    actor = ray.remote(Replies).options(num_cpus=1, max_concurrency=2 * max(sizes)).remote(int(megabytes * 1e6))
    done = time_results(actor, plan)
    found = {size: Transport(time_events(actor, size), done) for size in sizes}
    ray.shutdown()
    return found


class Replies:
    """Stands for all workers: a call is answered when its turn comes."""

    def __init__(self, size: int) -> None:
        import asyncio

        self._sleep = asyncio.sleep
        self._size = size

    async def events(self, delay: float) -> list[EpochDone]:
        await self._sleep(delay)
        return [EpochDone(0, "0@worker", 1, EPOCHS, 0.5)]

    async def result(self) -> list[Done]:
        outcome = Outcome(0.5, (), os.urandom(self._size), 350.0, "0@worker", Machine("cpu"))
        return [Done(0, "0@worker", outcome)]


def time_events(actor: Any, workers: int) -> float:
    """Wait for one of so many pending calls, read it, call again: as the dispatcher does it."""
    import ray

    # Answers come one by one, some ten a second at first, while the others stay pending.
    pending = {
        actor.events.remote(2.0 + 0.02 * number if number < EVENTS else 3600.0): number for number in range(workers)
    }
    began, seen = time.thread_time(), 0
    while seen < min(EVENTS, workers):
        ray.wait(list(pending), num_returns=1, timeout=0.5, fetch_local=False)
        ready, _ = ray.wait(list(pending), num_returns=len(pending), timeout=0, fetch_local=False)
        for reference in ready:
            ray.get(reference)
            del pending[reference]
            pending[actor.events.remote(3600.0)] = seen
            seen += 1
    seconds = (time.thread_time() - began) / seen
    for reference in pending:
        ray.cancel(reference)
    return seconds


def time_results(actor: Any, plan: TrainingPlan) -> float:
    """Read a result and keep its files."""
    import ray

    with tempfile.TemporaryDirectory() as folder:
        runs = RunFolder(Path(folder), "transport")
        references = [actor.result.remote() for _ in range(RESULTS)]
        ray.wait(references, num_returns=RESULTS, fetch_local=False)
        began = time.thread_time()
        for number, reference in enumerate(references):
            (done,) = ray.get(reference)
            keep(runs, number, plan, done.outcome)
        return (time.thread_time() - began) / RESULTS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[64, 256, 1024])
    parser.add_argument("--trials", type=int, default=4, help="trials a worker (default 4)")
    parser.add_argument("--megabytes", type=float, default=14.0, help="of a network (default: VGG8 of width 64)")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    transport = measure_transport(options.workers, options.megabytes)
    rows = []
    for workers in options.workers:
        print(f"{workers} workers, {transport[workers]}", flush=True)
        rows.append(simulate(workers, options.trials * workers, transport[workers]))
        print(rows[-1], flush=True)
    print(f"\nPython {platform.python_version()}, Optuna {optuna.__version__}\n")
    print(
        "| workers | trials | hours | utilisation while asking | of the whole | driver load | driver a trial, mean "
        "| at the end | trials a second at most | Ray's part of an event | database | database a trial |"
    )
    print("|---" * 12 + "|")
    for row in rows:
        print(
            f"| {row.workers:,} | {row.trials:,} | {row.hours:.2f} | {row.while_asking:.1%} | {row.utilisation:.1%} "
            f"| {row.driver_load:.1%} | {row.driver_ms:.0f} ms | {row.last_driver_ms:.0f} ms | {row.most_a_second:.1f} "
            f"| {1000 * row.transport.event_seconds:.2f} ms | {row.database_bytes / 1e6:.1f} MB "
            f"| {row.database_bytes / row.trials / 1e3:.1f} kB |"
        )
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


if __name__ == "__main__":
    main()
