"""Serving one study until interrupted."""

import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import optuna
from optuna.storages import BaseStorage
from optuna_dashboard import wsgi

from ana_search.dashboard.artifacts import artifact_store, attach
from ana_search.dashboard.gather import gather, write_learning_curves
from ana_search.dashboard.publish import publish
from ana_search.dashboard.server import DashboardServer
from ana_search.storage import StoredStudy, StudyPlace, hide_password, open_study
from ana_search.storage.private import storage_of, study_id
from ana_search.storage.view import ShownStorage, UnwrittenStorage

__all__ = ["offer", "serve"]

_REFRESH = 30.0  # seconds between two looks at a running study
_FIRST = 10.0  # seconds that the first page waits for the note and the figures; those of a large study come later


def serve(
    study: str,
    *,
    storage: str | None = None,
    runs: str | Path | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve the dashboard of a study until Ctrl-C; its address is told to ``announce`` (default: printed).

    ``study`` is a study file or the name of a study. The note, the figures and the files are written before the
    first page is served (after it, where that takes long), and again every half minute while the study grows. What
    cannot be written or read costs a line on stderr, and not the dashboard. No trial is ever changed.

    Raises:
        StudyNotFoundError, StorageError: there is no such study, or its storage cannot be opened.
        RequestError: the address cannot be listened on.
    """
    opened = open_study(study, storage, runs, write=True)
    place, stored = opened.place, opened.study
    shown = ShownStorage(storage_of(stored))
    if not opened.is_writable:
        print("the storage is read-only: note and figures are shown and not kept", file=sys.stderr)
        shown = UnwrittenStorage(storage_of(stored))
        stored = optuna.load_study(study_name=place.name, storage=cast(BaseStorage, shown))
    with (
        _folder_for_files(place) as folder,
        DashboardServer(wsgi(cast(BaseStorage, shown), artifact_store(folder)), host, port, storage=shown) as server,
    ):
        print("writing the study's note and figures ...", file=sys.stderr, flush=True)
        stop, written = threading.Event(), threading.Event()
        threading.Thread(target=_keep_fresh, args=(place, stored, folder, shown, written, stop), daemon=True).start()
        written.wait(_FIRST)
        if server.is_open:
            print(
                f"listening on {host}, without a password: whoever reaches this machine can read the study and edit "
                "its notes",
                file=sys.stderr,
            )
        try:
            announce(f"{server.url}/dashboard/studies/{study_id(stored)}")
            sys.stdout.flush()
            server.serve_forever()
        except KeyboardInterrupt:
            return
        finally:
            stop.set()


def offer(
    study: str | StoredStudy, files: Iterable[Path], *, storage: str | None = None, runs: str | Path | None = None
) -> list[str]:
    """Offer files (a report, exported models) for download on the dashboard of a study; return the new names."""
    stored = open_study(study, storage, runs, write=True)
    return attach(stored.study, files, stored.place.folder.artifacts)


def refresh(
    place: StudyPlace, study: optuna.Study, artifacts: Path | None = None, view: ShownStorage | None = None
) -> int:
    """Write what the dashboard shows, as it is now; return the number of trials that have ended.

    ``artifacts`` is the folder of the files that it offers (default: the run directory's), ``view`` the storage as the
    pages see it: the learning curves appear there and not in the storage, where a pruner would read them.
    """
    stored = StoredStudy(place, study)
    shown = gather(stored)
    ended = shown.frame[shown.frame["state"].isin(["COMPLETE", "PRUNED", "FAIL", "INTERRUPTED", "INFEASIBLE"])]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "learning_curves.csv"
        curves = write_learning_curves(stored, file)
        if view is not None:
            view.show_curves(curves, [trial.number for trial in stored.complete()])
        publish(
            study,
            shown.frame,
            shown.facts,
            plans=shown.plans,
            curves=curves,
            files=[file] if curves else [],
            artifacts=artifacts or place.folder.artifacts,
        )
    for note in dict.fromkeys((*stored.damaged, *stored.notes)):
        print(f"note: {note}", file=sys.stderr)
    return len(ended)


@contextmanager
def _folder_for_files(place: StudyPlace) -> Iterator[Path]:
    """Yield the folder of the files to offer: the run directory's, or a temporary one where that is read-only."""
    try:
        artifact_store(place.folder.artifacts)
        with tempfile.TemporaryFile(dir=place.folder.artifacts):
            pass
    except OSError:
        print("the run directory cannot be written to: the dashboard keeps no files", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
    else:
        yield place.folder.artifacts


def _keep_fresh(
    place: StudyPlace,
    study: optuna.Study,
    artifacts: Path,
    view: ShownStorage,
    written: threading.Event,
    stop: threading.Event,
) -> None:
    """Refresh at once and whenever trials have ended; a storage that is away for a moment is tried again later."""
    finished, told = -1, ""
    while True:
        try:
            ended = sum(trial.state.is_finished() for trial in study.get_trials(deepcopy=False))
            if ended != finished:
                finished = refresh(place, study, artifacts, view)
        except Exception as error:  # the pages that are served stay useful without the newest note
            text = f"the note and the figures are not renewed: {hide_password(str(error))}"
            if text != told:
                print(text, file=sys.stderr)
            told = text
        written.set()
        if stop.wait(_REFRESH):
            return
