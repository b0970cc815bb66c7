"""One driver a study: the lease, with real processes."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import optuna
import pytest

from ana_search.errors import LeaseError, LeaseLostError, StorageLostError
from ana_search.storage import Lease, open_storage
from ana_search.storage.lease import LEASE_ATTRIBUTE, Holder, holder_of, read_lease
from ana_search.storage.process import seconds_since_boot, start_of

HOLD = """
import optuna, sys, time
from ana_search.storage import Lease, open_storage
study = optuna.load_study(study_name="leased", storage=open_storage(sys.argv[1]))
with Lease(study):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(params=["sqlite", "journal"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"{request.param}:///{tmp_path}/study.{request.param}"


@pytest.fixture
def study(url: str) -> optuna.Study:
    return optuna.create_study(study_name="leased", storage=open_storage(url))


def test_a_second_driver_is_told_who_holds_the_study_and_a_dead_one_loses_it(study: optuna.Study, url: str) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, url], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        try:
            assert other.stdout.readline() == "held\n"
            with pytest.raises(LeaseError, match=rf"driven by process {other.pid} on .*, since 20"), Lease(study):
                pass
            holder = holder_of(study)
            assert holder is not None
            assert holder.pid == other.pid
        finally:
            other.send_signal(signal.SIGKILL)
    assert holder_of(study) is None
    with Lease(study):
        held = holder_of(study)
        assert held is not None
        assert held.pid == os.getpid()
    assert holder_of(study) is None


def elsewhere(study: optuna.Study, **changes: object) -> Holder:
    """Let a driver hold the study that cannot be looked up: on another machine, or in another container of this one."""
    holder = replace(Holder.of_this_process(), token="token", host="another-host", pid=1, machine="other", **changes)
    study.set_user_attr(LEASE_ATTRIBUTE, json.dumps(asdict(holder)))
    return holder


@contextmanager
def beating(study: optuna.Study, holder: Holder) -> Iterator[None]:
    """Let a driver elsewhere give signs of life while the block runs."""
    over = threading.Event()

    def beat() -> None:
        beats = 0
        while not over.wait(0.2):
            beats += 1
            study.set_user_attr(LEASE_ATTRIBUTE, json.dumps(asdict(replace(holder, beat=beats))))

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("ahead", [90.0, -1e9])
def test_a_driver_elsewhere_holds_the_study_whatever_its_clock_says(
    study: optuna.Study, ahead: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ana_search.storage.lease._LAPSE_SECONDS", 3.0)
    monkeypatch.setattr("ana_search.storage.lease._LOOK_SECONDS", 3.0)
    alive = elsewhere(study, renewed=time.time() + ahead)
    with beating(study, alive):
        assert holder_of(study) is not None
        with pytest.raises(LeaseError, match="process 1 on another-host"), Lease(study):
            pass


def test_a_driver_elsewhere_without_a_sign_of_life_loses_it_after_a_while(
    study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ana_search.storage.lease._LAPSE_SECONDS", 1.5)
    monkeypatch.setattr("ana_search.storage.lease._LOOK_SECONDS", 1.0)
    elsewhere(study, renewed=time.time() - 100)
    assert holder_of(study) is None
    told: list[str] = []
    began = time.monotonic()
    with Lease(study, told.append) as lease:
        assert time.monotonic() - began >= 1.5
        lease.check()
    assert "another-host" in told[0]


def test_two_containers_with_one_host_name_are_told_apart(study: optuna.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both drivers have this process's number, start and host name; only the namespace differs."""
    monkeypatch.setattr("ana_search.storage.lease._LAPSE_SECONDS", 3.0)
    here = Holder.of_this_process()
    there = replace(here, token="other", machine=here.machine.replace("pid:[", "pid:[9"))
    assert there.machine != here.machine
    study.set_user_attr(LEASE_ATTRIBUTE, json.dumps(asdict(there)))
    with beating(study, there), pytest.raises(LeaseError, match=f"process {here.pid} on {here.host}"), Lease(study):
        pass


def test_a_process_number_used_again_is_not_the_driver(study: optuna.Study) -> None:
    here = replace(Holder.of_this_process(), pid=os.getppid(), started=start_of(os.getppid()) or "")
    assert here.is_near()
    assert here.runs()
    assert not replace(here, started="1").runs()
    assert not replace(here, pid=2**22 + 1).runs()
    assert not Holder.of_this_process().runs(), "a lease of this process that it does not hold"


def test_the_clock_may_be_set(study: optuna.Study, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By an hour, in either direction, for the observer and for the driver."""
    with subprocess.Popen([sys.executable, "-c", HOLD, url], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        try:
            assert other.stdout.readline() == "held\n"
            for step in (-3600, -5, 5, 3600):
                now = time.time
                with monkeypatch.context() as patch:
                    patch.setattr("time.time", lambda now=now, step=step: now() + step)
                    patch.setattr("psutil.boot_time", lambda now=now, step=step: now() - 1000 + step)
                    holder = holder_of(study)
                    assert holder is not None
                    assert holder.pid == other.pid
                    with pytest.raises(LeaseError, match=f"process {other.pid}"), Lease(study):
                        pass
        finally:
            other.kill()


def test_a_zombie_does_not_hold_a_study(study: optuna.Study, url: str) -> None:
    other = subprocess.Popen([sys.executable, "-c", HOLD, url], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    assert holder_of(study) is not None
    other.kill()
    until = time.monotonic() + 30
    while start_of(other.pid) is not None:  # not waited for: its number and its start are still there
        assert time.monotonic() < until
        time.sleep(0.05)
    assert Path(f"/proc/{other.pid}/stat").exists()
    assert holder_of(study) is None
    other.stdout.close()
    other.wait()


def test_a_driver_that_lost_its_lease_is_told(study: optuna.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ana_search.storage.lease._RENEW_SECONDS", 0.1)
    with Lease(study) as lease:
        elsewhere(study, renewed=time.time())
        lease._renewer.join(timeout=1)
        with pytest.raises(LeaseLostError, match="taken over by process 1 on another-host"):
            lease.check()
    assert Holder.from_text(read_lease(study)).host == "another-host", "a lease that is not one's own was given up"


def test_a_driver_that_slept_looks_before_it_writes(study: optuna.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its renewer has not woken yet when the driver goes on."""
    monkeypatch.setattr("ana_search.storage.lease._RENEW_SECONDS", 50.0)
    with Lease(study) as lease:
        elsewhere(study)
        lease.check()
        later = seconds_since_boot() + 61
        monkeypatch.setattr("ana_search.storage.lease.seconds_since_boot", lambda: later)
        with pytest.raises(LeaseLostError, match="another-host"):
            lease.check()


@pytest.mark.parametrize("text", ["", json.dumps({"token": "old", "host": "h", "pid": 1, "started": 1.0})])
def test_a_storage_that_does_not_know_the_driver_was_replaced(
    text: str, study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ana_search.storage.lease._RENEW_SECONDS", 50.0)
    with Lease(study) as lease:
        study.set_user_attr(LEASE_ATTRIBUTE, text)
        with pytest.raises(LeaseLostError if text else StorageLostError):
            lease.confirm()


@pytest.mark.parametrize("text", ["{", "[]", "7", '{"version": 9, "pid": "x", "token": 3, "who": {}}', "null"])
def test_a_lease_of_another_version_is_watched_and_not_stumbled_over(
    text: str, study: optuna.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ana_search.storage.lease._LAPSE_SECONDS", 1.0)
    monkeypatch.setattr("ana_search.storage.lease._LOOK_SECONDS", 1.0)
    study.set_user_attr(LEASE_ATTRIBUTE, text)
    assert holder_of(study) is None
    if "version" in text:
        assert "of a newer version, lease format 9" in Holder.from_text(text).describe()
    with Lease(study) as lease:
        lease.check()
