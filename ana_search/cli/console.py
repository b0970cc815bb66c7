"""Consoles, and how durations, numbers and JSON are written."""

import json
import math
import os
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from rich.console import Console

__all__ = ["console_for", "finite", "format_duration", "format_value", "print_json"]

_COLUMNS = 80  # of something that is not a terminal, such as a log, unless $COLUMNS says otherwise
_NARROWEST = 40


def console_for(stream: TextIO) -> Console:
    """Return a console on ``stream``: colours and the window's width on a terminal, plain text elsewhere."""
    terminal = stream.isatty()
    named = os.environ.get("COLUMNS", "")
    width = max(_NARROWEST, int(named)) if named.isdecimal() and len(named) < 6 else _COLUMNS
    return Console(
        file=stream,
        width=None if terminal else width,
        no_color=None if terminal else True,
        force_terminal=None if terminal else False,
        highlight=False,
        markup=False,
        emoji=False,
    )


def format_duration(seconds: float | None) -> str:
    """Return ``h:mm:ss`` (or ``m:ss``, or days and hours); a dash for nothing or an unknown duration.

    >>> format_duration(75), format_duration(3_700), format_duration(200_000), format_duration(None)
    ('1:15', '1:01:40', '2 d 7 h', '-')
    """
    if seconds is None or not math.isfinite(seconds):
        return "-"
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def format_value(value: object) -> str:
    """Return a number with four decimals, a list joined by commas, a mapping as ``a=1, b=2``, else the text.

    >>> format_value(0.95412345), format_value([0.9, 1280]), format_value(None), format_value({"a": 3e-5})
    ('0.9541', '0.9000, 1280', '-', 'a=3e-05')
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={format_value(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(format_value(item) for item in value)
    if not isinstance(value, float):
        return str(value)
    if not math.isfinite(value):
        return "-"
    return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) < 10_000 else f"{value:.4g}"


def print_json(data: object, stream: TextIO | None = None) -> None:
    """Print ``data`` as indented JSON; numbers that JSON cannot hold become ``null``."""
    out = stream or sys.stdout
    out.write(json.dumps(finite(data), indent=2, ensure_ascii=False, allow_nan=False, default=str) + "\n")


def finite(data: Any) -> Any:
    """Return ``data`` with plain numbers (also those of NumPy); not finite ones become ``None``."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {str(key): finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [finite(value) for value in data]
    if hasattr(data, "item") and not isinstance(data, str):  # a NumPy scalar
        return finite(data.item())
    return data
