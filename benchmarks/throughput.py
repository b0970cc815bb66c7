"""What do two workers gain over one process?

    python benchmarks/throughput.py                 # about four minutes a round on two quiet cores
    python benchmarks/throughput.py --json FILE     # speed_up, share_of_two_bare, start_up_seconds, quiet

The first 24 trials of `studies/quickstart.toml`, twice: launched as a study with two workers (the driver, Ray, SQLite,
everything that a study has), and the same 24 plans trained one after the other by `ana_search.train` in one process,
one thread each. The study's time counts from the start of its first trial to the end of its last; what passes before
the first starts (the import of Ray, its processes, the workers' import of PyTorch) is told as start-up.

How fast a shared machine is changes by the minute. So each round also trains the plans in two bare processes at once,
half of them each, between the other two parts: what two cores can gain with no study at all. The speed-up over it is
what the driver, Ray and the storage cost.

The machine has to be quiet: two workers cannot share two cores with anything else. The share of the processors that
other processes took is measured in each part and told, and so is the speed-up that the processor times of our own
processes allow ("ceiling": twice the bare trainer's over the study's, the driver and Ray counted): it hardly depends on
what else runs. With --rounds the speed-up is the median of the rounds' own.
"""

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

import optuna
import psutil
import ray
import torch

from ana_search import load_study_file, train
from ana_search.data import load_dataset
from ana_search.plan import TrainingPlan
from ana_search.runner import Silent, launch

STUDY = Path(__file__).parents[1] / "studies" / "quickstart.toml"
TRIALS, WORKERS = 24, 2
TARGET = 1.8
SHARE = 0.95  # of the speed of two bare processes, where two cores do not give the target to them either
QUIET = 0.05


@dataclass(frozen=True)
class Part:
    """Seconds of the trials, processor seconds of our own processes, and the share of the machine others took."""

    seconds: float
    own_cpu: float
    others: float


@dataclass(frozen=True)
class Round:
    """The study, what passed before its first trial, the bare trainer, and two of them at once."""

    study: Part
    start_up_seconds: float
    bare: Part
    two_bare_seconds: float

    @property
    def speed_up(self) -> float:
        return self.bare.seconds / self.study.seconds

    @property
    def share_of_two_bare(self) -> float:
        """How fast the study is, as a share of two bare processes."""
        return self.two_bare_seconds / self.study.seconds

    @property
    def ceiling(self) -> float:
        """The speed-up that the processor times allow, whatever else the machine did meanwhile."""
        return WORKERS * self.bare.own_cpu / self.study.own_cpu


