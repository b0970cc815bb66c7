"""A study as a table, and its trained networks: the one door through which everything reads results."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from optuna.trial import FrozenTrial
from torch import nn

from ana_search.data import dataset_info
from ana_search.errors import StudyNotFoundError
from ana_search.plan import TrainingPlan
from ana_search.planner import make_plan
from ana_search.storage import StudyPlace, locate
from ana_search.study_file import StudySpec
from ana_search.training import network_of

__all__ = ["load_history", "load_plan", "load_results", "load_spec", "load_trained"]

# Column to user attribute: a column must not have the name of a parameter that a study may search.
_PLAIN = {
    "seed": "seed",
    "replicate": "replicate",
    "plan_hash": "plan_hash",
    "attempt": "attempt",
    "retry_of": "retry_of",
    "reason": "reason",
    "trained_epochs": "epochs",
    "seconds": "seconds",
    "worker": "worker",
    "device": "device",
    "processor": "processor",
    "threads": "threads",
    "torch": "torch",
    "mean_weight_bits": "weight_bits",
}

_DESIGN = ("block", "redrawn")
"""Columns of the trials of a pick-freeze design alone: the block, and the group that is redrawn in it."""


def load_results(study: str | Path, storage: str | None = None, runs: str | Path | None = None) -> pd.DataFrame:
    """Return one row a trial, in the order of their numbers.

    Columns: ``number``, ``state`` (COMPLETE, PRUNED, FAIL, RUNNING, WAITING), ``value`` (the first objective:
    validation accuracy, missing unless COMPLETE), the trial's seed, replicate, plan hash, attempt, reason and
    so on, ``started`` and ``ended``, of a pick-freeze design ``block`` and ``redrawn``, and one column for every
    parameter under its own name.

    Args:
        study: a study file, or the name of a study.
        storage: Optuna storage URL (default: the study's, the environment's, SQLite in the run directory).
        runs: folder of the run directories.

    Raises:
        StudyNotFoundError: there is no such study.
        StorageError: the storage cannot be opened.
    """
    stored = locate(study, storage, runs).open()
    return pd.DataFrame([_row(trial) for trial in stored.get_trials(deepcopy=False)])


def load_spec(study: str | Path, storage: str | None = None, runs: str | Path | None = None) -> StudySpec:
    """Return the study's specification as it was last launched. Raises as `load_results`."""
    place = locate(study, storage, runs)
    return place.spec(place.open())


def load_plan(
    study: str | Path, number: int, storage: str | None = None, runs: str | Path | None = None
) -> TrainingPlan:
    """Return the training plan of one trial. Raises `StudyNotFoundError` for a number that the study has not."""
    place = locate(study, storage, runs)
    return _plan(place, number)


def load_trained(
    study: str | Path, number: int, storage: str | None = None, runs: str | Path | None = None
) -> tuple[TrainingPlan, nn.Module]:
    """Return the plan of a complete trial and its trained network, in evaluation mode on the CPU.

    Raises:
        StudyNotFoundError: no such trial, or its weights are not in the run directory.
    """
    place = locate(study, storage, runs)
    plan = _plan(place, number)
    path = place.folder.network(number)
    if not path.is_file():
        raise StudyNotFoundError(
            f"the weights of trial {number} are not in {path}; only complete trials have them, and --runs must name "
            "the folder that the study was launched with"
        )
    input_shape, classes = dataset_info(plan.data)
    network = network_of(plan, input_shape, classes)
    network.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    return plan, network.eval()


def load_history(
    study: str | Path, number: int, storage: str | None = None, runs: str | Path | None = None
) -> list[dict[str, Any]]:
    """Return one mapping an epoch (see `EpochReport`) of a complete trial; empty where none is kept."""
    path = locate(study, storage, runs).folder.trial(number) / "history.json"
    history: list[dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else []
    return history


def _plan(place: StudyPlace, number: int) -> TrainingPlan:
    stored = place.open()
    trials = stored.get_trials(deepcopy=False)
    if not 0 <= number < len(trials):
        raise StudyNotFoundError(
            f"trial {number} of study {place.name!r} does not exist; allowed: 0 to {len(trials) - 1}"
            if trials
            else f"study {place.name!r} has no trials"
        )
    attributes = trials[number].user_attrs
    if "seed" not in attributes:
        raise StudyNotFoundError(f"trial {number} of study {place.name!r} has not been started")
    return make_plan(place.spec(stored), trials[number].params, attributes["seed"])


def _row(trial: FrozenTrial) -> dict[str, Any]:
    complete = trial.state.name == "COMPLETE"
    row: dict[str, Any] = {
        "number": trial.number,
        "state": trial.state.name,
        "value": trial.values[0] if complete and trial.values else float("nan"),
    }
    row |= {column: trial.user_attrs.get(name) for column, name in _PLAIN.items()}
    row |= {name: trial.user_attrs[name] for name in _DESIGN if name in trial.user_attrs}
    row |= {"started": trial.datetime_start, "ended": trial.datetime_complete}
    return row | trial.params
