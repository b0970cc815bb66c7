"""Methods by name: one file each, with its equations, its source, and what it leaves out of its publication."""

from collections.abc import Mapping

from torch import nn

from ana_search.ana.methods.ana import ANA, NOISE
from ana_search.ana.methods.base import Method
from ana_search.ana.methods.bireal import BIREAL
from ana_search.ana.methods.clipped_ste import CLIPPED_STE
from ana_search.ana.methods.dsq import DSQ
from ana_search.ana.methods.ede import EDE
from ana_search.ana.methods.freezing import FREEZING
from ana_search.ana.methods.lsq import LSQ
from ana_search.ana.methods.reste import RESTE
from ana_search.ana.methods.tqt import TQT
from ana_search.ana.stairs import StairFunction

__all__ = ["METHODS", "Method", "estimator_of"]

METHODS: Mapping[str, Method] = {
    "noise": NOISE,
    "freezing": FREEZING,
    "ana": ANA,
    "clipped_ste": CLIPPED_STE,
    "bireal": BIREAL,
    "ede": EDE,
    "reste": RESTE,
    "dsq": DSQ,
    "lsq": LSQ,
    "tqt": TQT,
}
"""All methods, by the names that study files and schedules use."""


def estimator_of(method: str, stair: StairFunction) -> nn.Module | None:
    """Return the module that computes value and gradient for a stair in training; ``None`` where noise does.

    Raises `KeyError` for an unknown method.
    """
    make = METHODS[method].estimator
    return None if make is None else make(stair)
