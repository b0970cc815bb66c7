"""What the dashboard may change: notes, and nothing else."""

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["read_mostly"]

_NOTE = re.compile(r"/api/studies/\d+(/\d+)?/note/?")


def read_mostly(application: "WSGIApplication") -> "WSGIApplication":
    """Return Optuna's dashboard without the requests that would disturb a running study.

    Its pages can delete and rename studies, tell trials their values and remove files; here the driver of a
    study is the only one who writes trials. Reading is free, and notes can be edited.
    """

    def guarded(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        if method in ("GET", "HEAD") or (method == "PUT" and _NOTE.fullmatch(path)):
            return application(environ, start_response)
        reason = "this dashboard shows studies and edits notes; trials and studies are changed by ana-search alone"
        start_response("403 Forbidden", [("Content-Type", "application/json")])
        return [json.dumps({"reason": reason}).encode()]

    return guarded
