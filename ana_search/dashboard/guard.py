"""What the dashboard answers: well-formed requests, to its own address, that read or that edit a note."""

import io
import ipaddress
import json
import logging
import re
import socket
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from ana_search.storage.view import ShownStorage

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["LOOPBACK", "guarded", "names_of"]

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_NOTE = re.compile(r"/api/studies/\d+(/\d+)?/note/?")
_ASKED_FOR = re.compile(r"/(?:api/studies|csv|artifacts)/(?P<study>\d+)(?:/(?P<trial>\d+)(?=/|$))?")
_LONG_NUMBER = re.compile(r"/\d{10,}(/|$)")  # longer than any identity in a database
_NUMBERS = re.compile(r"\d{1,9}(\s*,\s*\d{1,9})*")
_MOST_BYTES = 1 << 20  # the size of the largest note
_NUMERIC = ("after", "trial_ids")


class _Refused(Exception):
    """A request that is not passed on: its status, and the reason for whoever asked."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def names_of(host: str) -> Callable[[str], bool]:
    """Return what tells whether a request's host name is one of a server that listens on ``host``.

    A web page elsewhere can point a name of its own at this machine, so names are not free: on a loopback address
    only those of loopback are right; elsewhere also the name that was listened on, the machine's own, and every
    plain address, because nobody can point an address somewhere else.
    """
    if host in LOOPBACK:
        return lambda name: name in LOOPBACK
    known = LOOPBACK | {host.lower(), socket.gethostname().lower()}
    return lambda name: name.lower() in known or _is_address(name)


def guarded(
    application: "WSGIApplication", is_own_name: Callable[[str], bool], storage: ShownStorage | None = None
) -> "WSGIApplication":
    """Return Optuna's dashboard without the requests that would disturb a running study, or that are malformed.

    Its pages can delete and rename studies, tell trials their values and remove files; here the driver of a
    study is the only one who writes trials. Reading is free, and notes can be edited, from the dashboard's own pages
    alone. A request that the dashboard cannot understand is answered with 400 and the reason; where it fails itself
    the answer is 500, and one line on stderr says why. With ``storage``, studies and trials that are not there are
    answered with 404.
    """
    _log_one_line()

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        try:
            _check_name(environ, is_own_name)
            _check_method(environ)
            _check_form(environ)
            if storage is not None:
                _check_existence(environ, storage)
        except _Refused as refused:
            start_response(refused.status, [("Content-Type", "application/json")])
            return [json.dumps({"reason": refused.reason}).encode()]
        # Optuna's dashboard takes it for granted that this header is there.
        environ.setdefault("HTTP_ACCEPT_ENCODING", "identity")
        environ["wsgi.errors"] = _OneLine()
        return application(environ, _with_own_status(environ, start_response))

    return answer


def _check_name(environ: "WSGIEnvironment", is_own_name: Callable[[str], bool]) -> None:
    host = str(environ.get("HTTP_HOST", ""))
    match = re.fullmatch(r"\[([0-9a-fA-F:.]+)\](?::\d{1,5})?|([^\s:/\[\]]+)(?::\d{1,5})?", host)
    if match is None:
        raise _Refused("400 Bad Request", f"the header Host is {host[:100]!r}; allowed: a host, or host:port")
    if not is_own_name(match[1] or match[2]):
        raise _Refused(
            "421 Misdirected Request",
            f"this dashboard does not answer to the name {host[:100]!r}; open the address that it printed, or name "
            "the machine with --host",
        )


def _check_method(environ: "WSGIEnvironment") -> None:
    """Refuse whatever changes more than a note, and notes that another site's page sends."""
    method, path = environ["REQUEST_METHOD"], str(environ.get("PATH_INFO", ""))
    if method in ("GET", "HEAD"):
        return
    if method != "PUT" or not _NOTE.fullmatch(path):
        raise _Refused(
            "403 Forbidden",
            "this dashboard shows studies and edits notes; trials and studies are changed by ana-search alone",
        )
    own = f"{environ.get('wsgi.url_scheme', 'http')}://{environ['HTTP_HOST']}"
    if environ.get("HTTP_ORIGIN") != own:
        raise _Refused("403 Forbidden", f"notes are edited on the dashboard's own pages ({own}) alone")


