"""Launching a study: storage, lease, orphans of a dead driver, workers, and the loop."""

import contextlib
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, OptunaError
from optuna.study import StudyDirection
from optuna.trial import TrialState

from ana_search import __version__
from ana_search.dispatch import Dispatcher, SlotRequest
from ana_search.errors import AnaSearchError, RunError, StudyChangedError
from ana_search.plan import DataPlan
from ana_search.runner.driver import Driver
from ana_search.runner.ledger import Ledger
from ana_search.runner.patience import Patience
from ana_search.runner.progress import Progress, Silent
from ana_search.space import requested_trials, spec_changes
from ana_search.storage import DEFAULT_RUNS, Lease, RunFolder, hide_password, open_storage, storage_url
from ana_search.storage.attributes import VERSION_ATTRIBUTE, attempt_of
from ana_search.storage.belonging import SearchedSpace, left_out_reason
from ana_search.storage.locate import REQUESTED_ATTRIBUTE, SPEC_ATTRIBUTE, read_spec
from ana_search.study_file import StudySpec

__all__ = ["LaunchOutcome", "launch"]


@dataclass(frozen=True)
class LaunchOutcome:
    """How a launch ended: trials finished and asked for, complete ones, and whether it was cut short."""

    finished: int
    requested: int
    complete: int
    interrupted: bool


def launch(
    spec: StudySpec,
    *,
    trials: int | None = None,
    workers: int | None = None,
    gpus_per_trial: float | None = None,
    address: str | None = None,
    storage: str | None = None,
    runs: str | Path | None = None,
    timeout: float | None = None,
    deterministic: bool = False,
    replicates: int | None = None,
    progress: Progress | None = None,
    dispatcher: Dispatcher | None = None,
) -> LaunchOutcome:
    """Run the study until its trials are finished, or go on with it.

    In the main thread the first Ctrl-C stops asking for trials and lets the running ones write a checkpoint, the
    second ends everything at once; either way the study can go on later.

    Args:
        spec: the study.
        trials: finished trials wanted in all (default: what the study asks for).
        workers: trials at a time (default: the study's ``[resources]``).
        gpus_per_trial: GPUs of one trial; fractions share a GPU.
        address: of a Ray cluster (default: this machine).
        storage: Optuna storage URL (default: the study's, the environment's, SQLite in the run directory).
        runs: folder of the run directories.
        timeout: seconds after which no more trials are started.
        deterministic: ask and tell in an order that does not depend on timing.
        replicates: replicates of every set of parameters (default: the study's).
        progress: told what happens.
        dispatcher: trains the jobs (default: Ray).

    Raises:
        StudyChangedError: the stored study differs from ``spec``.
        ResourceError, StorageError, LeaseError: see there; nothing was started.
    """
    asked = (
        spec if trials is None else spec.model_copy(update={"study": spec.study.model_copy(update={"trials": trials})})
    )
    folder = RunFolder(Path(runs) if runs is not None else DEFAULT_RUNS, spec.study.name)
    requested = requested_trials(asked)
    if replicates is not None and trials is None:
        requested = requested * replicates // spec.replicates
    request = _slot_request(spec, workers, gpus_per_trial)
    progress = progress or Silent()
    dispatcher = dispatcher if dispatcher is not None else _ray(request, address, spec)
    url = storage_url(folder, storage, spec.study.storage)
    study = _stored_study(asked, url)
    stopper = _Stopper(progress)
    patience = Patience(progress.message, stopper.is_over)
    with _signals(stopper.interrupt), Lease(study) as lease:
        patience(lambda: study.set_user_attr(REQUESTED_ATTRIBUTE, requested))
        patience(lambda: _end_orphans(study))
        ledger = Ledger(asked, study, patience, progress.message)
        driver = Driver(
            asked, ledger, dispatcher, folder, progress, requested=requested, replicates=replicates,
            slots=request.workers, deterministic=deterministic, timeout=timeout, patience=patience, check=lease.check,
        )  # fmt: skip
        try:
            if driver.is_done():
                progress.begin(finished=driver.finished, requested=requested, best=driver.best)
            else:
                dispatcher.start()
                stopper.driver = driver
                driver.run()
        except KeyboardInterrupt:
            stopper.ended = True
            # Where the storage is away too, the next launch finds these trials running and ends them itself.
            with contextlib.suppress(AnaSearchError, OptunaError, ValueError):
                driver.abandon()
        except RunError:
            if not stopper.is_over():
                raise
        finally:
            dispatcher.close()
        complete = sum(trial.state == TrialState.COMPLETE for trial in ledger.trials())
        return LaunchOutcome(driver.finished, requested, complete, interrupted=not driver.is_done())


