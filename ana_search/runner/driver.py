"""The driver's loop: ask, dispatch, report, prune, tell."""

import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from optuna.trial import TrialState

from ana_search.dispatch import Done, EpochDone, Event, Failed, Job, Outcome, Started, Stopped
from ana_search.errors import RunError
from ana_search.hardware import TrialFigures
from ana_search.history import Epoch
from ana_search.objectives import ACCURACY, OBJECTIVES, broken
from ana_search.plan import TrainingPlan, compress
from ana_search.planner import make_plan
from ana_search.runner.attempts import epochs_of_rungs, kept_so_far
from ana_search.runner.files import clean, keep
from ana_search.runner.ledger import Ledger
from ana_search.runner.parts import LaunchParts, Wanted
from ana_search.runner.queue import Queue, Request, retry_of
from ana_search.space import TrialParams, training_seed
from ana_search.storage.record import TrialEnd, TrialRecord, TrialStart

__all__ = ["Driver"]

FIGURES = "figures.json"
"""In the run directory: what files of untrained networks tell, by network and bits."""

_POLL_SECONDS = 0.5
_DRAIN_SECONDS = 8.0
_INTERRUPTED = "interrupted; the next launch goes on with it"
_NO_SLOT_SECONDS = 600.0  # a cluster that grows by itself, or a machine that is busy, takes minutes to start a worker


@dataclass
class _Running:
    """A trial in the hands of the dispatcher: its plan and the rung that it is in."""

    trial: TrialRecord
    plan: TrainingPlan
    rungs: list[int]
    rung: int = 0
    busy: bool = False

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.trial.number

    @property
    def root(self) -> int:
        """The first attempt at this training run, whose checkpoint all attempts share."""
        return self.trial.first_attempt

    @property
    def rung_plan(self) -> TrainingPlan:
        """What is trained in this rung; in the last one the plan itself."""
        epochs = self.rungs[self.rung]
        return self.plan if epochs == self.plan.training.epochs else compress(self.plan, epochs)


