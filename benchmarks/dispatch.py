"""How many trials a second, when a trial itself takes no time?

    pip install -e ".[benchmarks]"                  # Ray Tune needs more than Ray does
    python benchmarks/dispatch.py                   # about five minutes on two cores
    python benchmarks/dispatch.py --json FILE       # ratio_to_ray_tune, ratio_to_plain_optuna, driver_over_ask

No-op trials with 60 parameters, drawn by the same sampler everywhere (Optuna's TPE, multivariate, with constant liar),
side by side in one run:

    ours             the driver, two Ray actors, SQLite as a study has it (WAL)
    Ray Tune         `OptunaSearch` on the same space and storage, two trials at a time
    Ray Tune, reused the same, with its actors kept between trials (`reuse_actors=True`)
    plain Optuna     `study.optimize` in one process, SQLite as Optuna opens it

Trials per second count from the start of the first trial to the end of the last, as the storage has them: starting
Ray and the workers is left out of all. Every round runs all of them, one after the other; the ratio is that of the
medians over the rounds.

Then the driver: after 1,000 finished trials, its time for one more trial (asking, storing, submitting, receiving,
recording, keeping the files: everything but waiting), against the sampler's own `ask` with all 60 parameters on an
in-memory study of as many trials. Both are CPU times of the driver's thread, measured in turn; wall times are told too.
"""

import argparse
import importlib.util
import json
import logging
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
import ray
from ask import load_spec
from optuna.samplers import TPESampler
from optuna.trial import TrialState, create_trial

from ana_search.dispatch import Event, Job, Outcome, SlotRequest, ray_dispatcher
from ana_search.dispatch.ray_actor import Worker
from ana_search.runner import launch
from ana_search.space import make_sampler, suggest
from ana_search.storage import open_storage
from ana_search.storage.writing import trial_writer
from ana_search.study_file import StudySpec
from ana_search.training import Machine

WORKERS = 2
FINISHED = 1000
OURS, TUNE, TUNE_REUSED, PLAIN = "ours", "Ray Tune", "Ray Tune, reused", "plain Optuna"
TARGETS = {"ratio_to_ray_tune": 15.0, "ratio_to_plain_optuna": 4.0}
MOST_OVER_ASK = 1.5


def made_up(number: int) -> float:
    return (number * 0.618) % 1


class NoTraining:
    """In the place of the bench that trains."""

    def __init__(self, name: str) -> None:
        self.name = name

    def do(self, job: Job, report: Any, stop: Any, pool: Any = None) -> Outcome:
        return Outcome(made_up(job.trial), (), b"", 0.0, self.name, Machine("cpu"))


class NoopWorker(Worker):
    """The worker of a study, in all but the training."""

    def __init__(self, slot: int, threads: int, gpu: bool) -> None:
        super().__init__(slot, threads, gpu)
        self._bench = NoTraining(self._bench.name)


class Noop(ray_dispatcher.RayDispatcher):
    """The dispatcher of a study, with workers that train nothing; measures what is not waiting."""

    def __init__(self, reference: "Reference | None" = None) -> None:
        super().__init__(SlotRequest(WORKERS))
        self._reference = reference
        self.cpu = self.wall = 0.0
        self._left: tuple[float, float] | None = None

    def events(self, timeout: float) -> Sequence[Event]:
        if self._left is not None:
            self.wall += time.perf_counter() - self._left[1]
        told = super().events(timeout)
        if self._left is not None:
            self.cpu += time.thread_time() - self._left[0]  # waiting takes none
        if self._reference is not None and told:
            self._reference.ask()
        self._left = time.thread_time(), time.perf_counter()
        return told


class Reference:
    """The sampler alone: an in-memory study with the same trials, asked in turn with the driver."""

    def __init__(self, spec: StudySpec, trials: list[optuna.trial.FrozenTrial]) -> None:
        self.spec = spec
        self.study = optuna.create_study(direction="maximize")
        self.study.add_trials(trials)
        self.cpu: list[float] = []
        self.wall: list[float] = []

    def ask(self) -> None:
        cpu, wall = time.thread_time(), time.perf_counter()
        self.study.sampler = make_sampler(self.spec, len(self.study.get_trials(deepcopy=False)))
        trial = self.study.ask()
        suggest(trial, self.spec)
        self.cpu.append(time.thread_time() - cpu)
        self.wall.append(time.perf_counter() - wall)
        self.study.tell(trial, made_up(trial.number))


