"""Trials that are stored as running although nobody runs them: finding them, and ending them."""

from optuna import Study
from optuna.trial import TrialState

from ana_search.storage.belonging import SearchedSpace, left_out_reason
from ana_search.storage.locate import spec_text
from ana_search.storage.private import storage_of, trial_id
from ana_search.storage.reading_trials import trials_of
from ana_search.storage.record import TrialEnd, TrialRecord

__all__ = ["fail_trial", "running_trials"]


def running_trials(study: Study) -> list[TrialRecord]:
    """Return the study's own trials that are stored as running.

    Those of another program are none of ours: it runs them, or has died over them.
    """
    space = SearchedSpace.from_json(spec_text(study))
    running = (trial for trial in trials_of(study) if trial.state == TrialState.RUNNING)
    return [TrialRecord.of(trial) for trial in running if left_out_reason(trial, space) is None]


def fail_trial(study: Study, number: int, end: TrialEnd) -> None:
    """End a trial without a result, and record what is known of its end."""
    storage = storage_of(study)
    identity = next(trial_id(trial) for trial in trials_of(study) if trial.number == number)
    for name, value in end.attributes().items():
        storage.set_trial_user_attr(identity, name, value)
    storage.set_trial_state_values(identity, TrialState.FAIL)
