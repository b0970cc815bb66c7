"""What is known of the space that trials were drawn from: scales, bounds, conditions and the sampler.

A study says it all; a plain table may name it (``attribute(..., ranges=..., conditions=..., sampler=...)``). What
nobody says is guessed from the sample.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import stats

from ana_search.errors import FrameError

__all__ = ["EVEN_SAMPLERS", "PICK_FREEZE", "KnownSpace", "Scale", "guess_scale", "read_known_space"]

Floats = npt.NDArray[np.float64]

PICK_FREEZE = "pick_freeze"
EVEN_SAMPLERS = ("random", "qmc", "grid", PICK_FREEZE)
"""Samplers whose draws do not depend on the outcomes; every other one prefers levels that did well."""

SCALES = ("linear", "log")
LARGEST_LINEAR_SPAN = 30
"""Where both scales fit a sample equally badly, one that spans a larger factor is taken as logarithmic."""


@dataclass(frozen=True)
class Scale:
    """How a number was drawn: evenly from ``low`` to ``high``, or evenly in its logarithm.

    ``step`` is the distance between the values of a stepped range (None: every number between). A stepped range has a
    cell of equal probability for each value; of a logarithmic one the cell is from half a step below to half a step
    above, as Optuna draws it.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def cells(self, numbers: Floats) -> tuple[Floats, Floats]:
        """Return the lower and the upper end of the part of [0, 1] whose draw gives each number."""
        half = (self.step or 0.0) / 2
        low, high = self.low - half, self.high + half
        if self.step is not None and not self.log:  # the last value may lie below `high`
            high = self.low + self.step * np.floor((self.high - self.low) / self.step + 1e-9) + half
        ends = [np.clip(numbers - half, low, high), np.clip(numbers + half, low, high)]
        if self.log:
            low, high, ends = np.log(low), np.log(high), [np.log(end) for end in ends]
        lower, upper = ((end - low) / (high - low) for end in ends)
        return lower, upper

    def position(self, numbers: Floats) -> Floats:
        """Return where the numbers lie in [-1, 1]: a uniform draw is uniform there."""
        lower, upper = self.cells(numbers)
        return np.asarray(lower + upper - 1.0)

    def quantiles(self, parts: Sequence[float]) -> Floats:
        """Return the numbers below which these parts of the draws lie."""
        if self.log:
            return np.asarray(self.low * (self.high / self.low) ** np.asarray(parts, dtype=float))
        return np.asarray(self.low + (self.high - self.low) * np.asarray(parts, dtype=float))


@dataclass(frozen=True)
class KnownSpace:
    """Scales and conditions by column, and the sampler, as far as they are known.

    ``conditions[column]`` holds pairs of another column and the values for which ``column`` exists; one that holds is
    enough.
    """

    scales: Mapping[str, Scale] = field(default_factory=dict)
    conditions: Mapping[str, tuple[tuple[str, tuple[object, ...]], ...]] = field(default_factory=dict)
    sampler: str | None = None

    @property
    def adaptive(self) -> bool:
        """Whether the sampler is known to prefer levels that did well."""
        return self.sampler is not None and self.sampler not in EVEN_SAMPLERS


def read_known_space(
    columns: Collection[str],
    ranges: Mapping[str, Sequence[object]] | None,
    conditions: Mapping[str, Sequence[object]] | None,
    sampler: str | None,
) -> KnownSpace:
    """Return the space that a caller names, or raise `FrameError` with everything that is wrong with it.

    `ranges` maps a column to ``("log" | "linear", low, high)``, or with a step as fourth entry. `conditions` maps one
    to ``(other column, [values])``, or to a list of such pairs of which one must hold.
    """
    mistakes: list[str] = []
    scales = {str(name): _scale(str(name), given, columns, mistakes) for name, given in (ranges or {}).items()}
    found = {str(name): _condition(str(name), given, columns, mistakes) for name, given in (conditions or {}).items()}
    mistakes += _circles(found)
    if sampler is not None and not isinstance(sampler, str):
        mistakes.append(f"sampler: the name of a sampler is needed, got {sampler!r}")
    if mistakes:
        raise FrameError("; ".join(mistakes))
    return KnownSpace({n: s for n, s in scales.items() if s is not None}, found, sampler and sampler.lower())