class Space:
    """Define-by-run: the same calls as ours. (Ray Tune pickles it.)"""

    def __init__(self, spec: StudySpec) -> None:
        self._spec = spec

    def __call__(self, trial: optuna.Trial) -> None:
        suggest(trial, self._spec)


def tpe(seed: int) -> TPESampler:
    return TPESampler(seed=seed, multivariate=True, constant_liar=True)


def run_ours(spec: StudySpec, folder: Path, trials: int, _seed: int) -> str:
    launch(spec, trials=trials, workers=WORKERS, runs=folder, dispatcher=Noop())
    return f"sqlite:///{folder / spec.study.name / 'study.db'}"


def run_tune(spec: StudySpec, folder: Path, trials: int, seed: int, *, reuse: bool = False) -> str:
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    def noop(config: dict[str, Any]) -> None:
        tune.report({"val_accuracy": hash(str(config)) % 1000 / 1000})

    url = f"sqlite:///{folder / 'tune.db'}"
    search = OptunaSearch(
        space=Space(spec),
        metric="val_accuracy",
        mode="max",
        sampler=tpe(seed),
        study_name="tune",
        storage=open_storage(url),
    )
    tuner = tune.Tuner(
        noop,
        tune_config=tune.TuneConfig(
            search_alg=search, num_samples=trials, max_concurrent_trials=WORKERS, reuse_actors=reuse
        ),
        run_config=tune.RunConfig(name="tune", storage_path=str(folder), verbose=0),
    )
    tuner.fit()
    return url


def run_tune_reused(spec: StudySpec, folder: Path, trials: int, seed: int) -> str:
    return run_tune(spec, folder, trials, seed, reuse=True)


def run_plain(spec: StudySpec, folder: Path, trials: int, seed: int) -> str:
    url = f"sqlite:///{folder / 'plain.db'}"

    def objective(trial: optuna.Trial) -> float:
        suggest(trial, spec)
        return made_up(trial.number)

    study = optuna.create_study(storage=url, direction="maximize", sampler=tpe(seed))
    study.optimize(objective, n_trials=trials)
    return url


RUNS = {OURS: run_ours, TUNE: run_tune, TUNE_REUSED: run_tune_reused, PLAIN: run_plain}


def stored_trials(url: str) -> list[optuna.trial.FrozenTrial]:
    (summary,) = optuna.get_all_study_summaries(storage=url)
    return optuna.load_study(study_name=summary.study_name, storage=url).trials


def seconds_a_trial(url: str, trials: int) -> float:
    """Return the seconds from the first start to the last end, divided by the trials."""
    found = stored_trials(url)
    complete = [trial for trial in found if trial.state == TrialState.COMPLETE]
    if len(complete) != trials:
        sys.exit(f"{len(complete)} of {trials} trials are complete in {url}")
    assert all(len(trial.params) == len(found[0].params) for trial in found)
    span = max(trial.datetime_complete for trial in found) - min(trial.datetime_start for trial in found)
    return span.total_seconds() / trials


def add_finished(study: optuna.Study, spec: StudySpec) -> None:
    """Fill a stored study of one trial up to 1,000 finished ones with random parameters."""
    source = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    writer = trial_writer(study._storage, study._study_id)
    for number in range(1, FINISHED):
        trial = source.ask()
        suggest(trial, spec)
        written = create_trial(
            state=TrialState.RUNNING,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs={"replicate": 0, "attempt": 1, "seed": 0, "plan_hash": "made up"},
        )
        written.datetime_start = datetime.now()
        writer.finish(writer.create(written), TrialState.COMPLETE, [made_up(number)], {})


