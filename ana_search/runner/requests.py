"""Which trial comes next: a repeated attempt, a missing replicate, a cell of the grid, or a new draw."""

import json
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from ana_search.space import TrialParams, grid
from ana_search.storage.attributes import attempt_of, awaits_retry, replicate_of, retried
from ana_search.study_file import StudySpec

__all__ = ["Queue", "Request", "retry_of"]


@dataclass(frozen=True)
class Request:
    """A trial that is wanted; without ``params`` the sampler draws them.

    ``root`` is the first attempt of a repeated one: its checkpoint is the one to go on from.
    """

    params: TrialParams | None = None
    replicate: int | None = None
    attempt: int = 1
    retry_of: int | None = None
    root: int | None = None


def retry_of(trial: FrozenTrial) -> Request:
    """Return the request that repeats a failed trial: same parameters, same replicate, same checkpoint."""
    attrs = trial.user_attrs
    interrupted = attrs.get("retry") == "interrupted"
    return Request(
        params=dict(trial.params),
        replicate=replicate_of(trial),
        attempt=attempt_of(attrs) + (0 if interrupted else 1),
        retry_of=trial.number,
        root=attrs.get("root", trial.number),
    )


class Queue:
    """What is still to be run, derived from the study and the trials that there are.

    Parameters come in replicates: all replicates of a set follow each other, so that a study which is stopped early
    has few sets that lack some.
    """

    def __init__(self, spec: StudySpec, trials: list[FrozenTrial], replicates: int | None = None) -> None:
        self._replicates = spec.replicates if replicates is None else replicates
        again = retried(trials)
        self._retries = deque(retry_of(trial) for trial in trials if awaits_retry(trial) and trial.number not in again)
        firsts = [trial for trial in trials if "retry_of" not in trial.user_attrs and trial.params is not None]
        started = [trial for trial in firsts if trial.state.name != "WAITING"]
        self._met: Counter[str] = Counter(_key(trial.params) for trial in started)
        have = {(_key(trial.params), replicate_of(trial)) for trial in started}
        self._is_grid = spec.study.sampler == "grid"
        if self._is_grid:
            sets = grid(spec)
        else:
            sets = list({_key(trial.params): dict(trial.params) for trial in started}.values())
        self._missing = deque(
            Request(params, replicate)
            for params in sets
            for replicate in range(self._replicates)
            if (_key(params), replicate) not in have
        )
        for request in self._missing:  # its number is taken, should the sampler draw the same set meanwhile
            self._met[_key(request.params or {})] = max(self._met[_key(request.params or {})], self._replicates)

    def repeat(self, request: Request) -> None:
        """Put a repeated attempt at the front."""
        self._retries.append(request)

    def take_retry(self) -> Request | None:
        """Return the next repeated attempt; these do not count towards the trials asked for."""
        return self._retries.popleft() if self._retries else None

    def take(self) -> Request | None:
        """Return the next new trial, or ``None`` when a grid is used up."""
        if self._missing:
            return self._missing.popleft()
        return None if self._is_grid else Request()

    def has_more(self) -> bool:
        """Return whether anything is left to run; a sampler never ends."""
        return bool(self._retries or self._missing or not self._is_grid)

    def drawn(self, params: Mapping[str, Any]) -> int:
        """Note parameters that the sampler drew; return their replicate number.

        A set met before becomes one more replicate of itself; a new one calls for the rest of its replicates.
        """
        key = _key(params)
        replicate = self._met[key]
        self._met[key] += 1
        if replicate == 0:
            rest = [Request(dict(params), number) for number in range(1, self._replicates)]
            self._met[key] += len(rest)
            self._missing.extendleft(reversed(rest))
        return replicate


def _key(params: Mapping[str, Any]) -> str:
    return json.dumps(params, sort_keys=True)
