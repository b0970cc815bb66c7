"""A trial as the rest of the package sees it: typed fields, and nothing of Optuna's but its states.

`TrialStart` and `TrialEnd` are what ana-search stores of a trial beside its parameters and its values. The names of
their fields are the names of the stored attributes; nothing outside ``storage/`` knows these.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from optuna.trial import FrozenTrial, TrialState

from ana_search.objectives import OBJECTIVES

if TYPE_CHECKING:  # what validates study files takes seconds to load
    from ana_search.space import TrialParams

__all__ = [
    "INFEASIBLE",
    "INTERRUPTED",
    "MOST_RETRIES",
    "Attributes",
    "Retry",
    "TrialEnd",
    "TrialRecord",
    "TrialStart",
    "retried",
]

Attributes = Mapping[str, Any]
"""What Optuna keeps beside a trial or a study: names to values that JSON can hold."""

MOST_RETRIES = 3
"""How often one training run is tried again when workers or drivers die under it before it gets any further."""

INTERRUPTED = "INTERRUPTED"
"""What a trial is shown as that Optuna calls FAIL, but that is run again."""

INFEASIBLE = "INFEASIBLE"
"""What a trial is shown as that Optuna calls PRUNED, and that broke a constraint before it was trained."""

Retry = Literal["lost", "interrupted"]
"""Why a trial that failed is run again.

``lost``: a worker or driver died before the run had got any further, which costs an attempt. ``interrupted``: the
launch was stopped, or the run had got further than the attempt before, which costs none.
"""


class _Stored:
    """What is stored as attributes: every field that is not ``None``, under its own name."""

    def attributes(self) -> Attributes:
        """Return the attributes to store."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}  # type: ignore[arg-type]  # a dataclass
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class TrialStart(_Stored):
    """What a trial has from its start.

    ``seed`` and ``plan_hash`` are those of its training plan; ``replicate`` counts the runs of one set of parameters
    from 0 and ``attempt`` those of one training run from 1. A repeated attempt names the trial that it repeats
    (``retry_of``), the first attempt (``root``), whose checkpoint it goes on from, and the epochs that it need not
    train again (``began_with``). ``block`` and ``redrawn`` are the trial's place in a pick-freeze design.
    ``weight_bits``, ``bytes``, ``operations``, ``latency_ms``, ``ram_bytes`` and ``flash_bytes`` are what its network
    costs (see `ana_search.objectives`), as far as that is known.
    """

    seed: int | None = None
    replicate: int = 0
    plan_hash: str | None = None
    attempt: int = 1
    block: int | None = None
    redrawn: str | None = None
    retry_of: int | None = None
    root: int | None = None
    began_with: int | None = None
    weight_bits: float | None = None
    bytes: int | None = None
    operations: int | None = None
    latency_ms: float | None = None
    ram_bytes: int | None = None
    flash_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class TrialEnd(_Stored):
    """What is known once a trial has ended; a trial without a result has its ``reason`` and its ``worker`` alone.

    ``epochs`` counts those of all its rungs. ``device``, ``processor``, ``threads`` and ``torch`` are the machine that
    trained it (see `ana_search.training.Machine`). ``weight_levels``, ``activation_levels`` and ``flips`` are those of
    the last epoch (see `ana_search.training.EpochReport`). The hashes are the SHA-256 of network.pt and of history.json
    in the run directory. ``infeasible`` says which of the study's constraints the trial breaks.
    """

    epochs: int | None = None
    seconds: float | None = None
    reason: str | None = None
    worker: str | None = None
    device: str | None = None
    processor: str | None = None
    threads: int | None = None
    torch: str | None = None
    weight_levels: Sequence[int] | None = None
    activation_levels: Sequence[int] | None = None
    flips: Sequence[float] | None = None
    retry: Retry | None = None
    weights_sha256: str | None = None
    history_sha256: str | None = None
    infeasible: str | None = None


@dataclass(frozen=True, kw_only=True)
class TrialRecord(TrialStart, TrialEnd):
    """One trial of a study.

    ``values`` are empty unless it is complete (of one that was pruned: its last report), the validation accuracy
    first; ``reports`` maps the epochs of a rung to the accuracy there. ``seed`` and ``plan_hash`` are ``None`` for a
    trial that waits to be run. ``left_out`` says why a trial is none of the study's, where ana-search has noted that.
    """

    number: int
    state: TrialState
    params: "TrialParams"
    values: Sequence[float] = ()
    reports: Mapping[int, float] = field(default_factory=dict)
    started: datetime | None = None
    ended: datetime | None = None
    left_out: str | None = None

    @classmethod
    def of(cls, trial: FrozenTrial) -> "TrialRecord":
        """Return the record of one of Optuna's trials; attributes that ana-search does not know are left out."""
        known = {name: value for name, value in trial.user_attrs.items() if name in _NAMES}
        return cls(
            number=trial.number,
            state=trial.state,
            params=trial.params,
            values=tuple(trial.values or ()),
            reports=trial.intermediate_values,
            started=trial.datetime_start,
            ended=trial.datetime_complete,
            **known,
        )

    @property
    def is_complete(self) -> bool:
        """Whether it has a result."""
        return self.state == TrialState.COMPLETE

    @property
    def is_feasible(self) -> bool:
        """Whether it breaks none of the study's constraints, as far as that is known."""
        return self.infeasible is None

    @property
    def awaits_retry(self) -> bool:
        """Whether it failed for a reason that another attempt may not meet, and may be tried again."""
        if self.state != TrialState.FAIL:
            return False
        return self.retry == "interrupted" or (self.retry == "lost" and self.attempt <= MOST_RETRIES)

    @property
    def dead_layers(self) -> tuple[int, ...]:
        """The numbers of the layers of which all weights, or all activations, have one level."""
        both = zip(self.weight_levels or (), self.activation_levels or (), strict=False)
        return tuple(layer for layer, levels in enumerate(both) if 1 in levels)

    @property
    def is_finished(self) -> bool:
        """Whether it counts: complete, pruned, or failed for good, and the study's own."""
        return self.state.is_finished() and self.left_out is None and not self.awaits_retry

    @property
    def shown_state(self) -> str:
        """What people are told of it: Optuna's state, but for what is run again and for what was never trained.

        ``INTERRUPTED`` is what failed to be run again, ``INFEASIBLE`` what broke a constraint before it was trained.
        """
        if self.awaits_retry:
            return INTERRUPTED
        return INFEASIBLE if self.infeasible is not None and self.epochs is None else self.state.name

    @property
    def figures(self) -> dict[str, float]:
        """What its network costs, by the names of the objectives."""
        values = {name: getattr(self, one.attribute) for name, one in OBJECTIVES.items() if one.attribute}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def first_attempt(self) -> int:
        """The number of the first attempt at its training run; its own where it repeats none."""
        return self.number if self.root is None else self.root


_NAMES = frozenset({"left_out", *(one.name for kind in (TrialStart, TrialEnd) for one in fields(kind))})


def retried(trials: Iterable[TrialRecord]) -> set[int]:
    """Return the numbers of the trials that were tried again."""
    return {trial.retry_of for trial in trials if trial.retry_of is not None}
