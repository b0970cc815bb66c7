"""Parts for tests and for measurements at a scale that no test machine has."""

from ana_search.testing.fates import Fate, fixed_fate, lognormal_fates
from ana_search.testing.simulated import SimulatedDispatcher

__all__ = ["Fate", "SimulatedDispatcher", "fixed_fate", "lognormal_fates"]
