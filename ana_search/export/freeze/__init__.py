"""Freezing: a trained network as an integer one, operation by operation, with thresholds found by evaluating it."""

from ana_search.export.freeze.walk import freeze

__all__ = ["freeze"]
