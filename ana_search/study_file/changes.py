"""What differs between the study that was started and the study that its file describes now."""

from pathlib import PurePath
from typing import Any

from ana_search.networks import is_file_name
from ana_search.study_file.parameters import Range
from ana_search.study_file.sections import WEIGHTS_SUFFIXES
from ana_search.study_file.spec import StudySpec

__all__ = ["spec_changes"]

_FILES = {("network", "name"), ("training", "start")}
_FREE = {("study", "trials"), ("study", "storage"), ("study", "logger"), ("study", "export")}


def spec_changes(old: StudySpec, new: StudySpec) -> list[str]:
    """Return one line for each difference that a study cannot take over, with the key and both values.

    Free to change are ``study.trials``, more ``study.seeds`` (what has been run keeps its replicate numbers and the
    new ones follow), the storage that keeps the study, its logger, ``[resources]``, and a numeric range that becomes
    wider. An empty list: the study can go on.
    """
    before, after = old.model_dump(mode="json"), new.model_dump(mode="json")
    changes = []
    for section in ("study", "data", "network", "quantiser", "training"):
        for key in dict.fromkeys([*before[section], *after[section]]):
            was, now = before[section].get(key), after[section].get(key)
            moved = (section, key) in _FILES and _same_file(was, now)
            if was == now or moved or (section, key) in _FREE:
                continue
            change = f"{section}.{key}: was {_worded(was)}, is {_worded(now)}"
            if (section, key) != ("study", "seeds"):
                changes.append(change)
            elif now < was:
                changes.append(f"{change}; allowed: {was} or more")
    was_space, now_space = old.space.parameters, new.space.parameters
    for name in [*was_space, *(name for name in now_space if name not in was_space)]:
        one, other = was_space.get(name), now_space.get(name)
        if one == other or (isinstance(one, Range) and isinstance(other, Range) and other.widens(one)):
            continue
        was, now = before["space"]["parameters"].get(name), after["space"]["parameters"].get(name)
        changes.append(f"space.{name}: was {_worded(was)}, is {_worded(now)}")
    if old.space.exclude != new.space.exclude:
        changes.append(f"space.exclude: was {len(old.space.exclude)} rules, is {len(new.space.exclude)} others")
    return changes


def _same_file(was: str, now: str) -> bool:
    """Return whether two networks are the same function of files of one name, or two files of weights have one name.

    A project may have been moved; whether the files are equal is for the study's fingerprint to say.
    """
    if not all(is_file_name(each) or each.endswith(WEIGHTS_SUFFIXES) for each in (was, now)):
        return False
    return PurePath(was).name == PurePath(now).name


def _worded(value: Any) -> str:
    """Return a value or a parameter as one would write it in a study file."""
    if value is None:
        return "not given"
    if isinstance(value, dict) and "kind" in value:
        if value["kind"] == "fixed":
            return repr(value["value"])
        parts = {key: part for key, part in value.items() if key != "kind" and part not in (None, False)}
        return "{" + ", ".join(f"{key} = {part!r}" for key, part in parts.items()) + "}"
    return repr(value)
