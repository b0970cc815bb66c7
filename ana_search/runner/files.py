"""What a trial leaves in the run directory: its files once it is complete, its checkpoint until it has ended."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress

from ana_search.dispatch import Outcome
from ana_search.files import remove_unfinished, write_durably
from ana_search.plan import TrainingPlan
from ana_search.storage import RunFolder
from ana_search.storage.record import TrialRecord, retried

__all__ = ["clean", "clean_all", "keep"]


def keep(folder: RunFolder, number: int, plan: TrainingPlan, outcome: Outcome) -> tuple[str, str]:
    """Write the trained weights, the history and the plan of a trial; all are on the disk when this returns.

    Returns the SHA-256 of the weights and that of the history, by which the trial knows its files again.
    """
    trial = folder.trial(number)
    contents = {
        "plan.json": plan.to_json().encode(),
        "history.json": json.dumps(outcome.history).encode(),
        "network.pt": outcome.network,
    }
    for name, content in contents.items():
        write_durably(trial / name, content)
    return hashlib.sha256(contents["network.pt"]).hexdigest(), hashlib.sha256(contents["history.json"]).hexdigest()


def clean(folder: RunFolder, root: int) -> None:
    """Remove the checkpoint of a training run that has ended, and what a worker was writing when it was killed.

    ``root`` is the run's first attempt. A folder that then holds nothing goes as well. A disk that is away or
    read-only costs nothing but the space.
    """
    with suppress(OSError):
        folder.checkpoint(root).unlink(missing_ok=True)
        remove_unfinished(folder.trial(root))
        folder.trial(root).rmdir()  # raises an OSError, which is passed over, where the folder still holds files


def clean_all(folder: RunFolder, trials: Sequence[TrialRecord]) -> None:
    """Remove what drivers that were killed left of training runs that have ended.

    ``trials`` are all trials of the study, none of them running.
    """
    again = retried(trials)
    waiting = {trial.first_attempt for trial in trials if trial.awaits_retry and trial.number not in again}
    checkpoint = folder.checkpoint(0).name
    with suppress(OSError):
        for one in folder.trial(0).parent.iterdir():
            if not one.name.isdecimal():
                continue
            remove_unfinished(one)
            if int(one.name) not in waiting and (one / checkpoint).exists():
                clean(folder, int(one.name))
