"""The driver: the one process that asks, dispatches, reports, prunes and tells."""

from ana_search.runner.launch import LaunchOutcome, launch
from ana_search.runner.progress import Progress, Silent
from ana_search.storage.attributes import awaits_retry, is_finished

__all__ = ["LaunchOutcome", "Progress", "Silent", "awaits_retry", "is_finished", "launch"]
