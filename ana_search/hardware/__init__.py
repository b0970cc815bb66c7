"""What a network costs the hardware that it will run on, known before it is trained."""

from ana_search.hardware.extremes import Extremes, extremes
from ana_search.hardware.feasible import check_constraints, infeasible_cells
from ana_search.hardware.figures import figures
from ana_search.hardware.maps import FLOAT_BITS, INPUT, LinearMap, linear_maps
from ana_search.hardware.of_trial import TrialFigures

__all__ = [
    "FLOAT_BITS",
    "INPUT",
    "Extremes",
    "LinearMap",
    "TrialFigures",
    "check_constraints",
    "extremes",
    "figures",
    "infeasible_cells",
    "linear_maps",
]
