"""Requests that are malformed, come from elsewhere, or ask for what is not there."""

import json
import socket
import threading
from collections.abc import Iterator

import optuna
import pytest
from optuna_dashboard import wsgi

from ana_search.dashboard import DashboardServer
from ana_search.dashboard.guard import names_of
from ana_search.storage.view import ShownStorage
from tests.dashboard.conftest import make_study
from tests.dashboard.test_server import request

NOTE = {"version": 1, "body": "mine"}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> optuna.Study:
    return make_study(f"sqlite:///{tmp_path_factory.mktemp('guard')}/study.db")


@pytest.fixture(scope="module")
def server(study: optuna.Study) -> Iterator[DashboardServer]:
    storage = ShownStorage(study._storage)
    with DashboardServer(wsgi(storage), storage=storage) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.stop()
        thread.join()


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://127.0.0.1", "https://127.0.0.1:{port}"]
)
def test_notes_of_another_origin_are_refused(server: DashboardServer, origin: str | None) -> None:
    headers = {} if origin is None else {"Origin": origin.format(port=server.port)}
    status, body = request(server, "PUT", "/api/studies/1/note", NOTE, **headers)
    assert status == 403
    assert b"own pages" in body


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/studies/1?after=x", 400),
        ("/api/studies/1?after=-1", 400),
        ("/api/studies/1?after=", 400),
        ("/api/studies/1?after=" + "9" * 5000, 400),
        ("/api/studies/1?after=%ff", 400),
        ("/api/studies/%ff", 400),
        ("/api/studies/1%00", 400),
        ("/api/studies/99999999999999999999999", 400),
        ("/csv/99999999999999999999999", 400),
        ("/csv/1?trial_ids=a,b", 400),
        ("/api/studies/77", 404),
        ("/api/studies/77/plot/slice", 404),
        ("/csv/77", 404),
        ("/artifacts/77/abc", 404),
        ("/artifacts/1/abc", 400),
        ("/artifacts/1/2/abc", 400),
        ("/api/studies/1/plot/nothing", 404),
        ("/api/studies/1/plot/pareto_front", 400),
        ("/api/nothing", 404),
        ("/static/../../../etc/passwd", 404),
        ("/api/studies/1?after=0", 200),
        ("/api/studies/1/plot/edf", 200),
        ("/favicon.ico", 200),
        ("/dashboard", 200),
    ],
)
def test_no_address_ends_in_a_fault(
    server: DashboardServer, path: str, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    found, body = request(server, "GET", path)
    assert found in ({status, 403} if ".." in path else {status}), body
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/studies/1/note", "[]", 400),
        ("/api/studies/1/note", "", 400),
        ("/api/studies/1/note", "{", 400),
        ("/api/studies/1/note", "\xff", 400),
        ("/api/studies/1/note", "[" * 100_000, 400),
        ("/api/studies/1/note", json.dumps({"version": "1", "body": "x"}), 400),
        ("/api/studies/1/note", json.dumps({"version": True, "body": "x"}), 400),
        ("/api/studies/1/note", json.dumps({"version": 10**30, "body": "x"}), 400),
        ("/api/studies/1/note", json.dumps({"version": 1, "body": {}}), 400),
        ("/api/studies/1/note", json.dumps({"version": 1, "body": "x" * (2 << 20)}), 413),
        ("/api/studies/77/note", json.dumps(NOTE), 404),
        ("/api/studies/1/77/note", json.dumps(NOTE), 404),
    ],
)
def test_no_note_ends_in_a_fault(
    server: DashboardServer, path: str, body: str, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    head = f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nOrigin: {server.url}\r\n"
    kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    assert sent(server, head + kind + body) == status
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET /api/meta HTTP/1.1", 400),
        ("GET /api/meta HTTP/1.1\r\nHost: a b", 400),
        ("GET /api/meta HTTP/1.1\r\nHost: [::1", 400),
        ("GET /api/meta HTTP/1.1\r\nHost: 127.0.0.1:x", 400),
        ("GET /api/meta HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: abc", 400),
        ("GET /api/meta HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5", 400),
        ("GARBAGE", 400),
        ("GET /api/meta HTTP/9.9\r\nHost: 127.0.0.1", 400),
        ("TRACE / HTTP/1.1\r\nHost: 127.0.0.1", 403),
        ("GET /api/meta HTTP/1.1\r\nHost: 127.0.0.1", 200),
    ],
)
def test_no_head_ends_in_a_fault(
    server: DashboardServer, head: str, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    assert sent(server, f"{head}\r\n\r\n") == status
    assert "Traceback" not in capfd.readouterr().err


def sent(server: DashboardServer, text: str) -> int:
    """Send a request byte by byte as it is; return the status of the answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(text.encode("latin-1"))
        answer = connection.makefile("rb").readline().decode()
    return int(answer.split()[1]) if answer.startswith("HTTP/") else 400  # the reply to what is no HTTP has no head


@pytest.mark.parametrize(
    ("host", "name", "own"),
    [
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "192.168.1.7", False),
        ("localhost", "evil.example", False),
        ("0.0.0.0", "192.168.1.7", True),
        ("0.0.0.0", "2001:db8::1", True),
        ("0.0.0.0", socket.gethostname().upper(), True),
        ("0.0.0.0", "localhost", True),
        ("0.0.0.0", "evil.example", False),
        ("gpu-box.lab", "GPU-box.lab", True),
        ("gpu-box.lab", "gpu-box.lab.evil.example", False),
    ],
)
def test_names_that_a_server_answers_to(host: str, name: str, own: bool) -> None:
    assert names_of(host)(name) is own
