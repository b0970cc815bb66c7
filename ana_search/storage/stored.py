"""One stored study, opened once and passed on: its trials, its specification, and what its trials left on disk."""

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from optuna import Study

from ana_search import __version__
from ana_search.errors import DamagedFileError, StorageError, StudyNotFoundError
from ana_search.float_reference import FloatReference, float_references
from ana_search.history import Epoch
from ana_search.objectives import ACCURACY, OBJECTIVES, Constraint, parse_constraint
from ana_search.reading import is_number, parse_state, read_file, read_json
from ana_search.storage.attributes import REQUESTED_ATTRIBUTE, SPEC_ATTRIBUTE, VERSION_ATTRIBUTE, Attributes
from ana_search.storage.belonging import SearchedSpace, own_trials
from ana_search.storage.lease import Holder, holder_of
from ana_search.storage.locate import StudyPlace, locate, version_of
from ana_search.storage.opening import unreadable
from ana_search.storage.reading_trials import trials_of
from ana_search.storage.record import TrialRecord
from ana_search.storage.table import trials_table

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from ana_search.plan import TrainingPlan
    from ana_search.study_file import StudySpec

__all__ = ["StoredStudy", "open_study"]


def open_study(
    study: "str | Path | StoredStudy",
    storage: str | None = None,
    runs: str | Path | None = None,
    *,
    write: bool = False,
) -> "StoredStudy":
    """Open a study for reading; one that is open already is returned as it is.

    Args:
        study: a study file, the name of a study, or an open study.
        storage: Optuna storage URL (default: the study's, the environment's, SQLite in the run directory).
        runs: folder of the run directories.
        write: open it for writing where that is possible (see `StoredStudy.is_writable`).

    Raises:
        StudyNotFoundError: there is no such study.
        StorageError: the storage cannot be opened, or is damaged.
    """
    if isinstance(study, StoredStudy):
        return study
    place = locate(study, storage, runs)
    if write:
        try:
            return StoredStudy(place, place.open(write=True), is_writable=True)
        except StorageError:  # it may be read-only; if it is damaged, opening it for reading raises the error
            pass
    return StoredStudy(place, place.open(write=False))


