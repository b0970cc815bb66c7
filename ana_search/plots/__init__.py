"""Pictures of one plan: each layer's noise over training, and the stairs with their regularised versions."""

from ana_search.plots.draw import draw_plan
from ana_search.plots.example import example_params
from ana_search.plots.schedules import schedule_frame
from ana_search.plots.stairs import stair_frame

__all__ = ["draw_plan", "example_params", "schedule_frame", "stair_frame"]
