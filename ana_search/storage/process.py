"""Telling processes and machines apart without clocks, which may be set, and host names, which may be used twice."""

import os
import socket
import time
from pathlib import Path

import psutil

__all__ = ["machine", "seconds_since_boot", "start_of"]


def machine() -> str:
    """Return a text that two processes share only if each can look up the other by its process number.

    That is one start of one kernel and, in it, one namespace of process numbers: two containers with one host name
    differ, and so does one machine before and after a restart.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # not Linux: there is one namespace, and the host's name has to do
        return socket.gethostname()


def start_of(pid: int) -> str | None:
    """Return when a process of this machine started, or ``None`` if there is none, or nothing but its exit code.

    On Linux it is counted in ticks since the machine started, which setting the clock does not change. Together
    with the number it tells a process from a later one that was given the same number.
    """
    try:
        # The name of the program, in parentheses, may itself hold blanks and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self/stat").exists():
            return None
    try:
        return str(round(psutil.Process(pid).create_time()))
    except psutil.NoSuchProcess:
        return None


def seconds_since_boot() -> float:
    """Return a clock that is never set and goes on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
