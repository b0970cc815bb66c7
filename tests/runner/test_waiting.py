"""A storage or a disk that is away for a while: the driver waits, and Ctrl-C ends the waiting."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ana_search.cli import main
from ana_search.dispatch.local import LocalDispatcher
from ana_search.runner import launch
from tests.runner.postgres import Postgres
from tests.runner.studies import Watcher, check_sound, make_spec, trials_of, write_study

AWAY_SECONDS = 3.0


class Absence(Watcher):
    """Something goes away in trial 1, and comes back some seconds after the driver has met that."""

    def __init__(self, go: Callable[[], object], come_back: Callable[[], object], seconds: float) -> None:
        super().__init__(self._leave)
        self._go = go
        self._return = threading.Timer(seconds, come_back)
        self._gone = False

    def _leave(self, worker: str, trial: int, epoch: int) -> None:
        if trial == 1 and not self._gone:
            self._gone = True
            self._go()

    def message(self, text: str) -> None:
        super().message(text)
        if "trying again" in text and not self._return.is_alive():
            self._return.start()


def test_a_server_that_goes_away_and_comes_back_costs_nothing(postgres: Postgres, tmp_path: Path, runs: Path) -> None:
    url = postgres.url("away")
    absence = Absence(postgres.stop, postgres.start, AWAY_SECONDS)
    spec = make_spec(tmp_path)
    outcome = launch(spec, workers=1, storage=url, runs=runs, progress=absence, dispatcher=LocalDispatcher())
    assert (outcome.finished, outcome.complete) == (4, 4)
    trials = trials_of(runs, storage=url)
    check_sound(trials, 4)
    assert len(trials) == 4, "the driver did not wait"
    assert absence.messages[0].startswith("the storage does not answer")
    assert absence.messages[-1].startswith("the storage answers again")


def test_ctrl_c_ends_the_waiting_and_the_study_goes_on_later(postgres: Postgres, tmp_path: Path, runs: Path) -> None:
    url = postgres.url("interrupted")
    absence = Absence(postgres.stop, lambda: os.kill(os.getpid(), signal.SIGINT), 0.5)
    spec = make_spec(tmp_path)
    try:
        outcome = launch(spec, workers=1, storage=url, runs=runs, progress=absence, dispatcher=LocalDispatcher())
    finally:
        postgres.start()
    assert outcome.interrupted
    assert "again to stop at once" in absence.messages[-1]
    again = launch(spec, workers=1, storage=url, runs=runs, dispatcher=LocalDispatcher())
    assert (again.finished, again.complete) == (4, 4)
    check_sound(trials_of(runs, storage=url), 4)


def test_when_the_time_is_up_the_study_goes_on_later(tmp_path: Path, runs: Path) -> None:
    watcher = Watcher()
    spec = make_spec(tmp_path, training="epochs = 3000")
    outcome = launch(spec, runs=runs, timeout=4, progress=watcher, dispatcher=LocalDispatcher())
    assert outcome.interrupted
    assert any("time is up" in message for message in watcher.messages)
    (trial,) = trials_of(runs)
    assert trial.user_attrs["retry"] == "interrupted"
    assert (runs / "faults" / "trials" / "0" / "checkpoint.pt").is_file()
    again = Watcher()
    launch(spec, runs=runs, timeout=4, progress=again, dispatcher=LocalDispatcher())
    assert again.epochs[0] == (1, watcher.epochs[-1][1] + 1), "it did not go on where it was"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("scheme", ["sqlite", "journal"])
def test_a_full_disk_is_waited_for(scheme: str, small_disk: Path, tmp_path: Path) -> None:
    filler = small_disk / "filler"

    def fill() -> None:
        with filler.open("wb", buffering=0) as file:
            size = 1 << 16
            while size:
                try:
                    file.write(b"x" * size)
                except OSError:
                    size //= 2

    absence = Absence(fill, filler.unlink, 2.0)
    url = f"{scheme}:///{small_disk}/runs/faults/study"
    spec = make_spec(tmp_path, training="epochs = 4")
    outcome = launch(
        spec, workers=1, runs=small_disk / "runs", storage=url, progress=absence, dispatcher=LocalDispatcher()
    )
    assert (outcome.finished, outcome.complete) == (4, 4)
    trials = trials_of(small_disk / "runs", storage=url)
    check_sound(trials, 4)
    assert len(trials) == 4
    assert any("trying again" in message for message in absence.messages)
    assert not list(small_disk.rglob(".part-*"))


def test_a_password_is_shown_nowhere(
    postgres: Postgres, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = postgres.url("secret").partition("?")[2]
    url = f"postgresql+psycopg://postgres:correct-horse@/secret?{socket}"
    write_study(tmp_path, study=f'sampler = "grid"\nstorage = "{url}"')
    monkeypatch.chdir(tmp_path)
    launch(make_spec(tmp_path, study=f'sampler = "grid"\nstorage = "{url}"'), dispatcher=LocalDispatcher())
    for words in (
        ["status", "faults.toml"],
        ["status", "none", "--storage", url],
        ["best", "faults.toml", "--format", "json"],
        ["check", "faults.toml"],
        ["launch", "faults.toml", "--storage", url.replace("/secret", "/other")],
        ["launch", "faults.toml", "--storage", url.replace("/secret", "/other"), "--debug"],
    ):
        with pytest.raises(SystemExit):
            main(words)
    shown = capfd.readouterr()
    assert "correct-horse" not in shown.out + shown.err
    assert "faults" in shown.out
    written = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if b"correct-horse" in path.read_bytes()]
    dump = postgres.dump("secret")
    assert "faults" in dump
    assert "correct-horse" not in dump, "the dashboard would show it"
