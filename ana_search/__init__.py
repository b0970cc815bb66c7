"""Hyperparameter search for quantised neural networks trained with additive noise annealing (ANA).

    from ana_search import load_study_file, make_plan, train, load_results

The names are loaded on first use: training a plan needs neither Optuna nor Ray, and importing the package
needs none of the three.
"""

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ana_search.export import export_network
    from ana_search.plan import TrainingPlan
    from ana_search.planner import make_plan
    from ana_search.results import load_history, load_results
    from ana_search.studies import load_study_file
    from ana_search.study_file import StudySpec
    from ana_search.training import TrainingResult, train

__all__ = [
    "StudySpec",
    "TrainingPlan",
    "TrainingResult",
    "export_network",
    "load_history",
    "load_results",
    "load_study_file",
    "make_plan",
    "train",
]

__version__ = version("ana-search")

_HOME = {
    "StudySpec": "study_file",
    "TrainingPlan": "plan",
    "TrainingResult": "training",
    "export_network": "export",
    "load_history": "results",
    "load_results": "results",
    "load_study_file": "studies",
    "make_plan": "planner",
    "train": "training",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'ana_search' has no attribute {name!r}")
    return getattr(importlib.import_module(f"ana_search.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
