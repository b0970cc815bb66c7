"""Judging and showing a single value of a study file."""

import math

__all__ = ["is_number", "shorten"]


def is_number(value: object, low: float, high: float, *, open_low: bool = False, integer: bool = False) -> bool:
    """Return whether ``value`` is a finite number within bounds; a whole one may have any number of digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if integer and not isinstance(value, int):
        return False
    above = low < value if open_low else low <= value
    if not above or not value <= high:
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond every float, where there is no upper bound
        return False


def shorten(value: object, limit: int = 60) -> str:
    """Return ``repr(value)``, cut so that no message drowns in it."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # Python writes no number of more than 4,300 digits in decimals
        text = f"a number of {value.bit_length():,} bits" if isinstance(value, int) else f"a {type(value).__name__}"
        if not isinstance(value, int) and isinstance(value, list | dict):
            text += " that holds a number too long to write"
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
