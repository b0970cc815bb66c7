"""Export: trained networks as files of integers, and the proof that they compute what was trained."""

from ana_search.export.freeze import freeze
from ana_search.export.frozen import FrozenNetwork

__all__ = ["FrozenNetwork", "freeze"]