class Machine:
    """Who takes the machine's processor time from now on: our processes, or others."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._busy, self._own = self._all(), self._ours()

    def look(self) -> Part:
        """Return how it was so far; to be called while all our processes still live."""
        seconds = time.perf_counter() - self._began
        own = self._ours() - self._own
        others = max(0.0, self._all() - self._busy - own) / (seconds * (psutil.cpu_count() or 1))
        return Part(seconds, own, others)

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


def run_study(folder: Path) -> tuple[Part, float, list[TrainingPlan]]:
    """Return how the trials went, the seconds before the first of them, and their plans."""
    spec = load_study_file(STUDY)
    began, watch = time.time(), Watch()
    launch(spec, trials=TRIALS, workers=WORKERS, runs=folder, progress=watch)
    url = f"sqlite:///{folder / spec.study.name / 'study.db'}"
    trials = optuna.load_study(study_name=spec.study.name, storage=url).trials
    if [trial.state.name for trial in trials] != ["COMPLETE"] * TRIALS or watch.part is None:
        sys.exit(f"the study did not end with {TRIALS} complete trials")
    first = min(trial.datetime_start for trial in trials if trial.datetime_start)
    last = max(trial.datetime_complete for trial in trials if trial.datetime_complete)
    files = (folder / spec.study.name / "trials" / str(number) / "plan.json" for number in range(TRIALS))
    plans = [TrainingPlan.from_json(file.read_text()) for file in files]
    return replace(watch.part, seconds=(last - first).total_seconds()), first.timestamp() - began, plans


class Watch(Silent):
    """Looks at the machine from the first trial's start to the last one's end, while the workers still live."""

    def __init__(self) -> None:
        self._machine: Machine | None = None
        self.part: Part | None = None

    def trial_started(self, worker: str, trial: int, epochs: int) -> None:
        self._machine = self._machine or Machine()

    def trial_ended(self, worker: str, trial: int, state: str, *, finished: int) -> None:
        self.part = None if self._machine is None else self._machine.look()

    def message(self, text: str) -> None:
        print(text, file=sys.stderr)


def get_ready() -> None:
    """Use one thread, and import what a worker imports at its start."""
    torch.set_num_threads(1)
    torch.optim.SGD([torch.zeros(1)])


def run_bare(plans: list[TrainingPlan]) -> Part:
    """Return how training the plans goes in this process."""
    get_ready()
    datasets = {plan.data: load_dataset(plan.data) for plan in plans}
    machine = Machine()
    for plan in plans:
        train(plan, dataset=datasets[plan.data])
    return machine.look()


def train_part(plans: list[TrainingPlan], gate: Barrier) -> None:
    """Train some of the plans, in a process of its own, from the moment in which all are ready."""
    get_ready()
    datasets = {plan.data: load_dataset(plan.data) for plan in plans}
    gate.wait()
    for plan in plans:
        train(plan, dataset=datasets[plan.data])


def run_two_bare(plans: list[TrainingPlan]) -> float:
    """Return the seconds that two processes take for half of the plans each."""
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(WORKERS + 1)
    parts = [context.Process(target=train_part, args=(plans[i::WORKERS], gate)) for i in range(WORKERS)]
    for part in parts:
        part.start()
    gate.wait()
    began = time.perf_counter()
    for part in parts:
        part.join()
    return time.perf_counter() - began


def measure_round() -> Round:
    with tempfile.TemporaryDirectory() as folder:
        study, start_up, plans = run_study(Path(folder))
    two = run_two_bare(plans)
    return Round(study, start_up, run_bare(plans), two)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    rounds = []
    for number in range(options.rounds):
        rounds.append(measure_round())
        print(f"round {number + 1}: {rounds[-1]}, speed-up {rounds[-1].speed_up:.2f}", file=sys.stderr, flush=True)
    speed_up = statistics.median(one.speed_up for one in rounds)
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, Ray {ray.__version__}"
    print(f"{versions}; {TRIALS} quickstart trials, {WORKERS} workers, {options.rounds} round(s)\n")
    print("| study | start-up | one bare | speed-up | two bare | of their speed | ceiling by processor time | others |")
    print("|---" * 8 + "|")
    for one in rounds:
        print(
            f"| {one.study.seconds:.1f} s | {one.start_up_seconds:.1f} s | {one.bare.seconds:.1f} s "
            f"| {one.speed_up:.2f} | {one.two_bare_seconds:.1f} s | {one.share_of_two_bare:.2f} | {one.ceiling:.2f} "
            f"| {max(one.study.others, one.bare.others):.0%} |"
        )
    quiet = all(max(one.study.others, one.bare.others) <= QUIET for one in rounds)
    if options.json is not None:
        results = {
            "speed_up": speed_up,
            "start_up_seconds": statistics.median(one.start_up_seconds for one in rounds),
            "share_of_two_bare": statistics.median(one.share_of_two_bare for one in rounds),
            "ceiling": statistics.median(one.ceiling for one in rounds),
            "quiet": quiet,
            "rounds": [asdict(one) | {"speed_up": one.speed_up, "ceiling": one.ceiling} for one in rounds],
            "versions": versions,
        }
        options.json.write_text(json.dumps(results, indent=2) + "\n")
    if not quiet:
        print(
            f"\nother processes took more than {QUIET:.0%} of the machine: run it again when it is quiet",
            file=sys.stderr,
        )
    share = statistics.median(one.share_of_two_bare for one in rounds)
    if speed_up < TARGET and share < SHARE:
        sys.exit(f"missed: speed-up {speed_up:.2f}, wanted {TARGET}; {share:.2f} of two bare processes, wanted {SHARE}")


if __name__ == "__main__":
    main()
