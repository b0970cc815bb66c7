"""Export: trained networks as files of integers, and the proof that they compute what was trained."""

from ana_search.export.check import check_directory
from ana_search.export.formats import FORMATS
from ana_search.export.freeze import freeze
from ana_search.export.integer import FrozenNetwork
from ana_search.export.models import TrainedModel, export_models, freeze_trained, frozen_accuracy
from ana_search.export.network import ExportedNetwork, export_network

__all__ = [
    "FORMATS",
    "ExportedNetwork",
    "FrozenNetwork",
    "TrainedModel",
    "check_directory",
    "export_models",
    "export_network",
    "freeze",
    "freeze_trained",
    "frozen_accuracy",
]