@dataclass
class StoredStudy:
    """A study in its storage, with its run directory.

    Trials are read once, on first use. Those that are none of the study's (see `left_out`) are in none of the other
    members.
    """

    place: StudyPlace
    study: Study
    is_writable: bool = False
    notes: list[str] = field(default_factory=list)
    """What is doubtful or differs from what the user may expect, one line each."""
    damaged: list[str] = field(default_factory=list)
    """Which files were damaged and what is done without them, one line each; a command that met any ends with 1."""

    @property
    def name(self) -> str:
        """The study's name."""
        return self.place.name

    @cached_property
    def _read(self) -> tuple[list[TrialRecord], dict[int, str]]:
        space = SearchedSpace.from_json(self._attributes.get(SPEC_ATTRIBUTE))
        try:
            own, left_out = own_trials(trials_of(self.study), space)
            return [TrialRecord.of(trial) for trial in own], left_out
        except Exception as error:  # a damaged storage makes its readers raise whatever they stumble on
            raise unreadable(self.place.url, error) from None

    @cached_property
    def _attributes(self) -> Attributes:
        try:
            return self.study.user_attrs
        except Exception as error:  # as above
            raise unreadable(self.place.url, error) from None

    @property
    def trials(self) -> list[TrialRecord]:
        """The study's own trials in the order of their numbers."""
        return self._read[0]

    def frame(self) -> "pd.DataFrame":
        """Return the table of the trials, one row a trial in the order of their numbers (see `load_results`)."""
        return trials_table(self.trials, self.left_out)

    @cached_property
    def _by_number(self) -> dict[int, TrialRecord]:
        return {trial.number: trial for trial in self.trials}

    @property
    def left_out(self) -> dict[int, str]:
        """Trials that others put into the storage and that do not count, by number, each with the reason."""
        return self._read[1]

    @cached_property
    def spec(self) -> "StudySpec":
        """The specification, as it was last launched. Raises as `read_spec`."""
        return self.place.spec(self.study)

    @property
    def version(self) -> str | None:
        """The version of ana-search that wrote the specification, where that is recorded."""
        version = self._attributes.get(VERSION_ATTRIBUTE)
        return version if isinstance(version, str) else None

    @property
    def requested(self) -> int | None:
        """The finished trials that the last launch was to reach, where that is recorded."""
        requested = self._attributes.get(REQUESTED_ATTRIBUTE)
        return requested if isinstance(requested, int) else None

    @property
    def holder(self) -> Holder | None:
        """Who drives the study now; ``None``, and a note, where the lease cannot be read."""
        try:
            return holder_of(self.study)
        except (ValueError, TypeError, AttributeError, RecursionError):
            self.notes.append(
                f"the lease of study {self.name!r} cannot be read: it is damaged, or another version of ana-search "
                f"wrote it (the study: {version_of(self.study)}, this is {__version__})"
            )
            return None

    @cached_property
    def objectives(self) -> tuple[str, ...]:
        """The names of the study's objectives, as far as this version knows them (see `ana_search.objectives`)."""
        return tuple(name for name in self._asked("objective") if name in OBJECTIVES) or (ACCURACY,)

    @cached_property
    def constraints(self) -> tuple[Constraint, ...]:
        """The study's constraints, as far as this version understands them."""
        found = []
        for text in self._asked("constraints"):
            with suppress(ValueError):
                found.append(parse_constraint(text))
        return tuple(found)

    def _asked(self, key: str) -> list[str]:
        """Return a list of ``[study]``, read without what validates a study, which takes seconds to load."""
        try:
            asked = json.loads(self._attributes[SPEC_ATTRIBUTE])["study"][key]
        except (ValueError, KeyError, TypeError):
            return []
        return [one for one in asked if isinstance(one, str)] if isinstance(asked, list) else []

    def complete(self) -> list[TrialRecord]:
        """Return the complete trials, the best first objective first; those that break a constraint come last."""
        complete = [trial for trial in self.trials if trial.is_complete]
        return sorted(complete, key=lambda trial: (not trial.is_feasible, -trial.values[0], trial.number))

    def pareto(self) -> list[TrialRecord]:
        """Return the complete trials that no other is better than in every objective, in order of their numbers.

        Only those that meet the study's constraints count.
        """
        signs = [1.0 if direction.name == "MAXIMIZE" else -1.0 for direction in self.study.directions]
        points = {
            trial.number: tuple(sign * value for sign, value in zip(signs, trial.values, strict=True))
            for trial in self.complete()
            if trial.is_feasible
        }
        best = _front(set(points.values()))
        return [trial for trial in self.trials if points.get(trial.number) in best]

    def trial(self, number: int) -> TrialRecord:
        """Return one trial. Raises `StudyNotFoundError` for a number that the study has not, or that is left out."""
        if number in self._by_number:
            return self._by_number[number]
        if number in self.left_out:
            raise StudyNotFoundError(f"trial {number} of study {self.name!r} is left out: {self.left_out[number]}")
        if not self.trials:
            raise StudyNotFoundError(f"study {self.name!r} has no trials")
        raise StudyNotFoundError(
            f"trial {number} of study {self.name!r} does not exist; allowed: 0 to {self.trials[-1].number}"
        )

    def plan(self, number: int) -> "TrainingPlan":
        """Return the training plan of one trial. Raises `StudyNotFoundError` for one that was never started."""
        from ana_search.planner import make_plan

        trial = self.trial(number)
        if trial.seed is None:
            raise StudyNotFoundError(f"trial {number} of study {self.name!r} has not been started")
        return make_plan(self.spec, trial.params, trial.seed)

    def weights_problem(self, number: int) -> str | None:
        """Return what is wrong with the weights of a complete trial in the run directory, ``None`` for nothing.

        They are compared with the SHA-256 that the trial recorded; a trial of an older version has none, which is
        noted (see `notes`) and no problem, and nor is it that the weights are not kept.
        """
        try:
            self._weights(number)
        except DamagedFileError as error:
            return str(error)
        except StudyNotFoundError:
            return None
        return None

    def network(self, number: int) -> "nn.Module":
        """Return the trained network of a complete trial, in evaluation mode on the CPU.

        Raises:
            StudyNotFoundError: no such trial, or its weights are not in the run directory.
            DamagedFileError: the weights are damaged, or those of another trial.
        """
        from ana_search.data import dataset_info
        from ana_search.training import network_of

        trial = self.trial(number)
        path = self.place.folder.network(number)
        content = self._weights(number)
        plan = self.plan(number)
        network = network_of(plan, *dataset_info(plan.data))
        state = parse_state(content, path)
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            lines = " ".join(str(error).split())
            raise DamagedFileError(
                f"{path}: does not fit the network of trial {trial.number} ({lines[:300]})"
            ) from None
        return network.eval()

    def history(self, number: int) -> "list[Epoch]":
        """Return one mapping an epoch (see `Epoch`) of a complete trial; empty where none is kept.

        Raises `DamagedFileError` for a file that is damaged or that another trial wrote.
        """
        path = self.place.folder.trial(number) / "history.json"
        try:
            history = read_json(path)
        except FileNotFoundError:
            return []
        if not isinstance(history, list) or not all(_is_epoch(epoch) for epoch in history):
            raise DamagedFileError(f"{path}: is no history of a trial")
        recorded = self.trial(number).history_sha256
        if recorded is not None and hashlib.sha256(read_file(path)).hexdigest() != recorded:
            raise DamagedFileError(
                f"{path}: is not the history of trial {number}: its SHA-256 is not the recorded {recorded[:16]}"
            )
        return history

    def histories(self) -> "dict[int, list[Epoch]]":
        """Return the histories of all trials that have one; damaged ones are named in `damaged` and left out."""
        found = {}
        for trial in self.trials:
            try:
                history = self.history(trial.number)
            except DamagedFileError as error:
                self.damaged.append(f"{error}; it is left out")
            else:
                if history:
                    found[trial.number] = history
        return found

    def frozen_accuracy(self, number: int) -> float | None:
        """Return the accuracy that an export measured of a trial's integer network; ``None`` without a whole note."""
        path = self.place.folder.frozen(number)
        try:
            note = read_json(path)
            accuracy = note.get("accuracy") if isinstance(note, dict) else None
            if accuracy is None or not is_number(accuracy):
                raise DamagedFileError(f"{path}: has no number 'accuracy'")
        except FileNotFoundError:
            return None
        except DamagedFileError as error:
            self.damaged.append(f"{error}; it is left out")
            return None
        recorded = self.trial(number).weights_sha256
        if recorded is not None and note.get("weights_sha256", recorded) != recorded:
            self.damaged.append(f"{path}: is of another trial's weights; it is left out")
            return None
        return float(accuracy)

    def float_references(self) -> list[FloatReference]:
        """Return what the study's network reaches in floating point, where its trials learn from that or start from it.

        Notes that are damaged are named in `damaged` and left out.
        """
        found, wrong = float_references(self.place.folder.floats)
        self.damaged.extend(wrong)
        return found

    def _weights(self, number: int) -> bytes:
        """Return the content of a trial's network.pt, compared with the hash that the trial recorded."""
        trial = self.trial(number)
        path = self.place.folder.network(number)
        missing = StudyNotFoundError(
            f"the weights of trial {number} are not in {path}; only complete trials have them, and --runs must name "
            "the folder that the study was launched with"
        )
        if not trial.is_complete:
            raise missing
        try:
            content = read_file(path)
        except FileNotFoundError:
            raise missing from None
        recorded = trial.weights_sha256
        if recorded is None:
            self.notes.append(
                f"trial {number} has no hash of its weights (an older version trained it): that {path} holds its "
                "weights cannot be checked"
            )
        elif hashlib.sha256(content).hexdigest() != recorded:
            raise DamagedFileError(
                f"{path}: are not the weights that trial {number} was trained to: their SHA-256 is not the recorded "
                f"{recorded[:16]}; the file is damaged, or another study of the same name uses this run directory"
            )
        return content


def _is_epoch(epoch: object) -> bool:
    return (
        isinstance(epoch, dict)
        and isinstance(epoch.get("epoch"), int)
        and is_number(epoch.get("accuracy"))
        and all(is_number(gap) for gap in (epoch["gap"] if isinstance(epoch.get("gap"), list) else []))
    )


def _front(points: set[tuple[float, ...]]) -> set[tuple[float, ...]]:
    """Return the points of which no other is as good in every coordinate, all to be maximised."""
    front: list[tuple[float, ...]] = []
    for point in sorted(points, reverse=True):  # what could dominate a point comes before it
        if not any(all(one >= other for one, other in zip(better, point, strict=True)) for better in front):
            front.append(point)
    return set(front)
