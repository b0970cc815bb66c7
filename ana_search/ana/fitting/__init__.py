"""Starting from trained weights: scales, weights, biases and batch norm are fitted to the network in floating point."""

from ana_search.ana.fitting.fit import fit, fit_weights

__all__ = ["fit", "fit_weights"]