def _check_form(environ: "WSGIEnvironment") -> None:
    """Refuse identities that are not numbers, and notes that are not a JSON object with a version and a text."""
    try:
        path = str(environ.get("PATH_INFO", "")).encode("latin-1").decode()
        query = dict(parse_qsl(str(environ.get("QUERY_STRING", "")), keep_blank_values=True, errors="strict"))
    except (UnicodeError, ValueError):
        raise _Refused("400 Bad Request", "the address is not text in UTF-8") from None
    if _LONG_NUMBER.search(path) or "\0" in path:
        raise _Refused("400 Bad Request", "the address holds a number that no study or trial has")
    for name in _NUMERIC:
        if query.get(name) and not _NUMBERS.fullmatch(query[name]):
            raise _Refused("400 Bad Request", f"{name}={query[name][:50]!r}; allowed: whole numbers from 0")
    if "after" in query and not re.fullmatch(r"\d{1,9}", query["after"]):
        raise _Refused("400 Bad Request", f"after={query['after'][:50]!r}; allowed: a whole number from 0")
    length = str(environ.get("CONTENT_LENGTH") or "0")
    if not re.fullmatch(r"\d{1,12}", length) or environ.get("HTTP_TRANSFER_ENCODING"):
        raise _Refused("400 Bad Request", "the request has no plain Content-Length")
    if environ["REQUEST_METHOD"] == "PUT":
        _check_note(environ, int(length))


def _check_existence(environ: "WSGIEnvironment", storage: ShownStorage) -> None:
    match = _ASKED_FOR.match(str(environ.get("PATH_INFO", "")))
    if match is None:
        return
    try:
        storage.get_study_name_from_id(int(match["study"]))
        if match["trial"] is not None:
            storage.get_trial(int(match["trial"]))
    except KeyError:
        raise _Refused("404 Not Found", "there is no such study or trial in this storage") from None


def _check_note(environ: "WSGIEnvironment", length: int) -> None:
    if length > _MOST_BYTES:
        raise _Refused("413 Content Too Large", f"a note of {length} bytes; allowed: {_MOST_BYTES}")
    if str(environ.get("CONTENT_TYPE", "")).split(";")[0].strip() != "application/json":
        raise _Refused("400 Bad Request", "a note is sent as application/json")
    body = environ["wsgi.input"].read(length)
    environ["wsgi.input"] = io.BytesIO(body)
    try:
        note: Any = json.loads(body)
    except (ValueError, RecursionError):
        note = None
    right = isinstance(note, dict) and isinstance(note.get("body"), str) and type(note.get("version")) is int
    if not right or not 0 <= note["version"] < 1 << 31:
        raise _Refused("400 Bad Request", 'a note is {"version": NUMBER, "body": TEXT}')


def _with_own_status(environ: "WSGIEnvironment", start_response: "StartResponse") -> "StartResponse":
    """Return ``start_response`` with 400 for a plot that does not suit the study, 404 for a lost file."""

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        asked = str(environ.get("PATH_INFO", ""))
        if status.startswith("500") and "/plot/" in asked:
            status = "400 Bad Request"
        elif status.startswith("500") and asked.startswith("/artifacts/"):
            status = "404 Not Found"
        return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

    return start


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _log_one_line() -> None:
    """Let Optuna's dashboard log the first line of its errors: the traceback is of no use to who looks at a study."""
    logger = logging.getLogger("optuna_dashboard")
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_FirstLine("dashboard: %(message)s"))
        logger.addHandler(handler)
        logger.propagate = False


class _FirstLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).splitlines()[0]


class _OneLine(io.TextIOBase):
    """Where a web framework writes tracebacks: their last line alone goes to stderr."""

    def write(self, text: str) -> int:
        lines = text.strip().splitlines()
        if lines:
            print(f"dashboard: {lines[-1].strip()}", file=sys.stderr)
        return len(text)
