"""The end of a launch: its results read back from the storage, or kept elsewhere where the storage is lost."""

import tempfile
from pathlib import Path

import optuna

from ana_search.command_line import command_line
from ana_search.errors import StorageError, StorageLostError
from ana_search.runner.ledger import Ledger
from ana_search.storage import RunFolder, storage_file
from ana_search.storage.verify import make_durable, missing_results

__all__ = ["check_results", "rescued"]

_NAMED = 10  # trials named in a message


def check_results(study: optuna.Study, url: str, ledger: Ledger) -> None:
    """Raise `StorageLostError` unless the storage, opened anew, holds every result that the driver reported."""
    make_durable(study)
    try:
        missing = missing_results(url, study.study_name, ledger.trials())
    except (StorageError, KeyError) as error:
        raise StorageLostError(f"the results cannot be read back: {error}") from error
    if missing:
        names = ", ".join(map(str, missing[:_NAMED])) + (" and so on" if len(missing) > _NAMED else "")
        raise StorageLostError(f"the storage does not hold {len(missing)} results that were reported (trials {names})")


def rescued(error: StorageLostError, ledger: Ledger, url: str, folder: RunFolder) -> StorageLostError:
    """Write what is in memory to a new database; return the error with the place of it, for the user to go on with.

    It is written beside the storage's file or into the run directory; where that fails, into the system's temporary
    folder.
    """
    count = sum(trial.is_finished for trial in ledger.records())
    file = storage_file(url)
    places = [folder.path, Path(tempfile.gettempdir()) / "ana-search" / folder.study]
    if file is not None:
        places.insert(0, file.parent)
    problems = []
    for place in dict.fromkeys(places):
        try:
            path = ledger.rescue(place.absolute())
        except Exception as problem:  # of any kind: the next place is tried
            problems.append(f"{place}: {problem}")
        else:
            command = command_line("launch", folder.study, storage=f"sqlite:///{path}", runs=folder.runs)
            return StorageLostError(
                f"{error}; the {count} finished trials in memory were written to {path}; go on with them: {command}"
            )
    return StorageLostError(
        f"{error}; the {count} finished trials in memory could not be written anywhere else ({'; '.join(problems)})"
    )
