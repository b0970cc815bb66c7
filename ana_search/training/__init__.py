"""Training one plan: no Optuna, no Ray, no state that outlives the run."""

from ana_search.training.build import build, network_of
from ana_search.training.checkpoint import kept_epochs
from ana_search.training.evaluate import evaluate
from ana_search.training.float_network import FloatStore
from ana_search.training.machine import Machine, computing_with, name_of
from ana_search.training.result import EpochReport, TrainingResult
from ana_search.training.train import train

__all__ = [
    "EpochReport",
    "FloatStore",
    "Machine",
    "TrainingResult",
    "build",
    "computing_with",
    "evaluate",
    "kept_epochs",
    "name_of",
    "network_of",
    "train",
]