def time_driver(spec: StudySpec, trials: int) -> dict[str, float]:
    """Return milliseconds a trial of the driver and of `ask`, after 1,000 finished trials."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/{spec.study.name}/study.db"
        launch(spec, trials=1, workers=WORKERS, runs=folder, dispatcher=Noop())
        stored = optuna.load_study(study_name=spec.study.name, storage=open_storage(url))
        add_finished(stored, spec)
        reference = Reference(spec, stored.get_trials(deepcopy=False))
        dispatcher = Noop(reference)
        launch(spec, trials=FINISHED + trials, workers=WORKERS, runs=folder, dispatcher=dispatcher)
        return {
            "driver_cpu_ms": 1000 * dispatcher.cpu / trials,
            "ask_cpu_ms": 1000 * statistics.mean(reference.cpu),
            "driver_wall_ms": 1000 * dispatcher.wall / trials,
            "ask_wall_ms": 1000 * statistics.mean(reference.wall),
            "finished": FINISHED,
            "trials": trials,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=40, help="of each kind and round (default 40)")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    kinds = list(RUNS)
    if importlib.util.find_spec("pyarrow") is None:
        print('Ray Tune cannot run without pyarrow: pip install -e ".[benchmarks]"', file=sys.stderr)
        kinds = [OURS, PLAIN]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    ray_dispatcher.Worker = NoopWorker
    spec = load_spec("tpe", conditional=False)
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"}
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    # One cluster for all.
    ray.init(
        address="local", num_cpus=WORKERS, num_gpus=0, include_dashboard=False, _node_ip_address="127.0.0.1",
        logging_level=logging.ERROR, log_to_driver=False,
    )  # fmt: skip
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(options.rounds):
        for kind in kinds:
            with tempfile.TemporaryDirectory() as folder:
                times[kind].append(
                    seconds_a_trial(RUNS[kind](spec, Path(folder), options.trials, number), options.trials)
                )
            print(f"round {number + 1}: {kind}: {times[kind][-1]:.3f} s a trial", file=sys.stderr, flush=True)
    driver = time_driver(spec, options.trials)
    ray.shutdown()
    report(options, {kind: statistics.median(values) for kind, values in times.items()}, driver, times)


def report(
    options: argparse.Namespace, medians: dict[str, float], driver: dict[str, float], times: dict[str, list[float]]
) -> None:
    ratios = {
        "ratio_to_ray_tune": medians.get(TUNE),
        "ratio_to_ray_tune_reused": medians.get(TUNE_REUSED),
        "ratio_to_plain_optuna": medians[PLAIN],
    }
    results: dict[str, Any] = {key: value / medians[OURS] for key, value in ratios.items() if value is not None}
    results["driver_over_ask"] = driver["driver_cpu_ms"] / driver["ask_cpu_ms"]
    results["driver_over_ask_wall"] = driver["driver_wall_ms"] / driver["ask_wall_ms"]
    versions = f"Python {platform.python_version()}, Optuna {optuna.__version__}, Ray {ray.__version__}"
    print(f"{versions}; TPE, 60 parameters, {options.trials} trials, {WORKERS} workers, {options.rounds} rounds\n")
    print("| | seconds a trial | trials a second | ours is faster by |\n|---|---|---|---|")
    for kind, seconds in medians.items():
        print(f"| {kind} | {seconds:.3f} | {1 / seconds:.2f} | {seconds / medians[OURS]:.1f} |")
    ask_ms, driver_ms = driver["ask_wall_ms"], driver["driver_wall_ms"]
    print(
        f"\nafter {FINISHED:,} finished trials: driver {driver['driver_cpu_ms']:.0f} ms a trial, "
        f"ask {driver['ask_cpu_ms']:.0f} ms, {results['driver_over_ask']:.2f} times as long (CPU); "
        f"{driver_ms:.0f} and {ask_ms:.0f} ms, {results['driver_over_ask_wall']:.2f} (wall)"
    )
    missed = [key for key, least in TARGETS.items() if key in results and results[key] < least]
    missed += ["driver_over_ask"] if results["driver_over_ask"] > MOST_OVER_ASK else []
    if options.json is not None:
        details = {"seconds_a_trial": times, "driver": driver, "versions": versions}
        options.json.write_text(json.dumps(results | details, indent=2) + "\n")
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
