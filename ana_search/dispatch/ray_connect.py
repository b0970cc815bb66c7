"""Getting a Ray cluster: one of this machine alone, or one that runs already."""

import contextlib
import logging
import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from types import FrameType
from typing import TypedDict

import ray
import ray._private.utils
import ray._private.worker
from ray._private import ray_constants

from ana_search.dispatch.ray_folder import short_folder
from ana_search.dispatch.resources import local_resources
from ana_search.errors import ResourceError
from ana_search.passwords import without_passwords

__all__ = ["connect", "disconnect"]


class _Quiet(TypedDict):
    """The arguments of `ray.init` by which it says less."""

    logging_level: int
    log_to_driver: bool


_LOOPBACK = "127.0.0.1"
_ANSWER_SECONDS = 10.0
_START_TRIES = 3
_QUIET: _Quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
_HOST_AND_PORT = re.compile(r"(?:ray://)?(?P<host>[^/\s]+):(?P<port>\d+)/?")
_ALLOWED = "ray://HOST:PORT or auto of a running cluster"
_own_folder = contextlib.ExitStack()  # the folder of the Ray that was started here, if it has one of its own


def connect(address: str | None) -> None:
    """Connect to the cluster at ``address``, or start one of this machine alone, on the loopback interface.

    Raises:
        ResourceError: nothing answers there, or Ray cannot start.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    tries = _START_TRIES if address is None else 1
    for attempt in range(1, tries + 1):
        try:
            with _signals_left_alone():
                if address is None:
                    _start_local()
                else:
                    _probe(address)
                    ray.init(address=address, **_QUIET)
            break
        except Exception as error:  # Ray raises many kinds, and a plain Exception where its node took too long
            disconnect()
            if attempt == tries:
                text = " ".join(str(error).split())[:300]
                raise ResourceError(f"Ray {address or 'on this machine'}: {text}; allowed: {_ALLOWED}") from None
        except BaseException:  # a signal: what was started by then is ended again
            disconnect()
            raise
    # Ray prints what it has to say about lost workers on stdout, which belongs to the data of a command; the
    # driver records it with the trial.
    ray._private.worker._worker_logs_enabled = False


def disconnect() -> None:
    """Leave the cluster; end it and remove its folder if it was started here."""
    ray.shutdown()
    _own_folder.close()


@contextlib.contextmanager
def _signals_left_alone() -> Iterator[None]:
    """Keep Ray from handling SIGTERM and SIGHUP itself, and keep signals from interrupting it while it starts.

    Ray's handler would end this process at once, in the middle of a trial and with an exit code of its own. (Ray's own
    processes keep their handlers.) An exception in the middle of its start leaves threads of its own that
    crash when the process ends, and processes that nobody ends: so the first signal is answered once Ray has started,
    some seconds later. A second one is answered at once.
    """
    register, disabled = ray._private.utils.set_sigterm_handler, ray_constants.RAY_DISABLE_FAILURE_SIGNAL_HANDLER
    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    waiting: list[int] = []

    def answer(number: int, frame: FrameType | None) -> None:
        handler = before[signal.Signals(number)]
        assert callable(handler)
        handler(number, frame)

    def wait(number: int, frame: FrameType | None) -> None:
        waiting.append(number)
        if len(waiting) > 1:
            answer(number, frame)

    ray._private.utils.set_sigterm_handler = lambda handler: None
    ray_constants.RAY_DISABLE_FAILURE_SIGNAL_HANDLER = True
    for number, handler in before.items() if main else ():
        if callable(handler):
            signal.signal(number, wait)
    try:
        yield
    finally:
        ray._private.utils.set_sigterm_handler = register
        ray_constants.RAY_DISABLE_FAILURE_SIGNAL_HANDLER = disabled
        for number, handler in before.items() if main else ():
            # Put back what was there before; a handler that was not installed from Python is None, and stays away.
            if handler is not None:
                signal.signal(number, handler)
    if len(waiting) == 1:
        answer(waiting[0], None)


def _start_local() -> None:
    """Start a Ray of this machine alone. On a machine that is very busy it may be too slow for itself."""
    have = local_resources()
    with _loopback_only(), without_passwords():
        ray.init(
            address="local",
            num_cpus=int(have["CPU"]),
            num_gpus=int(have["GPU"]),
            include_dashboard=False,
            # Without an address Ray asks the network which of the machine's addresses is public.
            _node_ip_address=_LOOPBACK,
            _temp_dir=_own_folder.enter_context(short_folder()),
            **_QUIET,
        )


def _probe(address: str) -> None:
    """Raise `OSError` at once where nothing listens: Ray itself goes on trying for minutes."""
    match = _HOST_AND_PORT.fullmatch(address)
    if match is not None:
        socket.create_connection((match["host"].strip("[]"), int(match["port"])), _ANSWER_SECONDS).close()


@contextlib.contextmanager
def _loopback_only() -> Iterator[None]:
    """Let Ray keep the loopback address that it is given.

    Where clusters of several machines can be made, Ray puts an address of the network in its place, listens on
    every interface, and asks a public address for the way.
    """
    before = getattr(ray_constants, "ENABLE_RAY_CLUSTER", True)
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
