"""A trial again: its plan trained as it was trained, and the two accuracies compared."""

from dataclasses import dataclass
from pathlib import Path

import torch

from ana_search.errors import StudyNotFoundError
from ana_search.storage import StoredStudy, open_study
from ana_search.storage.provenance import StudyData
from ana_search.storage.record import TrialRecord
from ana_search.training import Machine, name_of, train

__all__ = ["OTHER_MACHINE", "Rerun", "rerun_trial"]

OTHER_MACHINE = 0.05
"""How far two accuracies of one plan may lie apart where it was rounded differently: as far as those of two seeds."""


@dataclass(frozen=True)
class Rerun:
    """The recorded and the repeated accuracy of a trial.

    ``differences`` between then and now (another processor, GPU or version of PyTorch) keep the bits from being the
    same; without any ``tolerance`` is 0. ``equal`` says whether the two are within it. ``weights`` is what is wrong
    with the weights in the run directory, ``None`` where they are those that the trial recorded.
    """

    trial: int
    recorded: float
    repeated: float
    equal: bool
    tolerance: float
    differences: tuple[str, ...]
    device: str
    threads: int
    plan_hash: str
    seconds: float
    weights: str | None = None


def rerun_trial(
    study: str | Path | StoredStudy,
    number: int,
    *,
    storage: str | None = None,
    runs: str | Path | None = None,
    accept_changes: bool = False,
) -> Rerun:
    """Train a trial's plan again in this process, on the device and with the threads of its record.

    Where there is no such GPU here, another one or the CPU takes its place, and the accuracies are compared with a
    tolerance. ``accept_changes``: train on data, or with a network's code, that have changed since the study's start.

    Raises:
        StudyChangedError: they have, and that is not accepted.
        StudyNotFoundError: no such trial, or it has no value to compare with.
    """
    stored = open_study(study, storage, runs)
    trial = stored.trial(number)
    plan = stored.plan(number)
    if not trial.is_complete or not trial.values:
        raise StudyNotFoundError(f"trial {number} is {trial.state.name}; only complete trials have a value to compare")
    then = _machine(trial)
    # What was trained before threads were recorded had those of the study's resources.
    threads = then.threads or stored.spec.resources.threads
    device = _device(then)
    differences = then.differences(Machine.here(device, threads))
    dataset = StudyData(stored, accept_changes).dataset(plan.data)
    result = train(plan, dataset=dataset, device=device, threads=threads)
    tolerance = OTHER_MACHINE if differences else 0.0
    return Rerun(
        trial=number,
        recorded=trial.values[0],
        repeated=result.accuracy,
        equal=abs(result.accuracy - trial.values[0]) <= tolerance,
        tolerance=tolerance,
        differences=tuple(differences),
        device=name_of(device),
        threads=threads,
        plan_hash=plan.hash,
        seconds=round(result.seconds, 3),
        weights=stored.weights_problem(number),
    )


def _machine(trial: TrialRecord) -> Machine:
    return Machine(device=trial.device, processor=trial.processor, threads=trial.threads, torch=trial.torch)


def _device(then: Machine) -> torch.device:
    """Return the recorded device if it is here, else one of its kind, else the CPU."""
    if then.device in (None, "cpu") or not torch.cuda.is_available():
        return torch.device("cpu")
    devices = [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    return next((device for device in devices if name_of(device) == then.device), devices[0])