class Driver:
    """Runs trials of one study until those that are wanted are finished.

    It holds the study's lease and is the only writer of its storage. ``stop`` may be called at any time, from a
    signal handler too.
    """

    def __init__(self, parts: LaunchParts, ledger: Ledger, wanted: Wanted) -> None:
        self._spec, self._ledger, self._dispatcher = parts.spec, ledger, parts.dispatcher
        self._folder, self._progress, self._patience = parts.folder, parts.progress, parts.patience
        self._check, self._wanted = parts.check, wanted
        self._deadline = None if wanted.timeout is None else time.monotonic() + wanted.timeout
        trials = ledger.records()
        self._queue = Queue(parts.spec, trials, wanted.replicates)
        self._running: dict[int, _Running] = {}
        self._next_rungs: deque[_Running] = deque()
        self._held: list[Event] = []
        self._stopping_since: float | None = None
        self._without_slot_since: float | None = None
        self.finished = sum(trial.is_finished for trial in trials)
        self.ended: Counter[str] = Counter()
        """How many trials this driver has finished, by state."""
        self._best = _best_of(trials)
        self._figures = TrialFigures(parts.spec, parts.folder.path / FIGURES)

    def stop(self) -> None:
        """Start nothing more, and let running trials stop after their epoch."""
        if self._stopping_since is None:
            self._stopping_since = time.monotonic()

    @property
    def requested(self) -> int:
        """How many finished trials are wanted in all."""
        return self._wanted.requested

    @property
    def best(self) -> tuple[int, float] | None:
        """Number and value of the best complete trial that meets the study's constraints."""
        return self._best

    def is_done(self) -> bool:
        """Return whether all trials asked for are finished, or a grid is used up."""
        if self._running:
            return False
        nothing_left = not self._queue.has_more() and not self._ledger.has_waiting()
        return self.finished >= self.requested or nothing_left

    def is_drained(self) -> bool:
        """Return whether the time that running trials have to stop in is over."""
        return self._stopping_since is not None and time.monotonic() - self._stopping_since > _DRAIN_SECONDS

    def abandon(self) -> None:
        """Record that the running trials were interrupted, without waiting for them."""
        for running in list(self._running.values()):
            self._interrupt(running)

    def run(self) -> None:
        """Run until the trials asked for are finished, or until stopped and drained."""
        self._progress.begin(finished=self.finished, requested=self.requested, best=self._best)
        told_to_stop = False
        while True:
            self._check_clock()
            if self._stopping_since is None:
                self._fill()
                self._check_slots()
            elif not told_to_stop:
                told_to_stop = True
                self._dispatcher.stop()
            busy = any(running.busy for running in self._running.values())
            if not busy and (self._stopping_since is not None or self.is_done()):
                break
            if self.is_drained():
                break
            self._handle_all(self._dispatcher.events(_POLL_SECONDS))
        self.abandon()

    def _check_clock(self) -> None:
        self._check()
        if self._deadline is not None and time.monotonic() > self._deadline and self._stopping_since is None:
            self._progress.message("the time is up: stopping after the epochs that are running")
            self.stop()

    def _check_slots(self) -> None:
        """Raise `RunError` if for ten minutes no job has run and no slot was free to run one in."""
        enough = self._wanted.slots if self._wanted.deterministic else 1
        if self._dispatcher.free() >= enough or any(running.busy for running in self._running.values()):
            self._without_slot_since = None
            return
        now = time.monotonic()
        self._without_slot_since = self._without_slot_since or now
        if now - self._without_slot_since > _NO_SLOT_SECONDS:
            raise RunError(
                f"{'not all workers have' if self._wanted.deterministic else 'no worker has'} been available for "
                f"{_NO_SLOT_SECONDS:.0f} s; the cluster has lost its resources; everything finished is safe; the "
                "same command goes on"
            )

    def _fill(self) -> None:
        """Give every free slot a job: a further rung first, then a retry, then a new trial."""
        if self._wanted.deterministic and self._dispatcher.free() < self._wanted.slots:
            return  # parameters must not depend on which worker is ready first: wait until all of them are
        while self._dispatcher.free():
            if self._next_rungs:
                self._submit(self._next_rungs.popleft())
                continue
            request = self._queue.take_retry()
            if request is None:
                if self.finished + len(self._running) >= self.requested:
                    return
                request = Request() if self._ledger.has_waiting() else self._queue.take()
            if request is None or self._stopping_since is not None:
                return
            running = self._start(request)
            if running is not None and not self._ends_infeasible(running):
                self._submit(running)

    def _start(self, request: Request) -> _Running | None:
        """Write the start of a trial to the storage; return it ready to be submitted, or ``None`` (see `Ledger`)."""
        plans: list[TrainingPlan] = []

        def describe(number: int, params: TrialParams) -> TrialStart:
            replicate = self._queue.drawn(params) if request.replicate is None else request.replicate
            seed = training_seed(self._spec, number, replicate) if request.seed is None else request.seed
            plan = make_plan(self._spec, params, seed)
            plans.append(plan)
            again, root = request.retry_of, request.root
            costs = {OBJECTIVES[name].attribute: cost for name, cost in self._figures.of(plan).items()}
            return TrialStart(
                seed=plan.seed,
                replicate=replicate,
                plan_hash=plan.hash,
                attempt=request.attempt,
                block=request.block,
                redrawn=request.redrawn,
                retry_of=again,
                root=root,
                began_with=None if again is None or root is None else self._kept(again, root, plan),
                **costs,  # type: ignore[arg-type]  # the table of objectives names the attributes
            )

        trial = self._ledger.start(request.params, describe)
        if trial is None:
            return None
        plan = plans[0]
        running = _Running(trial, plan, epochs_of_rungs(self._spec, plan))
        self._running[trial.number] = running
        if request.retry_of is not None:
            self._take_over_rungs(running, request.retry_of)
        return running

    def _ends_infeasible(self, running: _Running) -> bool:
        """End a trial that breaks a constraint on what is known before training; return whether it does.

        It is told to the sampler, and counts as one of the trials asked for; no worker sees it.
        """
        told = "; ".join(broken(self._spec.study.limits, running.trial.figures))
        if told:
            self._finish(running, TrialState.PRUNED, TrialEnd(reason=f"infeasible: {told}", infeasible=told))
        return bool(told)

    def _take_over_rungs(self, running: _Running, earlier: int) -> None:
        """Let a repeated attempt begin with the rung in which the one before it ended."""
        reports = self._ledger.record(earlier).reports
        for epochs in running.rungs[:-1]:
            if epochs not in reports:
                return
            self._ledger.report(running.number, reports[epochs], epochs)
            running.rung += 1

    def _kept(self, number: int, root: int, plan: TrainingPlan) -> int:
        """Return how many epochs of a trial's run another attempt need not train again."""
        reports = self._ledger.record(number).reports
        return kept_so_far(self._folder, root, plan, epochs_of_rungs(self._spec, plan), reports)

    def _submit(self, running: _Running) -> None:
        plan = running.rung_plan
        checkpoint = str(self._folder.checkpoint(running.root)) if plan.training.epochs > 1 else None
        running.busy = True
        floats = str(self._folder.floats) if plan.reference is not None else None
        self._dispatcher.submit(Job(running.number, plan, checkpoint, floats))

    def _handle_all(self, events: Iterable[Event]) -> None:
        """Handle events as they come; in deterministic mode, ends only once all jobs have ended, in order."""
        for event in events:
            if isinstance(event, Started | EpochDone) or not self._wanted.deterministic:
                self._handle(event)
            else:
                self._running[event.trial].busy = False
                self._held.append(event)
        if self._held and not any(running.busy for running in self._running.values()):
            held, self._held = sorted(self._held, key=lambda event: event.trial), []
            for event in held:
                self._handle(event)

    def _handle(self, event: Event) -> None:
        running = self._running.get(event.trial)
        if running is None:
            return
        if isinstance(event, Started):
            self._progress.trial_started(event.worker, event.trial, running.rung_plan.training.epochs)
        elif isinstance(event, EpochDone):
            self._progress.epoch(event.worker, event.trial, event.epoch, event.epochs, event.accuracy)
        else:
            running.busy = False
            if isinstance(event, Done):
                self._done(running, event.outcome)
            elif isinstance(event, Failed):
                self._failed(running, event)
            elif isinstance(event, Stopped):
                self._interrupt(running, event.worker)

    def _done(self, running: _Running, outcome: Outcome) -> None:
        """Record a rung; promote the trial, prune it, or complete it."""
        last = running.rung == len(running.rungs) - 1
        objectives = self._spec.study.objective
        machine = outcome.machine
        last_epoch = outcome.history[-1] if outcome.history else Epoch(epoch=0, accuracy=outcome.accuracy)
        end = TrialEnd(
            epochs=sum(running.rungs[: running.rung + 1]),
            seconds=round(outcome.seconds, 3),
            worker=outcome.worker,
            device=machine.device,
            processor=machine.processor,
            threads=machine.threads,
            torch=machine.torch,
            weight_levels=list(last_epoch.get("weight_levels", ())),
            activation_levels=list(last_epoch.get("activation_levels", ())),
            flips=[round(each, 4) for each in last_epoch.get("flips", ())],
        )
        pruned = False
        if len(objectives) == 1 or len(running.rungs) > 1:
            pruned = self._ledger.report(running.number, outcome.accuracy, running.rungs[running.rung])
        if pruned and not last:
            reason = f"pruned at the rung of {running.rungs[running.rung]} epochs"
            self._finish(running, TrialState.PRUNED, replace(end, reason=reason))
        elif last:
            weights, history = self._patience(
                lambda: keep(self._folder, running.number, running.plan, outcome), "the run directory"
            )
            known = {**running.trial.figures, ACCURACY: outcome.accuracy}
            values = [known[name] for name in objectives]
            told = "; ".join(broken(self._spec.study.limits, known)) or None
            end = replace(end, weights_sha256=weights, history_sha256=history, infeasible=told)
            self._finish(running, TrialState.COMPLETE, end, values)
            # A display of a user's own may lack this method of `Progress`: then it is not told.
            recorded = getattr(self._progress, "recorded", None)
            if recorded is not None:
                recorded(running.number, running.trial.params, values[0], outcome.history)
        else:
            running.rung += 1
            self._next_rungs.append(running)

    def _failed(self, running: _Running, event: Failed) -> None:
        """End a trial without a result, and try it again if that may help."""
        end = TrialEnd(reason=event.reason, worker=event.worker)
        if event.kind == "diverged":
            self._finish(running, TrialState.PRUNED, end)
            return
        if event.kind == "lost":
            kept = self._kept(running.number, running.root, running.plan)
            further = self._stopping_since is not None or kept > (running.trial.began_with or 0)
            end = replace(end, retry="interrupted" if further else "lost")
        self._finish(running, TrialState.FAIL, end)
        again = self._ledger.record(running.number).awaits_retry
        outcome = "was interrupted and will be run again" if again else "failed"
        self._progress.message(f"trial {running.number} {outcome}: {event.reason}")

    def _interrupt(self, running: _Running, worker: str = "") -> None:
        self._finish(running, TrialState.FAIL, TrialEnd(reason=_INTERRUPTED, retry="interrupted"), worker=worker)

    def _finish(
        self,
        running: _Running,
        state: TrialState,
        end: TrialEnd,
        values: Sequence[float] | None = None,
        worker: str | None = None,
    ) -> None:
        """End a trial in the storage and in memory; have it run again, or count it."""
        self._ledger.finish(running.number, state, values, end)
        del self._running[running.number]
        trial = self._ledger.record(running.number)
        if trial.dead_layers:
            layers = ", ".join(map(str, trial.dead_layers))
            self._progress.message(
                f"trial {running.number}: in layer {layers} all weights or all activations have one level; "
                "a scale, or its learning rate, is too large there"
            )
        if trial.awaits_retry:
            self._queue.repeat(retry_of(trial))
        else:
            self.finished += 1
            self.ended[state.name] += 1
            clean(self._folder, running.root)
        self._progress.trial_ended(
            worker or end.worker or "", running.number, trial.shown_state, finished=self.finished
        )
        better = self._best is None or (values and values[0] > self._best[1])
        if state == TrialState.COMPLETE and values and better and trial.is_feasible:
            self._best = (running.number, values[0])
            self._progress.best(*self._best)


def _best_of(trials: Sequence[TrialRecord]) -> tuple[int, float] | None:
    """Return the number and the value of the best complete trial that meets the study's constraints."""
    complete = [trial for trial in trials if trial.is_complete and trial.is_feasible]
    if not complete:
        return None
    best = max(complete, key=lambda trial: trial.values[0])
    return best.number, best.values[0]
