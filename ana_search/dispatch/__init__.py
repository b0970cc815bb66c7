"""Training jobs in slots: on a Ray cluster, or in this process."""

from ana_search.dispatch.protocol import (
    Dispatcher,
    Done,
    EpochDone,
    Event,
    Failed,
    Job,
    Outcome,
    Started,
    Stopped,
)
from ana_search.dispatch.resources import SlotRequest

__all__ = [
    "Dispatcher",
    "Done",
    "EpochDone",
    "Event",
    "Failed",
    "Job",
    "Outcome",
    "SlotRequest",
    "Started",
    "Stopped",
]
