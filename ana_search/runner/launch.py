"""Launching a study: storage, lease, orphans of a dead driver, workers, the loop, and what was written read back."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from optuna.exceptions import OptunaError
from optuna.trial import TrialState

from ana_search.dispatch import Dispatcher, SlotRequest
from ana_search.errors import AnaSearchError, LeaseLostError, RunError, StorageLostError
from ana_search.hardware import check_constraints
from ana_search.networks import imported, is_file_name
from ana_search.runner.attempts import end_orphans
from ana_search.runner.driver import Driver
from ana_search.runner.ending import check_results, rescued
from ana_search.runner.examples import Examples
from ana_search.runner.files import clean_all
from ana_search.runner.ledger import Ledger
from ana_search.runner.loggers import LOGGERS
from ana_search.runner.logging import LoggedProgress
from ana_search.runner.parts import LaunchParts, Wanted
from ana_search.runner.patience import PATIENCE_SECONDS, Patience
from ana_search.runner.progress import Progress, Silent
from ana_search.runner.signals import Stopper, handled_by
from ana_search.runner.stored import stored_study
from ana_search.space import requested_trials
from ana_search.storage import DEFAULT_RUNS, Lease, RunFolder, StorageGuard, answer_soon, storage_url
from ana_search.storage.locate import write_requested
from ana_search.storage.record import INFEASIBLE
from ana_search.study_file import StudySpec

__all__ = ["LaunchOutcome", "launch"]


@dataclass(frozen=True)
class LaunchOutcome:
    """How a launch ended.

    ``finished``, ``requested`` and ``complete`` count the study's trials, ``ended`` and ``failed`` those that this
    launch finished and those of them that failed; ``reasons`` say why, each once. ``interrupted`` is set where the
    launch was cut short.
    """

    finished: int
    requested: int
    complete: int
    interrupted: bool
    ended: int = 0
    failed: int = 0
    reasons: tuple[str, ...] = ()

    def failure(self) -> str | None:
        """Return why the launch has failed although it came to its end, or ``None``.

        It has if everything that it ran failed, or if the study has ended without a result.
        """
        if self.interrupted:
            return None
        why = f": {'; '.join(self.reasons[:3])}" if self.reasons else ""
        if self.ended and self.failed == self.ended:
            return f"all {self.ended} trials of this launch failed{why}"
        if self.finished and not self.complete:
            return f"none of {self.finished} finished trials has a result{why}"
        return None


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
    patience: float = PATIENCE_SECONDS,
    progress: Progress | None = None,
    dispatcher: Dispatcher | None = None,
    accept_changes: bool = False,
) -> LaunchOutcome:
    """Run the study until its trials are finished, or go on with it.

    In the main thread the first Ctrl-C, SIGTERM or SIGHUP stops asking for trials and lets the running ones write a
    checkpoint, the second ends everything at once; either way the study can go on later. Before an ordinary end all
    results are read back from the storage.

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
        patience: seconds to wait for a storage or a disk that is away, locked or full.
        progress: told what happens.
        dispatcher: trains the jobs (default: Ray).
        accept_changes: go on with data or code of a network that have changed since the study was started.

    Raises:
        StudyFileError: no network of the study meets its constraints.
        StudyChangedError: the stored study differs from ``spec``, or was started with other data or code.
        DataError: the data cannot be read on this machine, the only one.
        RequestError: the package of the study's logger is not installed.
        ResourceError, StorageError, LeaseError: see there; nothing was started.
        StorageLostError: the storage was deleted, replaced or damaged, or did not answer for as long as ``patience``;
            the message names the new database that holds what was in memory.
        RunError: Ray has ended, or a disk was full for too long.
    """
    check_constraints(spec)
    asked = (
        spec if trials is None else spec.model_copy(update={"study": spec.study.model_copy(update={"trials": trials})})
    )
    folder = RunFolder(Path(runs) if runs is not None else DEFAULT_RUNS, spec.study.name)
    requested = requested_trials(asked)
    if replicates is not None and trials is None:
        requested = requested * replicates // spec.replicates
    request = _slot_request(spec, workers, gpus_per_trial)
    progress = progress or Silent()
    if spec.study.logger is not None:
        progress = LoggedProgress(progress, LOGGERS[spec.study.logger](spec.study.name, folder.path))
    examples = Examples(spec)
    dispatcher = dispatcher if dispatcher is not None else _ray(request, address, spec, examples)
    url = storage_url(folder, storage, spec.study.storage)
    stopper = Stopper(progress.message)
    study = stored_study(asked, url)
    answer_soon(study)
    with handled_by(stopper.handle), Lease(study, progress.message) as lease:
        guard = StorageGuard(url)

        def check() -> None:
            guard.check()
            lease.check()

        parts = LaunchParts(
            asked, study, url, folder, dispatcher, progress, stopper,
            Patience(progress.message, stopper.is_over, patience), check,
        )  # fmt: skip
        parts.patience(lambda: write_requested(study, requested))
        parts.patience(lambda: end_orphans(study, asked, folder))
        ledger = Ledger(asked, study, parts.patience, progress.message, check)
        clean_all(folder, ledger.records())
        wanted = Wanted(requested, replicates, request.workers, deterministic, timeout)
        driver = Driver(parts, ledger, wanted)
        try:
            examples.check(study, parts.patience, progress.message, accept=accept_changes, needed=not driver.is_done())
            _drive(parts, driver, lease)
            if driver.is_done():
                parts.patience(lambda: check_results(study, url, ledger))
        except StorageLostError as error:
            raise rescued(error, ledger, url, folder) from error
        return _outcome(driver, ledger, requested)


def _drive(parts: LaunchParts, driver: Driver, lease: Lease) -> None:
    """Start the workers and run the driver to its end; whatever ends it, record what was interrupted."""
    try:
        if driver.is_done():
            parts.progress.begin(finished=driver.finished, requested=driver.requested, best=driver.best)
            return
        parts.dispatcher.start()
        lease.confirm()  # two launches at almost the same moment: by now the lease says which one has the study
        parts.stopper.watch(driver)
        driver.run()
    except KeyboardInterrupt:
        parts.stopper.end()
        _abandon(driver)
    except (StorageLostError, LeaseLostError):
        raise  # the storage is gone, or the study is another driver's by now: nothing can be recorded
    except RunError:
        _abandon(driver)
        if not parts.stopper.is_over():
            raise
    finally:
        parts.dispatcher.close()
        if isinstance(parts.progress, LoggedProgress):
            parts.progress.close()


def _abandon(driver: Driver) -> None:
    """Record the running trials as interrupted; where that fails too, the next launch finds and ends them itself."""
    with suppress(AnaSearchError, OptunaError, ValueError):
        driver.abandon()


def _outcome(driver: Driver, ledger: Ledger, requested: int) -> LaunchOutcome:
    trials = ledger.records()
    complete = sum(trial.is_complete for trial in trials)
    reasons = [trial.reason for trial in trials if trial.state == TrialState.FAIL and trial.reason is not None]
    untrained = sum(trial.shown_state == INFEASIBLE for trial in trials)
    if untrained:
        reasons.append(f"{untrained} broke a constraint before training")
    return LaunchOutcome(
        finished=driver.finished,
        requested=requested,
        complete=complete,
        interrupted=not driver.is_done(),
        ended=driver.ended.total(),
        failed=driver.ended[TrialState.FAIL.name],
        reasons=tuple(dict.fromkeys(reasons)),
    )


def _slot_request(spec: StudySpec, workers: int | None, gpus: float | None) -> SlotRequest:
    resources = spec.resources
    return SlotRequest(
        workers=resources.workers if workers is None else workers,
        cpus=resources.cpus_per_trial,
        gpus=resources.gpus_per_trial if gpus is None else gpus,
    )


def _ray(request: SlotRequest, address: str | None, spec: StudySpec, examples: Examples) -> Dispatcher:
    # Importing Ray takes a second, which a launch with another dispatcher need not spend.
    from ana_search.dispatch.ray_dispatcher import RayDispatcher

    code = imported(spec.network.name) if is_file_name(spec.network.name) else None
    dispatcher = RayDispatcher(request, address, examples.plan, code, examples.take)
    dispatcher.check()
    return dispatcher
