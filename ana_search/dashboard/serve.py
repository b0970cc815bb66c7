"""Serving one study until interrupted."""

import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import optuna
from optuna_dashboard import wsgi

from ana_search.dashboard.artifacts import artifact_store, attach
from ana_search.dashboard.gather import gather, write_learning_curves
from ana_search.dashboard.guard import read_mostly
from ana_search.dashboard.publish import publish
from ana_search.dashboard.server import DashboardServer
from ana_search.dashboard.view import ShownStorage
from ana_search.storage import StudyPlace, locate

__all__ = ["offer", "serve"]

_REFRESH = 30.0  # seconds between two looks at a running study


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
    first page is served, and again every half minute while the study grows. No trial is ever changed.

    Raises:
        StudyNotFoundError, StorageError: there is no such study, or its storage cannot be opened.
        RequestError: the address cannot be listened on.
    """
    place = locate(study, storage, runs)
    stored = place.open()
    files = artifact_store(place.folder.artifacts)
    with DashboardServer(read_mostly(wsgi(ShownStorage(stored._storage), files)), host, port) as server:
        print("writing the study's note and figures ...", file=sys.stderr, flush=True)
        finished = refresh(place, stored)
        stop = threading.Event()
        refresher = threading.Thread(target=_keep_fresh, args=(place, stored, finished, stop), daemon=True)
        refresher.start()
        try:
            announce(f"{server.url}/dashboard/studies/{stored._study_id}")
            sys.stdout.flush()
            server.serve_forever()
        except KeyboardInterrupt:
            return
        finally:
            stop.set()


def offer(
    study: str, files: Iterable[Path], *, storage: str | None = None, runs: str | Path | None = None
) -> list[str]:
    """Offer files (a report, exported models) for download on the dashboard of a study; return the new names."""
    place = locate(study, storage, runs)
    return attach(place.open(), files, place.folder.artifacts)


def refresh(place: StudyPlace, study: optuna.Study) -> int:
    """Write what the dashboard shows, as it is now; return the number of trials that have ended."""
    shown = gather(place, study)
    ended = shown.frame[shown.frame["state"].isin(["COMPLETE", "PRUNED", "FAIL"])]
    with tempfile.TemporaryDirectory() as folder:
        curves = Path(folder) / "learning_curves.csv"
        written = write_learning_curves(place.folder, [int(number) for number in ended["number"]], curves)
        publish(
            study,
            shown.frame,
            shown.facts,
            plans=shown.plans,
            files=[curves] if written else [],
            artifacts=place.folder.artifacts,
        )
    return len(ended)


def _keep_fresh(place: StudyPlace, study: optuna.Study, finished: int, stop: threading.Event) -> None:
    """Refresh whenever trials have ended; a storage that is away for a moment is tried again later."""
    told = False
    while not stop.wait(_REFRESH):
        try:
            ended = sum(trial.state.is_finished() for trial in study.get_trials(deepcopy=False))
            if ended != finished:
                finished = refresh(place, study)
        except Exception as error:  # the pages that are served stay useful without the newest note
            if not told:
                print(f"the note and the figures are not renewed: {error}", file=sys.stderr)
            told = True
