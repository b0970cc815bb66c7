"""The server: where it listens, what it answers, what it refuses."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import optuna
import pytest
from optuna_dashboard import wsgi

from ana_search.dashboard import DashboardServer
from ana_search.errors import RequestError
from ana_search.storage.view import ShownStorage


@contextmanager
def serving(study: optuna.Study) -> Iterator[DashboardServer]:
    storage = ShownStorage(study._storage)
    with DashboardServer(wsgi(storage), storage=storage) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.stop()
            thread.join()


def request(server: DashboardServer, method: str, path: str, body=None, **headers) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    data = None if body is None else json.dumps(body)
    connection.request(method, path, data, {"Content-Type": "application/json"} | headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_trials_are_listed_without_long_or_secret_attributes(study):
    with serving(study) as server:
        status, body = request(server, "GET", "/api/studies/1?after=0")
        csv_status, csv = request(server, "GET", "/csv/1")
    assert status == csv_status == 200
    detail = json.loads(body)
    assert len(detail["trials"]) == 6
    assert detail["trials"][1]["params"][0]["name"] == "noise"
    for text in (body, csv):
        assert b"xxxx" not in text
        assert b"secret" not in text
    assert b"postgresql://ana:***@db/studies" in body


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/api/studies/1", {}),
        ("POST", "/api/studies", {"study_name": "x", "directions": ["minimize"]}),
        ("POST", "/api/studies/1/rename", {"study_name": "x"}),
        ("POST", "/api/trials/6/tell", {"state": "Fail"}),
        ("POST", "/api/trials/6/user-attrs", {"user_attrs": {"a": 1}}),
        ("POST", "/api/artifacts/1", {"file": "data:,a"}),
    ],
)
def test_requests_that_change_studies_are_refused(study, method, path, body):
    with serving(study) as server:
        status, answer = request(server, method, path, body)
    assert status == 403
    assert b"ana-search alone" in answer
    assert len(optuna.get_all_study_names(study._storage)) == 1
    assert study.trials[5].state.name == "RUNNING"


def test_notes_can_be_edited(study):
    with serving(study) as server:
        for path in ("/api/studies/1/note", "/api/studies/1/2/note"):
            status, _ = request(server, "PUT", path, {"version": 1, "body": "mine"}, Origin=server.url)
            assert status == 204
        detail = json.loads(request(server, "GET", "/api/studies/1")[1])
    assert detail["note"]["body"] == detail["trials"][1]["note"]["body"] == "mine"


@pytest.mark.parametrize(("host", "allowed"), [("localhost:1", True), ("[::1]:8", True), ("evil.example:80", False)])
def test_another_name_for_the_loopback_address_is_refused(study, host, allowed):
    with serving(study) as server:
        status, _ = request(server, "GET", "/api/meta", Host=host)
    assert status == (200 if allowed else 421)


def test_a_taken_port_is_the_users_mistake(study):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RequestError, match=f"cannot listen on 127.0.0.1:{port}.*leave --port out"):
            DashboardServer(wsgi(study._storage), port=port)


def test_an_address_of_another_machine_is_the_users_mistake(study):
    with pytest.raises(RequestError, match=r"192\.0\.2\.1"):
        DashboardServer(wsgi(study._storage), host="192.0.2.1")


def test_no_name_is_looked_up(study, monkeypatch):
    monkeypatch.setattr(socket, "getfqdn", lambda *_: pytest.fail("asked the resolver"))
    with DashboardServer(wsgi(study._storage)) as server:
        assert server.url == f"http://127.0.0.1:{server.port}"


def test_the_list_stays_whole_while_trials_are_written(study):
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            trial = study.ask()
            trial.suggest_float("alpha", 0.5, 2.0)
            study.tell(trial, 0.1)

    with serving(study) as server:
        writer = threading.Thread(target=write)
        writer.start()
        try:
            answers = [request(server, "GET", "/api/studies/1?after=0") for _ in range(20)]
        finally:
            done.set()
            writer.join()
    assert {status for status, _ in answers} == {200}
