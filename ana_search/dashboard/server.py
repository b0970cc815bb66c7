"""A threaded web server for the dashboard, which listens where it is told and looks up no names."""

import socket
import socketserver
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from ana_search.dashboard.guard import LOOPBACK, guarded, names_of
from ana_search.errors import RequestError
from ana_search.storage.view import ShownStorage

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["DashboardServer"]


class DashboardServer:
    """Serves a WSGI application on ``host`` and ``port`` (``None`` or 0: a free one), one thread a request.

    Requests pass `ana_search.dashboard.guard.guarded` first; ``storage`` is the one that the application shows.

    Raises:
        RequestError: the address cannot be listened on; the message says why.
    """

    def __init__(
        self,
        application: "WSGIApplication",
        host: str = "127.0.0.1",
        port: int | None = None,
        *,
        storage: ShownStorage | None = None,
    ) -> None:
        served = guarded(application, names_of(host), storage)
        kind = _Server6 if ":" in host else _Server
        try:
            self._server = kind((host, port or 0), _Handler)
        except (OSError, OverflowError) as error:
            where = f"{host}:{port}" if port else host
            raise RequestError(
                f"dashboard: cannot listen on {where}: {error}; allowed: an address of this machine and a "
                "port that is free (leave --port out to have one chosen)"
            ) from None
        self._server.set_app(served)
        self.host, self.port = host, int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The address to open, without a path."""
        shown = {"0.0.0.0": socket.gethostname(), "::": socket.gethostname()}.get(self.host, self.host)
        return f"http://{f'[{shown}]' if ':' in shown else shown}:{self.port}"

    @property
    def is_open(self) -> bool:
        """Whether other machines can reach it."""
        return self.host not in LOOPBACK

    def serve_forever(self) -> None:
        """Answer requests until `stop` is called from another thread."""
        self._server.serve_forever(poll_interval=0.2)

    def stop(self) -> None:
        """End `serve_forever`."""
        self._server.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.server_close()


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64

    def server_bind(self) -> None:
        # HTTPServer asks the resolver for the full name of the host here; nothing needs it.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A browser may close its connection in the middle of an answer, which is no error.
        error = sys.exc_info()[1]
        if not isinstance(error, (BrokenPipeError, ConnectionResetError, TimeoutError)):
            print(f"dashboard: a request failed: {type(error).__name__}: {error}", file=sys.stderr)


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = 60  # seconds that a connection may say nothing

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the terminal belongs to the address."""
