"""A study of 1,000 trials: the dashboard's list while trials are written, `status`, and `analyse`.

The times are printed (`pytest -s`), and not judged: they are the machine's. On an idle one the list should take less
than 3 s, `status` less than 2 s and `analyse` less than 60 s.
"""

import json
import os
import resource
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna_dashboard import wsgi

from ana_search.dashboard import DashboardServer
from ana_search.shipped import find_study_file
from ana_search.storage import RunFolder
from ana_search.storage.view import ShownStorage
from ana_search.study_file import load_study_file
from tests.dashboard.stored import stored_study

pytestmark = pytest.mark.slow

WRITER = """
import sys
import optuna
from ana_search.storage import open_storage
optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.load_study(study_name="thousand", storage=open_storage(sys.argv[1]))
print("writing", flush=True)
while True:
    trial = study.ask()
    trial.suggest_float("alpha", 0.5, 2.0)
    trial.set_user_attr("seed", 1)
    study.tell(trial, 0.5)
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("thousand")
    text = find_study_file("quickstart").read_text(encoding="utf-8")
    file = folder / "thousand.toml"
    file.write_text(text.replace('name = "quickstart"', 'name = "thousand"').replace("seeds = 2", "seeds = 32"))
    stored_study(load_study_file(file), folder / "runs", trials=1000)
    return folder / "runs"


@pytest.fixture
def busy_url(runs: Path, tmp_path: Path) -> Iterator[str]:
    """A copy of the study to which a process adds trials as fast as it can, as a launch with many workers would."""
    with (
        closing(sqlite3.connect(RunFolder(runs, "thousand").database)) as stored,
        closing(sqlite3.connect(tmp_path / "study.db")) as copied,
    ):
        stored.backup(copied)  # a copy of the file alone would lack what is in its write-ahead log
    url = f"sqlite:///{tmp_path}/study.db"
    with subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        yield url
        process.kill()


def command(*words: str) -> tuple[float, str]:
    """Run `ana-search` and return the processor time that it took, in seconds, and what it printed.

    Processor time, because the machine may have other work; on an idle one the command waits for nothing else.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", "from ana_search.cli import main; main()", *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def test_the_list_answers_while_trials_are_written(busy_url):
    study = optuna.load_study(study_name="thousand", storage=RDBStorage(busy_url))
    study.get_trials(deepcopy=False)  # as `serve` does for the note, before the first page
    taken, counts = [], []
    with DashboardServer(wsgi(ShownStorage(study._storage))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for _ in range(4):
            began = time.monotonic()
            with urllib.request.urlopen(f"{server.url}/api/studies/1?after=0", timeout=60) as answer:
                counts.append(len(json.load(answer)["trials"]))
            taken.append(time.monotonic() - began)
            time.sleep(4)
        server.stop()
        thread.join()
    assert counts[0] >= 1000
    assert counts[-1] > counts[0]
    print(f"trial list of {counts} trials: {max(taken):.2f} s at most")


def test_status(runs):
    taken, printed = command("status", "thousand", "--runs", str(runs), "--format", "json")
    assert json.loads(printed)["states"]["COMPLETE"] >= 1000
    print(f"status: {taken:.2f} s")


def test_analyse(runs, tmp_path):
    taken, printed = command("analyse", "thousand", "--runs", str(runs), "--out", str(tmp_path), "--format", "json")
    assert json.loads(printed)["verdict"]
    print(f"analyse: {taken:.2f} s")
