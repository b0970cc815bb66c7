"""What a finished trial leaves in the run directory."""

import hashlib
import json

from ana_search.dispatch import Outcome
from ana_search.files import write_durably
from ana_search.plan import TrainingPlan
from ana_search.storage import RunFolder
from ana_search.storage.attributes import HISTORY_HASH, WEIGHTS_HASH

__all__ = ["keep"]


def keep(folder: RunFolder, number: int, plan: TrainingPlan, outcome: Outcome) -> dict[str, str]:
    """Write the trained weights, the history and the plan of a trial; all are on the disk when this returns.

    Returns the attributes with the hashes of weights and history, by which the trial knows its files again.
    """
    trial = folder.trial(number)
    contents = {
        "plan.json": plan.to_json().encode(),
        "history.json": json.dumps(outcome.history).encode(),
        "network.pt": outcome.network,
    }
    for name, content in contents.items():
        write_durably(trial / name, content)
    return {
        WEIGHTS_HASH: hashlib.sha256(contents["network.pt"]).hexdigest(),
        HISTORY_HASH: hashlib.sha256(contents["history.json"]).hexdigest(),
    }
