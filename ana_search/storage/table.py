"""The table of a study's trials: the columns that the analysis, the dashboard and the user read."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ana_search.objectives import OBJECTIVES
from ana_search.storage.record import TrialRecord

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["trials_table"]

# Column to field of the record: a column must not have the name of a parameter that a study may search.
_COLUMNS = {
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
    **{one.column: one.attribute for one in OBJECTIVES.values() if one.attribute},
    "infeasible": "infeasible",
}

# Numbers of each layer, from the input on, in one column: joined by spaces.
_BY_LAYER = {
    "levels_of_weights": "weight_levels",
    "levels_of_activations": "activation_levels",
    "flips_of_weights": "flips",
}


def trials_table(trials: Sequence[TrialRecord], left_out: Mapping[int, str]) -> "pd.DataFrame":
    """Return one row a trial; ``attrs["left_out"]`` says which trials of the storage have none, and why."""
    import pandas as pd  # takes a second to load, and `status` and `best` do without

    frame = pd.DataFrame([_row(trial) for trial in trials])
    frame.attrs["left_out"] = dict(left_out)
    return frame


def _joined(numbers: Sequence[float] | None) -> str | None:
    return None if numbers is None else " ".join(f"{number:.3g}" for number in numbers)


def _row(trial: TrialRecord) -> dict[str, object]:
    row: dict[str, object] = {
        "number": trial.number,
        "state": trial.shown_state,
        "value": trial.values[0] if trial.is_complete and trial.values else float("nan"),
    }
    row |= {column: getattr(trial, name) for column, name in _COLUMNS.items()}
    row |= {column: _joined(getattr(trial, name)) for column, name in _BY_LAYER.items()}
    if trial.block is not None:  # of a pick-freeze design alone: the block, and the group that is redrawn in it
        row |= {"block": trial.block, "redrawn": trial.redrawn}
    row |= {"started": trial.started, "ended": trial.ended}
    return row | trial.params
