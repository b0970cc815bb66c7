"""Hyperparameter search for quantised neural networks trained with additive noise annealing (ANA)."""

from importlib.metadata import version

__version__ = version("ana-search")
