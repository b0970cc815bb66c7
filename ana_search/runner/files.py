"""What a finished trial leaves in the run directory."""

import json
import time
from collections.abc import Callable

from ana_search.dispatch import Outcome
from ana_search.plan import TrainingPlan
from ana_search.storage import RunFolder

__all__ = ["keep", "write_patiently"]

_PATIENCE_SECONDS = 600.0
_PAUSE_SECONDS = 2.0


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
        temporary.write_bytes(content)
        temporary.replace(trial / name)


def write_patiently(write: Callable[[], None], notice: Callable[[str], None]) -> None:
    """Call ``write``; while the disk is full or away, say so once and try again for ten minutes."""
    began, told = time.monotonic(), False
    while True:
        try:
            write()
        except OSError as error:
            if time.monotonic() - began > _PATIENCE_SECONDS:
                raise
            if not told:
                notice(f"cannot write ({error}); trying again")
                told = True
            time.sleep(_PAUSE_SECONDS)
        else:
            return
