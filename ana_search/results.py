"""A study as a table, and its trained networks: the one door through which everything reads results."""

from pathlib import Path

import pandas as pd
from torch import nn

from ana_search.history import Epoch
from ana_search.plan import TrainingPlan
from ana_search.storage import StoredStudy, open_study
from ana_search.study_file import StudySpec

__all__ = ["load_history", "load_plan", "load_results", "load_spec", "load_trained"]


def load_results(
    study: str | Path | StoredStudy, storage: str | None = None, runs: str | Path | None = None
) -> pd.DataFrame:
    """Return one row a trial, in the order of their numbers.

    Columns: ``number``, ``state`` (COMPLETE, PRUNED, FAIL, RUNNING, WAITING, and INTERRUPTED for an attempt
    that is, or will be, repeated under another number, INFEASIBLE for one that broke a constraint and was not trained),
    ``value`` (the first objective: validation accuracy, missing unless COMPLETE), the trial's seed, replicate, plan
    hash, attempt, reason and so on, what its network costs (``mean_weight_bits``, ``bytes``, ``operations``,
    ``latency_ms`` ...), ``infeasible`` (the constraints that it breaks), ``started`` and ``ended``, of a pick-freeze
    design ``block`` and ``redrawn``, and one column for every parameter under its own name. Trials that another program
    put into the storage have no row;
    ``frame.attrs["left_out"]`` says which, and why.

    Args:
        study: a study file, the name of a study, or an open study.
        storage: Optuna storage URL (default: the study's, the environment's, SQLite in the run directory).
        runs: folder of the run directories.

    Raises:
        StudyNotFoundError: there is no such study.
        StorageError: the storage cannot be opened, or is damaged.
    """
    return open_study(study, storage, runs).frame()


def load_spec(study: str | Path | StoredStudy, storage: str | None = None, runs: str | Path | None = None) -> StudySpec:
    """Return the study's specification as it was last launched. Raises as `load_results`."""
    return open_study(study, storage, runs).spec


def load_plan(
    study: str | Path | StoredStudy, number: int, storage: str | None = None, runs: str | Path | None = None
) -> TrainingPlan:
    """Return the training plan of one trial. Raises `StudyNotFoundError` for a number that the study has not."""
    return open_study(study, storage, runs).plan(number)


def load_trained(
    study: str | Path | StoredStudy, number: int, storage: str | None = None, runs: str | Path | None = None
) -> tuple[TrainingPlan, nn.Module]:
    """Return the plan of a complete trial and its trained network, in evaluation mode on the CPU.

    Raises:
        StudyNotFoundError: no such trial, or its weights are not in the run directory.
        DamagedFileError: the weights are damaged, or not those that the trial was trained to.
    """
    stored = open_study(study, storage, runs)
    return stored.plan(number), stored.network(number)


def load_history(
    study: str | Path | StoredStudy, number: int, storage: str | None = None, runs: str | Path | None = None
) -> list[Epoch]:
    """Return one mapping an epoch (see `Epoch`) of a complete trial; empty where none is kept.

    Raises `DamagedFileError` for a file that is damaged or that another trial wrote.
    """
    return open_study(study, storage, runs).history(number)
