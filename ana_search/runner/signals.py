"""What Ctrl-C, SIGTERM and SIGHUP do to a launch."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol

__all__ = ["Stoppable", "Stopper", "handled_by"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stoppable(Protocol):
    """What is asked to stop; called from a signal handler."""

    def stop(self) -> None:
        """Start nothing more, and end soon."""
        ...

    def is_drained(self) -> bool:
        """Return whether the time that running trials have to stop in is over."""
        ...


class Stopper:
    """Answers the signals that ask a launch to stop.

    The first one lets the running trials finish the epoch that they are in, the second one ends everything at once
    by a `KeyboardInterrupt`; so does the first while the launch is still starting. Further ones change nothing: all
    that is still done then is to record what was interrupted.

    Args:
        notice: told in one line what was asked for.
    """

    def __init__(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._running: Stoppable | None = None
        self._signals = 0
        self._ended = False

    def watch(self, running: Stoppable) -> None:
        """Ask this to stop from now on; at once if a signal came before."""
        self._running = running
        if self._signals:
            running.stop()

    def end(self) -> None:
        """Say that the launch ends at once: nothing is to be waited for any more."""
        self._ended = True

    def is_asked(self) -> bool:
        """Return whether a signal has come."""
        return self._signals > 0

    def is_over(self) -> bool:
        """Return whether nothing is to be waited for any more."""
        return self._ended or (self._running is not None and self._running.is_drained())

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        self._signals += 1
        if self._ended:
            return
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        if self._running is None or self._signals > 1:
            self._ended = True
            raise KeyboardInterrupt(name)
        self._running.stop()
        self._notice(f"{name}: stopping after the epochs that are running; again to stop at once")


@contextmanager
def handled_by(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """Let ``handler`` have SIGINT, SIGTERM and SIGHUP while the block runs; only the main thread may.

    One that is ignored (SIGHUP under ``nohup``, SIGINT of a command in the background) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    wanted = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in wanted}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
