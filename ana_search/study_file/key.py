"""What one key of ``[space]`` is: what it may hold, what it sets, and when it exists."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ana_search.study_file.parameters import Value
from ana_search.study_file.values import is_number, shorten

__all__ = ["GROUPS", "Condition", "Group", "Key", "Section"]

Group = Literal["synchronisation", "shape", "schedule", "strategy", "quantiser", "training"]
Section = Literal["space", "quantiser", "data", "training"]

GROUPS: tuple[Group, ...] = get_args(Group)
"""The groups that the analysis shares the variance among, in the order in which it lists them."""


@dataclass(frozen=True)
class Condition:
    """A parameter exists in a layer only where another key's value there ``holds``; ``words`` say which value."""

    key: str
    holds: Callable[[Any], bool]
    words: str


@dataclass(frozen=True)
class Key:
    """What one key of ``[space]`` may hold, and what becomes of it.

    ``group`` is the analysis's. ``sets`` names the fields of the plan that depend on it: those of a `LayerSchedule`
    (and, for bits, of a `LayerPlan`) where ``section`` is ``"space"`` or ``"quantiser"``, else of `DataPlan` or
    `TrainingSettings`. ``words`` are the names allowed, of which several may be joined by ``+`` where ``joined``;
    ``low`` and ``high`` the bounds of a number (``None``: no number is allowed, an infinite bound is none; ``open_low``
    excludes ``low`` itself). ``per_layer`` says whether the key may have layer
    scope. ``default`` is used where a file does not name the key; ``None`` stands for the value of the section
    ``section``, which the key overrides. ``exists`` says in which trials and layers there is such a parameter at all;
    where there is none, the default stands. ``acts`` says what the forward noise must be like for the key to have an
    effect: there at all (``"noisy"``), or such that its mean or spread decays (``"annealed"``).
    """

    group: Group
    meaning: str
    sets: tuple[str, ...]
    default: Value | None = None
    words: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    open_low: bool = False
    integer: bool = False
    per_layer: bool = False
    joined: bool = False
    section: Section = "space"
    exists: Condition | None = None
    acts: Literal["always", "noisy", "annealed"] = "always"

    def __post_init__(self) -> None:
        if self.group not in GROUPS:
            raise ValueError(f"group {self.group!r}; allowed: {', '.join(GROUPS)}")

    @property
    def numeric(self) -> bool:
        """Whether numbers are allowed."""
        return self.low is not None

    def problem(self, value: object) -> str | None:
        """Return ``None`` for an allowed value, otherwise the value met and what is allowed."""
        if isinstance(value, str) and self._is_word(value):
            return None
        if self._is_number(value):
            return None
        return f"got {shorten(value)}; allowed: {self.allowed()}"

    def _is_word(self, value: str) -> bool:
        """Return whether the value is one of the words, or several of them, each once and in the table's order."""
        if value in self.words or not self.joined:
            return value in self.words
        parts = value.split("+")
        ordered = sorted(set(parts) & set(self.words[1:]), key=self.words.index)
        return ordered == parts

    def _is_number(self, value: object) -> bool:
        if self.low is None or self.high is None:
            return False
        return is_number(value, self.low, self.high, open_low=self.open_low, integer=self.integer)

    def allowed(self) -> str:
        """Return what is allowed, in words."""
        names = ", ".join(self.words)
        if self.joined:
            names = f"{self.words[0]}, or one or more of {', '.join(self.words[1:])} joined by + in this order"
        if self.low is None or self.high is None:
            return names
        kind = "a whole number" if self.integer else "a number"
        bounds = f" above {self.low:g}" if self.open_low else f" from {self.low:g}"
        bounds += "" if math.isinf(self.high) else f" to {self.high:g}"
        return f"{names} or {kind}{bounds}" if names else f"{kind}{bounds}"

    def normal(self, value: Value) -> Value:
        """Return an allowed value in the type that plans use: a real number is always a float."""
        return float(value) if isinstance(value, int) and not self.integer else value
