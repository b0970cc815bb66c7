"""What do two workers gain over one process?

    python benchmarks/throughput.py                 # about three minutes a round on two quiet cores
    python benchmarks/throughput.py --json FILE     # speed_up, start_up_seconds

The first 24 trials of `studies/quickstart.toml`, twice: launched as a study with two workers (the driver, Ray, SQLite,
everything that a study has), and the same 24 plans trained one after the other by `ana_search.train` in one process,
one thread each. The study's time counts from the start of its first trial to the end of its last; what passes before
the first starts (the import of Ray, its processes, the workers' import of PyTorch) is told as start-up.

The machine has to be quiet: two workers cannot share two cores with anything else. The share of the processors that
other processes took is measured in each part and told; with --rounds the speed-up is the median of the rounds' own.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import optuna
import psutil
import ray
import torch

from ana_search import load_study_file, train
from ana_search.data import load_dataset
from ana_search.plan import TrainingPlan
from ana_search.runner import launch

STUDY = Path(__file__).parents[1] / "studies" / "quickstart.toml"
TRIALS, WORKERS = 24, 2
TARGET = 1.8
QUIET = 0.05


@dataclass(frozen=True)
class Round:
    """Seconds of both parts, and the share of all processors that other processes took meanwhile."""

    study_seconds: float
    start_up_seconds: float
    study_others: float
    bare_seconds: float
    bare_others: float

    @property
    def speed_up(self) -> float:
        return self.bare_seconds / self.study_seconds


class Others:
    """How much of the machine's processor time went to processes that are not ours, while the block ran."""

    def __enter__(self) -> "Others":
        self._began = time.perf_counter()
        self._busy, self._own = self._all(), self._ours()
        return self

    def measure(self) -> float:
        """Return the share so far; to be called while the processes still live."""
        passed = (time.perf_counter() - self._began) * (psutil.cpu_count() or 1)
        return max(0.0, (self._all() - self._busy) - (self._ours() - self._own)) / passed

    def __exit__(self, *_: object) -> None:
        return

    @staticmethod
    def _all() -> float:
        times = psutil.cpu_times()
        return sum(times) - times.idle - times.iowait

    @staticmethod
    def _ours() -> float:
        total = 0.0
        for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
        return total


def run_study(folder: Path) -> tuple[float, float, float, list[TrainingPlan]]:
    """Return seconds, seconds before the first trial, the share that others took, and the plans."""
    spec = load_study_file(STUDY)
    began = time.time()
    with Others() as others:
        shares: list[float] = []
        watch = _Watch(lambda: shares.append(others.measure()))
        launch(spec, trials=TRIALS, workers=WORKERS, runs=folder, progress=watch)
    url = f"sqlite:///{folder / spec.study.name / 'study.db'}"
    trials = optuna.load_study(study_name=spec.study.name, storage=url).trials
    if [trial.state.name for trial in trials] != ["COMPLETE"] * TRIALS:
        sys.exit(f"the study did not end with {TRIALS} complete trials")
    first = min(trial.datetime_start for trial in trials if trial.datetime_start)
    last = max(trial.datetime_complete for trial in trials if trial.datetime_complete)
    files = (folder / spec.study.name / "trials" / str(number) / "plan.json" for number in range(TRIALS))
    plans = [TrainingPlan.from_json(file.read_text()) for file in files]
    return (last - first).total_seconds(), first.timestamp() - began, shares[-1], plans


class _Watch:
    """Progress that looks at the machine after every trial, while the workers are still there."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look

    def trial_ended(self, worker: str, trial: int, state: str, *, finished: int) -> None:
        self._look()

    def begin(self, *, finished: int, requested: int, best: tuple[int, float] | None = None) -> None: ...
    def trial_started(self, worker: str, trial: int, epochs: int) -> None: ...
    def epoch(self, worker: str, trial: int, epoch: int, epochs: int, accuracy: float | None = None) -> None: ...
    def best(self, trial: int, value: float) -> None: ...
    def message(self, text: str) -> None:
        print(text, file=sys.stderr)


def run_bare(plans: list[TrainingPlan]) -> tuple[float, float]:
    """Return the seconds that training the plans takes in this process, and the share that others took."""
    torch.set_num_threads(1)
    datasets = {plan.data: load_dataset(plan.data) for plan in plans}
    with Others() as others:
        began = time.perf_counter()
        for plan in plans:
            train(plan, dataset=datasets[plan.data])
        return time.perf_counter() - began, others.measure()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    rounds = []
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            seconds, start_up, study_others, plans = run_study(Path(folder))
        bare, bare_others = run_bare(plans)
        rounds.append(Round(seconds, start_up, study_others, bare, bare_others))
        print(f"round {number + 1}: {rounds[-1]}, speed-up {rounds[-1].speed_up:.2f}", file=sys.stderr, flush=True)
    speed_up = statistics.median(one.speed_up for one in rounds)
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, Ray {ray.__version__}"
    print(f"{versions}; {TRIALS} quickstart trials, {WORKERS} workers, {options.rounds} round(s)\n")
    print("| study | start-up | bare trainer | speed-up | others, study | others, bare |\n|---|---|---|---|---|---|")
    for one in rounds:
        print(
            f"| {one.study_seconds:.1f} s | {one.start_up_seconds:.1f} s | {one.bare_seconds:.1f} s "
            f"| {one.speed_up:.2f} | {one.study_others:.0%} | {one.bare_others:.0%} |"
        )
    quiet = all(max(one.study_others, one.bare_others) <= QUIET for one in rounds)
    if options.json is not None:
        results = {
            "speed_up": speed_up,
            "start_up_seconds": statistics.median(one.start_up_seconds for one in rounds),
            "quiet": quiet,
            "rounds": [asdict(one) | {"speed_up": one.speed_up} for one in rounds],
            "versions": versions,
        }
        options.json.write_text(json.dumps(results, indent=2) + "\n")
    if not quiet:
        print(
            f"\nother processes took more than {QUIET:.0%} of the machine: run it again when it is quiet",
            file=sys.stderr,
        )
    if speed_up < TARGET:
        sys.exit(f"missed: speed-up {speed_up:.2f}, wanted {TARGET}")


if __name__ == "__main__":
    main()
