"""Schedule shapes: how a quantity decays over its interval."""

from ana_search.ana.schedules.base import Schedule
from ana_search.ana.schedules.cosine import cosine
from ana_search.ana.schedules.exponential import exponential
from ana_search.ana.schedules.linear import linear
from ana_search.ana.schedules.power import power
from ana_search.ana.schedules.step import step
from ana_search.ana.schedules.window import window

__all__ = ["SCHEDULES", "Schedule"]

SCHEDULES: dict[str, Schedule] = {
    "power": power,
    "linear": linear,
    "cosine": cosine,
    "exponential": exponential,
    "step": step,
    "window": window,
}
