"""One study through the command line: interrupted, its driver killed, interrupted twice, and finished in the end."""

import json
import time
from pathlib import Path

import psutil
import pytest
from optuna.trial import FrozenTrial, TrialState

from ana_search.errors import AnaSearchError
from ana_search.results import load_results
from ana_search.storage import locate
from ana_search.storage.lease import holder_of
from tests.runner.commands import Command, run, running, wait_until
from tests.runner.studies import check_sound, complete, finished, trials_of, write_study

CELLS = 'noise = ["uniform", "normal"]\ninterval = ["overlapped", "same_start", "partition"]'
LAUNCH = ("launch", "life.toml", "--workers", "2")
STOP_SECONDS = 15


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("life")
    study = 'sampler = "grid"\nseeds = 20'  # more than can be finished before what the tests do to it
    write_study(path, "life", study=study, data="train_size = 600", training="epochs = 20", space=CELLS)
    return path


def at_work(folder: Path, command: Command, done: int) -> None:
    """Wait until so many trials are finished and two run that this command started.

    What a killed driver left behind is stored as running until its successor, holding the lease already, ends it.
    """

    def stored() -> list[FrozenTrial]:
        try:
            return trials_of(folder / "runs", "life")
        except AnaSearchError:
            return []

    earlier = len(stored())

    def ready() -> bool:
        assert command.is_running(), command.output()
        trials = stored()
        if len(trials) <= earlier:
            return False
        started = [trial.state for trial in trials[earlier:]]
        holder = holder_of(locate("life", runs=folder / "runs").open())
        if holder is None or holder.pid != command.pid:
            return False
        return len(finished(trials)) >= done and started.count(TrialState.RUNNING) == 2

    wait_until(ready, f"{done} trials finished, two running", timeout=240)


def values(folder: Path) -> dict[int, float | None]:
    return {trial.number: trial.value for trial in complete(trials_of(folder / "runs", "life"))}


def outside_loopback(processes: list[psutil.Process]) -> list[str]:
    """Return the sockets that listen on, or are connected to, anything but the loopback interface."""
    found = []
    for process in processes:
        try:
            sockets = process.net_connections(kind="inet")
            name = " ".join(process.cmdline())[:80]
        except psutil.Error:
            continue
        for one in sockets:
            ends = [end.ip.removeprefix("::ffff:") for end in (one.laddr, one.raddr) if end]
            if any(not (ip.startswith("127.") or ip == "::1") for ip in ends):
                found.append(f"{name}: {one.status} {one.laddr} {one.raddr}")
    return found


def listening(processes: list[psutil.Process]) -> int:
    count = 0
    for process in processes:
        try:
            count += sum(one.status == psutil.CONN_LISTEN for one in process.net_connections(kind="inet"))
        except psutil.Error:
            continue
    return count


def test_a_study_outlives_all_that_happens_to_its_driver(folder: Path) -> None:
    # Ctrl-C: running trials write a checkpoint; exit 130. Nothing talks to anything but this machine.
    with running(folder, *LAUNCH) as launch:
        at_work(folder, launch, 1)
        with running(folder, "dashboard", "life.toml") as dashboard:
            wait_until(lambda: "http://127.0.0.1" in dashboard.output(), "the dashboard is up")
            processes = launch.tree() + dashboard.tree()
            assert listening(launch.tree()) > 0
            assert listening(dashboard.tree()) > 0
            assert outside_loopback(processes) == []
        left = launch.tree()
        began = time.monotonic()
        launch.interrupt()
        assert launch.wait(60) == 130
        assert time.monotonic() - began < STOP_SECONDS
        assert "the same command goes on" in launch.output()
        assert psutil.wait_procs(left, timeout=120)[1] == []
    after_interrupt = values(folder)
    states = [trial.state for trial in trials_of(folder / "runs", "life")]
    assert TrialState.RUNNING not in states

    # A driver killed with SIGKILL: its workers go, what was finished stays.
    with running(folder, *LAUNCH) as launch:
        at_work(folder, launch, len(after_interrupt) + 1)
        after_kill = values(folder)
        workers = launch.workers()
        left = launch.kill()
        assert psutil.wait_procs(workers, timeout=60)[1] == []
    assert values(folder).items() >= after_kill.items() >= after_interrupt.items()

    # One driver a study; two Ctrl-C end it at once.
    with running(folder, *LAUNCH) as launch:
        at_work(folder, launch, 0)
        second = run(folder, *LAUNCH)
        assert second.returncode == 2
        assert f"process {launch.pid} on" in second.stderr
        launch.interrupt()
        wait_until(lambda: "again to stop at once" in launch.output(), "the first Ctrl-C is answered")
        began = time.monotonic()
        launch.interrupt()
        assert launch.wait(60) == 130
        assert time.monotonic() - began < STOP_SECONDS
    assert values(folder).items() >= after_kill.items()

    # The same command, once more: it finishes, as many trials as are wanted now.
    requested = len(values(folder)) + 3
    last = run(folder, *LAUNCH, "--trials", str(requested))
    assert last.returncode == 0, last.stderr
    trials = trials_of(folder / "runs", "life")
    check_sound(trials, requested)
    assert values(folder).items() >= after_kill.items()
    reasons = {trial.user_attrs["reason"] for trial in trials if trial.state == TrialState.FAIL}
    assert any("driver died" in reason for reason in reasons)
    assert any("interrupted" in reason for reason in reasons)
    assert not list((folder / "runs").rglob("checkpoint.pt*"))
    # Ray's agents look every minute whether their node is still there.
    assert psutil.wait_procs(left, timeout=120)[1] == []


def test_afterwards_everything_is_there_to_read(folder: Path) -> None:
    status = json.loads(run(folder, "status", "life.toml", "--format", "json").stdout)
    trials = trials_of(folder / "runs", "life")
    assert status["finished"] == status["requested"] == len(values(folder))
    assert status["retries"] == sum("retry_of" in trial.user_attrs for trial in trials) > 0
    assert sum(status["failures"].values()) == sum(trial.state == TrialState.FAIL for trial in trials)
    assert status["driver"] is None
    frame = load_results("life", runs=folder / "runs")
    assert len(frame) == len(trials)
    assert frame["value"].notna().sum() == status["finished"]


def test_a_finished_study_starts_nothing(folder: Path) -> None:
    before = values(folder)
    began = time.monotonic()
    again = run(folder, *LAUNCH, "--trials", str(len(before)))
    assert again.returncode == 0
    assert f"{len(before)} of {len(before)}" in again.stdout
    assert time.monotonic() - began < 60
    assert values(folder) == before


def test_what_can_never_run_is_refused_before_anything_starts(folder: Path) -> None:
    refused = run(folder, *LAUNCH, "--gpus-per-trial", "64")
    assert refused.returncode == 2
    assert "CPUs" in refused.stderr
    assert "GPUs" in refused.stderr
    assert "Traceback" not in refused.stderr
    place = locate("life", runs=folder / "runs")
    assert len(place.open().get_trials(deepcopy=False)) == len(trials_of(folder / "runs", "life"))
