"""How mistakes of a study file are worded: the key, the value met, what is allowed."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from ana_search.study_file.values import shorten

__all__ = ["describe", "did_you_mean", "shorten_text", "unknown_key"]

_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text in quotes",
    "list": "an array",
    "tuple": "an array",
    "dict": "a table",
    "model": "a table",
    "model_attributes": "a table",
}
_LONGEST_KEY = 64
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def unknown_key(key: str, name: str, allowed: Iterable[str]) -> str:
    """Return the message for a key (or table) that does not exist, with the closest one that does."""
    names = list(allowed)
    shown = shorten_text(key)
    return f"{shown}: unknown key{did_you_mean(name, names)}; allowed: {', '.join(names)}"


def shorten_text(text: str, limit: int = 200) -> str:
    """Return ``text``, cut so that no message drowns in it."""
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """Return a question after the closest allowed name, or nothing where none is close."""
    close = difflib.get_close_matches(name, list(allowed), n=1) if len(name) <= _LONGEST_KEY else []
    return f" (did you mean {close[0]!r}?)" if close else ""


def describe(section: str, errors: Sequence[ErrorDetails], allowed: Iterable[str]) -> list[str]:
    """Return one message for each wrong key of ``section``."""
    messages: dict[str, list[str]] = {}
    values: dict[str, object] = {}
    names = list(allowed)
    unknown = []
    for error in errors:
        if error["type"] == "extra_forbidden":
            name = str(error["loc"][-1])
            unknown.append(unknown_key(f"{section}.{name}", name, names))
            continue
        entry = "".join(f"[{part}]" for part in error["loc"][1:2] if isinstance(part, int))
        key = ".".join([section, *(str(part) for part in error["loc"][:1])]) + entry
        values[key] = "..." if error["type"] == "secret" else error["input"]
        messages.setdefault(key, []).append(_allowed(error["type"], error.get("ctx", {}), error["msg"]))
    listed = []
    for key, phrases in messages.items():
        if phrases == ["missing"]:
            listed.append(f"{key}: missing; every study file gives it")
        else:
            rule = " or ".join(dict.fromkeys(phrases))
            listed.append(f"{key}: got {shorten(values[key])}; allowed: {rule}")
    return listed + unknown


def _allowed(kind: str, context: Mapping[str, Any], message: str) -> str:
    """Return what pydantic's error says is allowed, in words."""
    if kind == "missing":
        return "missing"
    if kind == "literal_error":
        return str(context["expected"]).replace("'", "").replace(" or ", ", ")
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"{words} {context[name]:g}"
    if kind == "finite_number":
        return "a finite number"
    if kind == "int_from_float":
        return "a whole number"
    if kind == "none_required":
        return "nothing"
    base = kind.removesuffix("_type").removesuffix("_parsing")
    if base in _TYPES:
        return _TYPES[base]
    return message
