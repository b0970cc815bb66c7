"""What the parts of one launch share, and what the launch was asked for."""

from collections.abc import Callable
from dataclasses import dataclass

import optuna

from ana_search.dispatch import Dispatcher
from ana_search.runner.patience import Patience
from ana_search.runner.progress import Progress
from ana_search.runner.signals import Stopper
from ana_search.storage import RunFolder
from ana_search.study_file import StudySpec

__all__ = ["LaunchParts", "Wanted"]


@dataclass(frozen=True)
class LaunchParts:
    """The parts of one launch.

    ``study`` lies in the storage at ``url``. ``patience`` repeats what fails while a storage or a disk is away.
    ``check`` is called a few times a second and before every write; what it raises ends the launch (a lease or a
    storage that is lost).
    """

    spec: StudySpec
    study: optuna.Study
    url: str
    folder: RunFolder
    dispatcher: Dispatcher
    progress: Progress
    stopper: Stopper
    patience: Patience
    check: Callable[[], None]


@dataclass(frozen=True)
class Wanted:
    """What a driver is to do.

    Attributes:
        requested: finished trials wanted in all.
        replicates: replicates of every set of parameters (default: the study's).
        slots: trials at a time.
        deterministic: ask and tell in an order that does not depend on timing.
        timeout: seconds after which no more trials are started.
    """

    requested: int
    replicates: int | None = None
    slots: int = 1
    deterministic: bool = False
    timeout: float | None = None
