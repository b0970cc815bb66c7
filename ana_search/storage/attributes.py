"""What is stored beside a study, by name; what is stored beside a trial has its names in `record`."""

from optuna import Study
from optuna.trial import FrozenTrial

from ana_search.storage.record import Attributes, TrialRecord

__all__ = [
    "HISTORY_HASH",
    "LEFT_OUT",
    "REQUESTED_ATTRIBUTE",
    "SPEC_ATTRIBUTE",
    "VERSION_ATTRIBUTE",
    "WEIGHTS_HASH",
    "Attributes",
    "awaits_retry",
    "is_finished",
    "study_attributes",
]

SPEC_ATTRIBUTE = "spec"
"""Of a study: its specification as JSON."""

VERSION_ATTRIBUTE = "version"
"""Of a study: the version of ana-search that wrote its specification."""

REQUESTED_ATTRIBUTE = "requested"
"""Of a study: the finished trials that the last launch was to reach."""

LEFT_OUT = "left_out"
"""Why a trial does not belong to the study, where ana-search has ended it or only keeps its number."""

WEIGHTS_HASH = "weights_sha256"
"""The SHA-256 of network.pt, recorded before the trial is complete."""

HISTORY_HASH = "history_sha256"
"""The SHA-256 of history.json, likewise."""


def study_attributes(study: Study) -> Attributes:
    """Return everything that is stored beside a study."""
    return study.user_attrs


def awaits_retry(trial: FrozenTrial) -> bool:
    """Return whether a trial of Optuna's is to be run again (see `TrialRecord.awaits_retry`)."""
    return TrialRecord.of(trial).awaits_retry


def is_finished(trial: FrozenTrial) -> bool:
    """Return whether a trial of Optuna's counts (see `TrialRecord.is_finished`)."""
    return TrialRecord.of(trial).is_finished
