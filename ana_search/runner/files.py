"""What a finished trial leaves in the run directory."""

import json

from ana_search.dispatch import Outcome
from ana_search.plan import TrainingPlan
from ana_search.storage import RunFolder

__all__ = ["keep"]


def keep(folder: RunFolder, number: int, plan: TrainingPlan, outcome: Outcome) -> None:
    """Write the trained weights, the history and the plan of a trial, each under a temporary name first."""
    trial = folder.trial(number)
    trial.mkdir(parents=True, exist_ok=True)
    contents = {
        "plan.json": plan.to_json().encode(),
        "history.json": json.dumps(outcome.history).encode(),
        "network.pt": outcome.network,
    }
    for name, content in contents.items():
        temporary = trial / f"{name}.part"
        try:
            temporary.write_bytes(content)
            temporary.replace(trial / name)
        except OSError:
            temporary.unlink(missing_ok=True)  # half a file is of no use, and the disk may be full
            raise
