"""The stored study that a launch goes on with, made where there is none."""

import warnings

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState

from ana_search.errors import StudyChangedError
from ana_search.space import spec_changes
from ana_search.storage import hide_password, open_storage
from ana_search.storage.locate import read_spec, spec_text, write_spec
from ana_search.storage.memory import directions_of
from ana_search.study_file import StudySpec

__all__ = ["stored_study"]


def stored_study(spec: StudySpec, url: str) -> optuna.Study:
    """Return the stored study, made if it does not exist. Raises `StudyChangedError` if it is another one."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    directions = directions_of(spec.study.objective)
    study = optuna.create_study(
        study_name=spec.study.name, storage=open_storage(url), directions=directions, load_if_exists=True
    )
    if study.directions != directions:
        raise StudyChangedError(
            f"study {spec.study.name!r} in {hide_password(url)} has the directions "
            f"{', '.join(direction.name for direction in study.directions)}; the study file's objective needs "
            f"{', '.join(direction.name for direction in directions)}; allowed: another name or another storage"
        )
    stored = spec_text(study)
    if stored is None and any(trial.state != TrialState.WAITING for trial in study.get_trials(deepcopy=False)):
        raise StudyChangedError(
            f"study {spec.study.name!r} in {hide_password(url)} has trials that ana-search did not make; "
            "allowed: another name or another storage"
        )
    if stored is not None:
        changes = spec_changes(read_spec(study, url), spec)
        if changes:
            raise StudyChangedError(
                f"study {spec.study.name!r} was started with another study file:\n  "
                + "\n  ".join(changes)
                + "\nallowed: changing study.trials, study.logger and [resources], more study.seeds, wider numeric "
                "ranges; or a new study.name"
            )
    if stored != spec.to_json():
        write_spec(study, spec)
    if study.metric_names != list(spec.study.objective):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names(list(spec.study.objective))
    return study
