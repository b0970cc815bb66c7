"""The user attributes of a trial: what the storage keeps beside parameters and value."""

from collections.abc import Mapping
from typing import Any

from optuna.trial import FrozenTrial, TrialState

__all__ = [
    "HISTORY_HASH",
    "INTERRUPTED",
    "LEFT_OUT",
    "MOST_RETRIES",
    "VERSION_ATTRIBUTE",
    "WEIGHTS_HASH",
    "Attributes",
    "attempt_of",
    "awaits_retry",
    "is_finished",
    "replicate_of",
    "retried",
    "shown_state",
]

Attributes = Mapping[str, Any]
"""What Optuna keeps beside a trial or a study: names to values that JSON can hold."""

LEFT_OUT = "left_out"
"""Why a trial does not belong to the study, where ana-search has ended it or only keeps its number."""

WEIGHTS_HASH = "weights_sha256"
"""The SHA-256 of network.pt, recorded before the trial is complete."""

HISTORY_HASH = "history_sha256"
"""The SHA-256 of history.json, likewise."""

VERSION_ATTRIBUTE = "version"
"""Of a study: the version of ana-search that wrote its specification."""

MOST_RETRIES = 3
"""How often one training run is tried again when workers or drivers die under it before it gets any further."""

INTERRUPTED = "INTERRUPTED"
"""What a trial is shown as that Optuna calls FAIL, but that is run again."""


def attempt_of(attributes: Attributes) -> int:
    """Return the number of the attempt, counted from 1."""
    return int(attributes.get("attempt", 1))


def replicate_of(trial: FrozenTrial) -> int:
    """Return the trial's replicate number."""
    return int(trial.user_attrs.get("replicate", 0))


def retried(trials: list[FrozenTrial]) -> set[int]:
    """Return the numbers of the trials that were tried again."""
    return {trial.user_attrs["retry_of"] for trial in trials if "retry_of" in trial.user_attrs}


def awaits_retry(trial: FrozenTrial) -> bool:
    """Return whether the trial failed for a reason that another attempt may not meet, and may be tried again.

    ``retry`` is ``"lost"`` (a worker or driver died before the run had got any further, which costs an attempt) or
    ``"interrupted"``, which costs none: the launch was stopped, or the run had got further than the attempt before.
    """
    if trial.state != TrialState.FAIL:
        return False
    kind = trial.user_attrs.get("retry")
    return kind == "interrupted" or (kind == "lost" and attempt_of(trial.user_attrs) <= MOST_RETRIES)


def is_finished(trial: FrozenTrial) -> bool:
    """Return whether the trial counts: complete, pruned, or failed for good, and the study's own."""
    return trial.state.is_finished() and LEFT_OUT not in trial.user_attrs and not awaits_retry(trial)


def shown_state(trial: FrozenTrial) -> str:
    """Return what people are told of a trial: Optuna's state, but ``INTERRUPTED`` for what failed to be run again."""
    return INTERRUPTED if awaits_retry(trial) else trial.state.name
