"""Standard streams that may be lost: a reader that has gone, a full disk, a descriptor that was closed."""

import os
import sys
from contextlib import suppress
from typing import Any, TextIO

__all__ = ["Lossy", "finish_streams", "open_streams", "say"]

_LOST = (OSError, ValueError)  # ValueError: the file is closed


class Lossy:
    """A text stream that drops what cannot be written, for messages that are worth less than the work they tell of.

    What is written later is tried again: a disk may have room by then. ``None`` drops everything.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text or drop it."""
        with suppress(*_LOST):
            if self._stream is not None:
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Hand over what was written, if that can be done."""
        with suppress(*_LOST):
            if self._stream is not None:
                self._stream.flush()

    def isatty(self) -> bool:
        """Return whether somebody sits before it."""
        try:
            return self._stream is not None and self._stream.isatty()
        except ValueError:
            return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a line on ``stream`` (default: stderr); a stream that is lost costs the line and nothing else."""
    lossy = Lossy(sys.stderr if stream is None else stream)
    lossy.write(f"{text}\n")
    lossy.flush()


def open_streams() -> None:
    """Put the null device in the place of standard streams that the caller has closed (``2>&-``).

    Otherwise the next file that is opened, a database perhaps, gets the descriptor of a stream, and messages of a
    library written in C are written into it.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor, which is the one that was closed
    for descriptor, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))


def finish_streams() -> str | None:
    """Hand over what is still to be written; return why stdout could not be, or ``None``.

    A stream that is lost is replaced by the null device: Python would write to it once more when it ends, and then
    turn any exit code into 120.
    """
    problem = None
    for stream in (sys.stderr, sys.stdout):
        try:
            stream.flush()
        except _LOST as error:
            problem = str(error) if stream is sys.stdout else problem
            with suppress(*_LOST):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, stream.fileno())
                os.close(null)
                stream.flush()
    return problem
