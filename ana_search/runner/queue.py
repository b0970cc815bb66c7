"""Which trial comes next: a repeated attempt, a missing replicate, a cell of the grid, or a new draw."""

import itertools
import json
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from optuna.trial import TrialState

from ana_search.space import PICK_FREEZE, REDRAWN, TrialParams, grid, has_new_seeds, pick_freeze_point
from ana_search.storage.record import TrialRecord, retried
from ana_search.study_file import StudySpec

__all__ = ["Queue", "Request", "retry_of"]


@dataclass(frozen=True)
class Request:
    """A trial that is wanted; without ``params`` the sampler draws them.

    ``root`` is the first attempt of a repeated one, which has its ``seed``: its checkpoint is the one to go on from.
    ``block`` and ``redrawn`` are the trial's place in a pick-freeze design: its block, and the group of parameters that
    is redrawn in it.
    """

    params: TrialParams | None = None
    replicate: int | None = None
    attempt: int = 1
    retry_of: int | None = None
    root: int | None = None
    seed: int | None = None
    block: int | None = None
    redrawn: str | None = None


_EVERY = 5
"""In a random design every fifth point is run twice; the difference of its two runs shows the noise of a single run."""


def retry_of(trial: TrialRecord) -> Request:
    """Return the request that repeats a failed trial: same parameters, same replicate, same checkpoint."""
    return Request(
        params=dict(trial.params),
        replicate=trial.replicate,
        attempt=trial.attempt + (0 if trial.retry == "interrupted" else 1),
        retry_of=trial.number,
        root=trial.first_attempt,
        seed=trial.seed,
        block=trial.block,
        redrawn=trial.redrawn,
    )


class Queue:
    """What is still to be run, derived from the study and the trials that there are.

    Parameters come in replicates: all replicates of a set follow each other, so that a study which is stopped early
    has few sets that lack some.
    """

    def __init__(self, spec: StudySpec, trials: Sequence[TrialRecord], replicates: int | None = None) -> None:
        self._spec = spec
        self._replicates = spec.replicates if replicates is None else replicates
        again = retried(trials)
        self._retries = deque(retry_of(trial) for trial in trials if trial.awaits_retry and trial.number not in again)
        trials = [trial for trial in trials if trial.left_out is None]
        started = [trial for trial in trials if trial.retry_of is None and trial.state != TrialState.WAITING]
        self._met: Counter[str] = Counter(_key(trial.params) for trial in started)
        have = {(_key(trial.params), trial.replicate) for trial in started}
        self._is_grid = spec.study.sampler == "grid"
        self._design = _pick_freeze(spec, started) if spec.study.sampler == PICK_FREEZE else None
        if self._is_grid:
            sets = grid(spec)
        else:
            sets = list({_key(trial.params): dict(trial.params) for trial in started}.values())
        self._sets = len(sets)
        # A generator, since a launch may ask for a few trials of a grid that has very many.
        self._missing: deque[Iterator[Request]] = deque([self._unmet(sets, have)])
        self._next: Request | None = None
        for ordinal, params in enumerate([] if self._is_grid else sets):
            # These replicates keep their numbers even if the sampler draws the same parameters before they are run.
            key = _key(params)
            missing = [number for number in range(self._wanted(ordinal)) if (key, number) not in have]
            self._met[key] = max([self._met[key], *(number + 1 for number in missing)])

    def _unmet(self, sets: list[TrialParams], have: set[tuple[str, int]]) -> Iterator[Request]:
        for ordinal, params in enumerate(sets):
            key = _key(params)
            for replicate in range(self._wanted(ordinal)):
                if (key, replicate) not in have:
                    yield Request(params, replicate)

    def _wanted(self, ordinal: int) -> int:
        """Return how often a set of parameters is to be run; ``ordinal`` counts the sets from 0."""
        if self._design is not None:
            return 0
        twice = self._replicates == 1 and has_new_seeds(self._spec) and self._spec.study.pruner == "none"
        return 2 if twice and ordinal % _EVERY == _EVERY - 1 else self._replicates

    def repeat(self, request: Request) -> None:
        """Put a repeated attempt behind the others; all of them come before new trials."""
        self._retries.append(request)

    def take_retry(self) -> Request | None:
        """Return the next repeated attempt; these do not count towards the trials asked for."""
        return self._retries.popleft() if self._retries else None

    def take(self) -> Request | None:
        """Return the next new trial, or ``None`` when a grid is used up."""
        request = self._peek()
        self._next = None
        if request is not None:
            return request
        if self._design is not None:
            return next(self._design)
        return None if self._is_grid else Request()

    def has_more(self) -> bool:
        """Return whether anything is left to run; a sampler never ends."""
        return bool(self._retries or not self._is_grid or self._peek() is not None)

    def _peek(self) -> Request | None:
        while self._next is None and self._missing:
            self._next = next(self._missing[0], None)
            if self._next is None:
                self._missing.popleft()
        return self._next

    def drawn(self, params: TrialParams) -> int:
        """Note parameters that the sampler drew; return their replicate number.

        A set met before becomes one more replicate of itself; a new one calls for the rest of its replicates.
        """
        key = _key(params)
        replicate = self._met[key]
        self._met[key] += 1
        if replicate == 0:
            wanted = self._wanted(self._sets)
            self._sets += 1
            self._met[key] += max(0, wanted - 1)
            self._missing.appendleft(Request(dict(params), number) for number in range(1, wanted))
        return replicate


def _pick_freeze(spec: StudySpec, started: Sequence[TrialRecord]) -> Iterator[Request]:
    """Yield the runs of a pick-freeze design that have not been started, block by block."""
    have = Counter((trial.block, trial.redrawn) for trial in started)
    for block in itertools.count():
        for place, redrawn in enumerate(REDRAWN):
            replicate = REDRAWN[:place].count(redrawn)
            if have[block, redrawn] > replicate:
                continue
            yield Request(pick_freeze_point(spec, block, place), replicate, block=block, redrawn=redrawn)


def _key(params: TrialParams) -> str:
    return json.dumps(params, sort_keys=True)
