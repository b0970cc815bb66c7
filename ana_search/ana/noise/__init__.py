"""Noise families, the shapes that noise can have: one file and one line here each."""

from ana_search.ana.noise.base import NoiseFamily, SpreadMeasure
from ana_search.ana.noise.families import NOISE_FAMILIES
from ana_search.ana.noise.noise import Noise

__all__ = ["NOISE_FAMILIES", "Noise", "NoiseFamily", "SpreadMeasure"]