def _scale(name: str, given: object, columns: Collection[str], mistakes: list[str]) -> Scale | None:
    wanted = '("log" or "linear", low, high) or ("log" or "linear", low, high, step)'
    if name not in columns:
        mistakes.append(f"ranges: column {name!r} is not in the table")
        return None
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) not in (3, 4) or given[0] not in SCALES:
        mistakes.append(f"ranges[{name!r}]: got {given!r}; allowed: {wanted}")
        return None
    numbers = [one for one in given[1:] if one is not None]
    if not all(isinstance(one, int | float | np.number) and np.isfinite(one) for one in numbers) or len(numbers) < 2:
        mistakes.append(f"ranges[{name!r}]: got {given!r}; allowed: {wanted}, the bounds finite numbers")
        return None
    low, high, *rest = (float(one) for one in numbers)
    step, log = (rest[0] if rest else None), given[0] == "log"
    if not low < high or (log and low <= 0) or (step is not None and not 0 < step <= high - low):
        rule = "0 < low < high" if log else "low < high"
        mistakes.append(f"ranges[{name!r}]: got {given!r}; allowed: {rule}, and a step above 0 and up to high - low")
        return None
    return Scale(low, high, log, step)


def _condition(
    name: str, given: object, columns: Collection[str], mistakes: list[str]
) -> tuple[tuple[str, tuple[object, ...]], ...]:
    wanted = "(other column, [values]), or a list of such pairs"
    pairs = [given] if isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], str) else given
    if name not in columns:
        mistakes.append(f"conditions: column {name!r} is not in the table")
        return ()
    if isinstance(pairs, str) or not isinstance(pairs, Sequence) or not pairs:
        mistakes.append(f"conditions[{name!r}]: got {given!r}; allowed: {wanted}")
        return ()
    found = []
    for pair in pairs:
        sound = isinstance(pair, Sequence) and not isinstance(pair, str) and len(pair) == 2
        if not sound or not isinstance(pair[0], str) or isinstance(pair[1], str) or not isinstance(pair[1], Collection):
            mistakes.append(f"conditions[{name!r}]: got {pair!r}; allowed: {wanted}")
        elif pair[0] not in columns:
            mistakes.append(f"conditions[{name!r}]: column {pair[0]!r} is not in the table")
        else:
            found.append((pair[0], tuple(pair[1])))
    return tuple(found)


def _circles(conditions: Mapping[str, tuple[tuple[str, tuple[object, ...]], ...]]) -> list[str]:
    """Name every column that would exist only if it existed."""

    def above(name: str, seen: frozenset[str]) -> bool:
        return any(
            parent in seen or above(parent, seen | {parent}) for parent, _ in conditions.get(name, ()) if parent != ""
        )

    return [f"conditions[{name!r}]: depends on itself" for name in conditions if above(name, frozenset({name}))]


def guess_scale(numbers: Floats) -> Scale:
    """Return the scale that the numbers look drawn on: the one whose even draw they fit better."""
    low, high = float(numbers.min()), float(numbers.max())
    linear = Scale(low, high)
    if low <= 0:
        return linear
    log = Scale(low, high, log=True)
    distinct = np.unique(numbers)
    shown = distinct if len(distinct) <= 0.25 * len(numbers) else numbers
    fits = [float(stats.kstest((scale.position(shown) + 1) / 2, "uniform").pvalue) for scale in (linear, log)]
    if max(fits) < 1e-12:
        return log if high / low > LARGEST_LINEAR_SPAN else linear
    return log if fits[1] > fits[0] else linear
