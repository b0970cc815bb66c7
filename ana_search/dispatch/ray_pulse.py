"""Noticing that a Ray cluster has ended."""

import socket
import time
from typing import Any

import ray
import ray._private.worker

from ana_search.errors import RunError

__all__ = ["Pulse"]

_PROCESSES = {"gcs_server": "control process", "raylet": "node process"}
_SECONDS = 3.0
_MOST_MISSED = 3
_SAFE = "everything finished is safe; the same command goes on"


class Pulse:
    """Notices that the cluster has ended, long before Ray does, which would then end this process without a message.

    A cluster that was started here has ended when one of its processes has; any other when its control process no
    longer answers. Behind a ``ray://`` address that process may be out of reach: there Ray reports a lost connection.

    Args:
        address: of the cluster (default: it was started here).
    """

    def __init__(self, address: str | None) -> None:
        node: Any = ray._private.worker._global_node
        started = {} if node is None else node.all_processes
        self._processes = {name: info.process for kind, name in _PROCESSES.items() for info in started.get(kind, ())}
        remote = address is not None and not address.startswith("ray://")
        self._control = _address_of_control() if remote else None
        self._next = time.monotonic()
        self._missed = 0

    def check(self) -> None:
        """Raise `RunError` if the cluster has ended. Cheap: may be called in a loop."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise RunError(f"Ray's {name} (process {process.pid}) has ended with {process.returncode}; {_SAFE}")
        if self._control is not None and time.monotonic() >= self._next:
            self._ask(*self._control)
            self._next = time.monotonic() + _SECONDS

    def _ask(self, host: str, port: int) -> None:
        try:
            socket.create_connection((host, port), _SECONDS).close()
            self._missed = 0
        except OSError as error:
            self._missed += 1
            if self._missed >= _MOST_MISSED:
                raise RunError(f"Ray's control process at {host}:{port} does not answer ({error}); {_SAFE}") from None


def _address_of_control() -> tuple[str, int]:
    host, _, port = str(ray.get_runtime_context().gcs_address).rpartition(":")
    return host.strip("[]"), int(port)
