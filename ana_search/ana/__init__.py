"""Additive noise annealing: stair functions, the noise that regularises them, and the layers that use it."""

from ana_search.ana.annealer import Annealer, LayerSchedule, NoiseState
from ana_search.ana.conversion import FloatPart, FloatPartWarning, float_parts
from ana_search.ana.gap import regularisation_gap
from ana_search.ana.layers import (
    QuantActivation,
    QuantConv1d,
    QuantConv2d,
    QuantConv3d,
    QuantLinear,
    QuantMap,
)
from ana_search.ana.noise import NOISE_FAMILIES, Noise
from ana_search.ana.presets import STE_PRESETS, straight_through
from ana_search.ana.quantise import QuantisedLayer, fit_to_trained, quantise, quantised_layers
from ana_search.ana.quantiser import Quantiser
from ana_search.ana.regularise import regularise
from ana_search.ana.schedules import SCHEDULES
from ana_search.ana.stairs import StairFunction
from ana_search.ana.synchronise import INTERVALS, POWER_LAWS, decay_intervals, decay_powers

__all__ = [
    "INTERVALS",
    "NOISE_FAMILIES",
    "POWER_LAWS",
    "SCHEDULES",
    "STE_PRESETS",
    "Annealer",
    "FloatPart",
    "FloatPartWarning",
    "LayerSchedule",
    "Noise",
    "NoiseState",
    "QuantActivation",
    "QuantConv1d",
    "QuantConv2d",
    "QuantConv3d",
    "QuantLinear",
    "QuantMap",
    "QuantisedLayer",
    "Quantiser",
    "StairFunction",
    "decay_intervals",
    "decay_powers",
    "fit_to_trained",
    "float_parts",
    "quantise",
    "quantised_layers",
    "regularisation_gap",
    "regularise",
    "straight_through",
]
