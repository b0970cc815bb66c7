"""Straight-through estimators by name: backward noises that, with no forward noise, are those of the literature."""

from collections.abc import Mapping
from types import MappingProxyType

from ana_search.ana.noise import Noise
from ana_search.ana.stairs import StairFunction

__all__ = ["STE_PRESETS", "straight_through"]

STE_PRESETS: Mapping[str, Noise] = MappingProxyType(
    {
        "ste_clipped": Noise("uniform", spread=0.5),
        "ste_triangular": Noise("triangular", spread=0.5),
        "ste_logistic": Noise("logistic", spread=0.5),
        "ste_normal": Noise("normal", spread=0.5),
    }
)
"""The estimators for stairs whose step is 1, like the ternary one.

``ste_clipped`` is hard tanh (Hubara et al., 2016), ``ste_triangular`` the piecewise polynomial of Bi-Real Net
(Liu et al., ECCV 2018), ``ste_logistic`` the slope of a sigmoid and ``ste_normal`` that of an error function.
"""


def straight_through(name: str, stair: StairFunction) -> Noise:
    """Return the backward noise of a preset for ``stair``: its spread is half a step (see `StairFunction.step`).

    On the sign function, whose step is 2, this gives the estimators as they are in textbooks, on [-1, 1].

    Raises:
        ValueError: an unknown preset.
    """
    if name not in STE_PRESETS:
        raise ValueError(f"`name` must be one of {', '.join(STE_PRESETS)}, but got {name!r}")
    preset = STE_PRESETS[name]
    return Noise(preset.family, spread=preset.spread * stair.step)
