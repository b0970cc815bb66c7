"""Studies that are quick to run, and what must be true of any of them after any fault."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from ana_search.dispatch.local import LocalDispatcher
from ana_search.runner import launch
from ana_search.storage import StudyPlace, locate
from ana_search.storage.attributes import is_finished
from ana_search.study_file import StudySpec, load_study_file

FOUR_CELLS = 'noise = ["uniform", "normal"]\ninterval = ["overlapped", "partition"]'

# The sections of a study of trials that take a tenth of a second.
TINY = """\
[data]
name = "digits"
train_size = 128
[network]
name = "digits_cnn"
width = 4
[training]
epochs = 1
batch_size = 64
"""

# With such a weight decay every step multiplies the weights by -49: past the largest number within 24 steps.
DIVERGING_TRAINING = 'epochs = 4\nbatch_size = 16\noptimiser = "sgd"\nlearning_rate = 0.05'
DIVERGING_SPACE = 'noise = ["uniform", "normal"]\nweight_decay = [0.0, 1000.0]'


def write_study(
    folder: Path,
    name: str = "faults",
    *,
    study: str = 'sampler = "grid"',
    data: str = "train_size = 200",
    network: str = "digits_cnn",
    width: int | None = 4,
    training: str = "epochs = 2",
    space: str = FOUR_CELLS,
    resources: str = "",
) -> Path:
    """Write a study file on the digits and return its path."""
    lines = ["[study]", f'name = "{name}"', study, "[data]", 'name = "digits"', "validation = 0.25", data]
    lines += ["[network]", f'name = "{network}"', "" if width is None else f"width = {width}"]
    lines += ["[training]", training, "[space]", space, "[resources]", resources]
    path = folder / f"{name}.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def make_spec(folder: Path, name: str = "faults", **sections: Any) -> StudySpec:
    """Return the specification of a study on the digits."""
    return load_study_file(write_study(folder, name, **sections))


def two_trials(folder: Path, name: str) -> Path:
    """Launch a study of two short trials, and return the folder of its run directory."""
    spec = make_spec(
        folder, name, training="epochs = 1", data="train_size = 100", space='noise = ["uniform", "normal"]'
    )
    launch(spec, runs=folder / "runs", workers=1, dispatcher=LocalDispatcher())
    return folder / "runs"


def stored_trials(place: StudyPlace) -> list[FrozenTrial]:
    """Return the trials as the storage has them now."""
    return place.open().get_trials(deepcopy=False)


def trials_of(runs: Path, name: str = "faults", storage: str | None = None) -> list[FrozenTrial]:
    """Return the trials of a study under a folder of runs."""
    return stored_trials(locate(name, storage, runs))


def finished(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that count."""
    return [trial for trial in trials if is_finished(trial)]


def complete(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Return the complete trials."""
    return [trial for trial in trials if trial.state == TrialState.COMPLETE]


def check_sound(trials: list[FrozenTrial], requested: int) -> None:
    """Check what no fault may break once a study is done.

    Numbers without gaps; so many finished trials, each with one value; no training run finished twice; a reason
    for everything that failed; and every retry the repetition of a trial that failed for a reason to repeat it.
    """
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}
    assert len(finished(trials)) == requested
    for trial in complete(trials):
        assert trial.values is not None
        assert len(trial.values) == 1
        assert 0 <= trial.values[0] <= 1
    plans = Counter(trial.user_attrs["plan_hash"] for trial in finished(trials))
    assert set(plans.values()) == {1}, "a training run is finished twice"
    again = Counter(trial.user_attrs["retry_of"] for trial in trials if "retry_of" in trial.user_attrs)
    assert set(again.values()) <= {1}, "a trial was repeated twice"
    for trial in trials:
        if trial.state == TrialState.FAIL:
            assert trial.user_attrs["reason"]
            assert (trial.number in again) == (not is_finished(trial))
        if "retry_of" in trial.user_attrs:
            first = trials[trial.user_attrs["retry_of"]]
            assert first.state == TrialState.FAIL
            assert first.user_attrs["retry"] in ("lost", "interrupted")
            assert first.params == trial.params
            assert first.user_attrs["plan_hash"] == trial.user_attrs["plan_hash"]
            cost = first.user_attrs["retry"] == "lost"
            assert trial.user_attrs["attempt"] == first.user_attrs["attempt"] + cost


class Watcher:
    """Progress that remembers what it is told; ``on_epoch(worker, trial, epoch)`` may cause a fault."""

    def __init__(self, on_epoch: Callable[[str, int, int], None] | None = None) -> None:
        self.epochs: list[tuple[int, int]] = []
        self.messages: list[str] = []
        self.ended: list[tuple[int, str]] = []
        self.running: set[int] = set()
        self._on_epoch = on_epoch

    def begin(self, *, finished: int, requested: int, best: tuple[int, float] | None = None) -> None:
        self.requested = requested

    def trial_started(self, worker: str, trial: int, epochs: int) -> None:
        self.started = trial
        self.running.add(trial)

    def epoch(self, worker: str, trial: int, epoch: int, epochs: int, accuracy: float | None = None) -> None:
        self.epochs.append((trial, epoch))
        if self._on_epoch is not None:
            self._on_epoch(worker, trial, epoch)

    def trial_ended(self, worker: str, trial: int, state: str, *, finished: int) -> None:
        self.ended.append((trial, state))
        self.running.discard(trial)

    def recorded(self, trial: int, params: Any, value: float, history: Any) -> None:
        self.recorded_last = trial

    def best(self, trial: int, value: float) -> None:
        self.best_trial = trial

    def message(self, text: str) -> None:
        self.messages.append(text)
