"""Attempts at a training run: how far one got, and the end of those that nobody drives any more."""

from collections.abc import Mapping, Sequence
from typing import Any

from optuna import Study
from optuna.trial import TrialState

from ana_search.errors import AnaSearchError
from ana_search.plan import TrainingPlan, compress
from ana_search.planner import make_plan
from ana_search.space import rungs
from ana_search.storage import RunFolder
from ana_search.storage.attributes import attempt_of
from ana_search.storage.belonging import SearchedSpace, left_out_reason
from ana_search.storage.locate import SPEC_ATTRIBUTE
from ana_search.storage.reading_trials import read_trials
from ana_search.study_file import StudySpec
from ana_search.training import kept_epochs

__all__ = ["BEGAN_WITH", "end_orphans", "epochs_of_rungs", "kept_so_far"]

BEGAN_WITH = "began_with"
"""The attribute of a repeated attempt: epochs that did not have to be trained again."""


def epochs_of_rungs(spec: StudySpec, plan: TrainingPlan) -> list[int]:
    """Return the epochs of each rung of a trial; the last one is the plan itself."""
    epochs = plan.training.epochs
    return [*(step for step in rungs(spec) if step < epochs), epochs]


def kept_so_far(
    folder: RunFolder, root: int, plan: TrainingPlan, steps: Sequence[int], reports: Mapping[int, Any]
) -> int:
    """Return how many epochs of a training run another attempt need not train again.

    Args:
        folder: the run directory.
        root: the first attempt, whose checkpoint all attempts share.
        plan: of the whole run.
        steps: epochs of its rungs.
        reports: by epochs of the rung, for the rungs that are done.
    """
    done = 0
    while done < len(steps) - 1 and steps[done] in reports:
        done += 1
    rung = plan if done == len(steps) - 1 else compress(plan, steps[done])
    return sum(steps[:done]) + kept_epochs(folder.checkpoint(root), rung)


def end_orphans(study: Study, spec: StudySpec, folder: RunFolder) -> None:
    """End the trials of a study that nobody drives any more, although they are stored as running.

    They are run again from their last epoch. One that had got further than the attempt before it was interrupted,
    which costs no attempt; one that had not may be what its driver died of.
    """
    space = SearchedSpace.from_json(study.user_attrs.get(SPEC_ATTRIBUTE))
    for trial in read_trials(study._storage, study._study_id):
        if trial.state != TrialState.RUNNING:
            continue
        if left_out_reason(trial, space) is not None:
            continue  # another program runs it, or died over it: its trials are none of ours to end
        attributes = trial.user_attrs
        try:
            plan = make_plan(spec, trial.params, attributes["seed"])
            root = int(attributes.get("root", trial.number))
            kept = kept_so_far(folder, root, plan, epochs_of_rungs(spec, plan), trial.intermediate_values)
        except (AnaSearchError, KeyError, TypeError, ValueError):  # it is not one of ana-search
            kept = 0
        further = kept > int(attributes.get(BEGAN_WITH, 0))
        storage = study._storage
        storage.set_trial_user_attr(trial._trial_id, "reason", f"its driver died (attempt {attempt_of(attributes)})")
        storage.set_trial_user_attr(trial._trial_id, "retry", "interrupted" if further else "lost")
        storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
