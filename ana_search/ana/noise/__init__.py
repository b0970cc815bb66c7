"""Noise families: the shapes that noise can have."""

from ana_search.ana.noise.base import DifferenceFamily, NoiseFamily, Width
from ana_search.ana.noise.families import NOISE_FAMILIES
from ana_search.ana.noise.noise import Noise

__all__ = ["NOISE_FAMILIES", "DifferenceFamily", "Noise", "NoiseFamily", "Width"]
