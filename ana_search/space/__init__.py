"""The search space: parameters of trials, grids, samplers, pruners, seeds."""

from ana_search.space.cells import cell_count, grid
from ana_search.space.describe import SpaceDescription, SpaceOptions, describe_space
from ana_search.space.distributions import distributions
from ana_search.space.draw import TrialParams, suggest
from ana_search.space.example import example_params
from ana_search.space.fidelity import make_pruner, rungs
from ana_search.space.layers import layer_count, names_of_layers, trial_network
from ana_search.space.pick_freeze import PICK_FREEZE, REDRAWN, pick_freeze_point, redrawn_in
from ana_search.space.samplers import LEARN_FROM_CONSTRAINTS, SAMPLERS, make_sampler
from ana_search.space.seeds import derive_seed, has_new_seeds, replicate_seed, training_seed
from ana_search.space.trial_count import requested_trials
from ana_search.space.walk import is_conditional, layer_values, searched
from ana_search.study_file import spec_changes

__all__ = [
    "LEARN_FROM_CONSTRAINTS",
    "PICK_FREEZE",
    "REDRAWN",
    "SAMPLERS",
    "SpaceDescription",
    "SpaceOptions",
    "TrialParams",
    "cell_count",
    "derive_seed",
    "describe_space",
    "distributions",
    "example_params",
    "grid",
    "has_new_seeds",
    "is_conditional",
    "layer_count",
    "layer_values",
    "make_pruner",
    "make_sampler",
    "names_of_layers",
    "pick_freeze_point",
    "redrawn_in",
    "replicate_seed",
    "requested_trials",
    "rungs",
    "searched",
    "spec_changes",
    "suggest",
    "training_seed",
    "trial_network",
]
