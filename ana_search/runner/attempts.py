"""Attempts at a training run: how far one got, and the end of those that nobody drives any more."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from optuna import Study

from ana_search.errors import AnaSearchError
from ana_search.plan import TrainingPlan, compress
from ana_search.planner import make_plan
from ana_search.space import rungs
from ana_search.storage import RunFolder
from ana_search.storage.orphans import fail_trial, running_trials
from ana_search.storage.record import TrialEnd
from ana_search.study_file import StudySpec
from ana_search.training import kept_epochs

__all__ = ["end_orphans", "epochs_of_rungs", "kept_so_far"]


def epochs_of_rungs(spec: StudySpec, plan: TrainingPlan) -> list[int]:
    """Return the epochs of each rung of a trial; the last one is the plan itself."""
    epochs = plan.training.epochs
    return [*(step for step in rungs(spec) if step < epochs), epochs]


def kept_so_far(
    folder: RunFolder, root: int, plan: TrainingPlan, steps: Sequence[int], reports: Mapping[int, float]
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
    for trial in running_trials(study):
        kept = 0
        if trial.seed is not None:
            with suppress(AnaSearchError, TypeError, ValueError):  # another version drew its parameters
                plan = make_plan(spec, trial.params, trial.seed)
                kept = kept_so_far(folder, trial.first_attempt, plan, epochs_of_rungs(spec, plan), trial.reports)
        further = kept > (trial.began_with or 0)
        reason = f"its driver died (attempt {trial.attempt})"
        fail_trial(study, trial.number, TrialEnd(reason=reason, retry="interrupted" if further else "lost"))
