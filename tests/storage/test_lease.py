"""One driver a study: the lease, with real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import optuna
import pytest

from ana_search.errors import LeaseError
from ana_search.storage import Lease, open_storage
from ana_search.storage.lease import LEASE_ATTRIBUTE, Holder, holder_of

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


def other_host(study: optuna.Study, renewed: float) -> Holder:
    holder = Holder("token", "another-host", 1, 0.0, renewed, renewed)
    study.set_user_attr(LEASE_ATTRIBUTE, json.dumps(asdict(holder)))
    return holder


def test_a_driver_elsewhere_holds_the_study_while_it_gives_signs_of_life(study: optuna.Study) -> None:
    other_host(study, time.time() - 20)
    with pytest.raises(LeaseError, match="process 1 on another-host"), Lease(study):
        pass
    other_host(study, time.time() - 120)
    with Lease(study) as lease:
        lease.check()


def test_a_process_number_used_again_is_not_the_driver(study: optuna.Study) -> None:
    holder = Holder("token", os.uname().nodename, os.getpid(), 1.0, time.time(), time.time())
    assert not holder.is_alive()
    assert not replace(holder, pid=2**22 + 1).is_alive()


def test_a_driver_that_lost_its_lease_is_told(study: optuna.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ana_search.storage.lease._RENEW_SECONDS", 0.1)
    with Lease(study) as lease:
        other_host(study, time.time() + 5)
        lease._renewer.join(timeout=30)
        with pytest.raises(LeaseError, match="another-host"):
            lease.check()
    holder = holder_of(study)
    assert holder is not None
    assert holder.host == "another-host", "a lease that is not one's own was given up"