def _slot_request(spec: StudySpec, workers: int | None, gpus: float | None) -> SlotRequest:
    resources = spec.resources
    return SlotRequest(
        workers=resources.workers if workers is None else workers,
        cpus=resources.cpus_per_trial,
        gpus=resources.gpus_per_trial if gpus is None else gpus,
    )


def _ray(request: SlotRequest, address: str | None, spec: StudySpec) -> Dispatcher:
    # Ray takes a second to import: not where another dispatcher is used.
    from ana_search.dispatch.ray_dispatcher import RayDispatcher

    dispatcher = RayDispatcher(request, address, DataPlan(spec.data.name, spec.data.root))
    dispatcher.check()
    return dispatcher


def _stored_study(spec: StudySpec, url: str) -> optuna.Study:
    """Return the stored study, made if it does not exist. Raises `StudyChangedError` if it is another one."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    directions = [
        StudyDirection.MAXIMIZE if name == "val_accuracy" else StudyDirection.MINIMIZE for name in spec.study.objective
    ]
    study = optuna.create_study(
        study_name=spec.study.name, storage=open_storage(url), directions=directions, load_if_exists=True
    )
    if study.directions != directions:
        raise StudyChangedError(
            f"study {spec.study.name!r} in {hide_password(url)} has the directions "
            f"{', '.join(direction.name for direction in study.directions)}; the study file's objective needs "
            f"{', '.join(direction.name for direction in directions)}; allowed: another name or another storage"
        )
    stored = study.user_attrs.get(SPEC_ATTRIBUTE)
    if stored is None and any(trial.state != TrialState.WAITING for trial in study.get_trials(deepcopy=False)):
        raise StudyChangedError(
            f"study {spec.study.name!r} in {hide_password(url)} has trials that ana-search did not make; "
            "allowed: another name or another storage"
        )
    if stored is not None:
        changes = spec_changes(read_spec(study, url), spec)
        if changes:
            raise StudyChangedError(
                f"study {spec.study.name!r} was started with another study file:\n  "
                + "\n  ".join(changes)
                + "\nallowed: changing study.trials and [resources], more study.seeds, wider numeric ranges; "
                "or a new study.name"
            )
    if stored != spec.to_json():
        study.set_user_attr(SPEC_ATTRIBUTE, spec.to_json())
        study.set_user_attr(VERSION_ATTRIBUTE, __version__)
    if study.metric_names != list(spec.study.objective):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names(list(spec.study.objective))
    return study


def _end_orphans(study: optuna.Study) -> None:
    """End the trials that a dead driver left RUNNING, so that they are tried again from their last epoch."""
    space = SearchedSpace.from_json(study.user_attrs.get(SPEC_ATTRIBUTE))
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if left_out_reason(trial, space) is not None:
            continue  # another program runs it, or died over it: its trials are none of ours to end
        storage = study._storage
        reason = f"its driver died (attempt {attempt_of(trial.user_attrs)})"
        storage.set_trial_user_attr(trial._trial_id, "reason", reason)
        storage.set_trial_user_attr(trial._trial_id, "retry", "lost")
        storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)


class _Stopper:
    """What Ctrl-C does: before the loop runs, and the second time, it ends at once; the first time it drains."""

    def __init__(self, progress: Progress) -> None:
        self.driver: Driver | None = None
        self.ended = False
        self._progress = progress
        self._stopped = False

    def is_over(self) -> bool:
        """Return whether nothing is to be waited for any more."""
        return self.ended or (self.driver is not None and self.driver.is_drained())

    def interrupt(self, _number: int, _frame: FrameType | None) -> Any:
        if self.driver is None or self._stopped:
            raise KeyboardInterrupt
        self._stopped = True
        self.driver.stop()
        self._progress.message("stopping after the epochs that are running; again to stop at once")


@contextmanager
def _signals(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """Handle SIGINT and SIGTERM while the block runs; only the main thread may."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
