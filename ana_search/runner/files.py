"""What a finished trial leaves in the run directory."""

import json

from ana_search.dispatch import Outcome
from ana_search.files import write_durably
from ana_search.plan import TrainingPlan
from ana_search.storage import RunFolder

__all__ = ["keep"]


def keep(folder: RunFolder, number: int, plan: TrainingPlan, outcome: Outcome) -> None:
    """Write the trained weights, the history and the plan of a trial; all are on the disk when this returns."""
    trial = folder.trial(number)
    contents = {
        "plan.json": plan.to_json().encode(),
        "history.json": json.dumps(outcome.history).encode(),
        "network.pt": outcome.network,
    }
    for name, content in contents.items():
        write_durably(trial / name, content)
