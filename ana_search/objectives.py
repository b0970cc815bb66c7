"""The one table of objectives: what a study may optimise, and what its constraints may limit.

Names, units, directions, labels and columns are read from here by study files, storage, commands, report and dashboard;
`ana_search.hardware` computes the figures that are known before training.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["ACCURACY", "OBJECTIVES", "Constraint", "Objective", "broken", "parse_constraint"]


@dataclass(frozen=True)
class Objective:
    """One objective.

    Attributes:
        name: in study files.
        label: in words, on axes and in tables.
        unit: of a value; empty for a share.
        maximise: whether more is better; else less is.
        attribute: of a stored trial; empty for the accuracy, which is its first value.
        column: of trials.csv.
        digits: decimals that a value is shown with.
        meaning: how it is computed, for the documentation.
        known: whether it is known before a trial is trained.
        exported: whether the file of the untrained network tells it, which takes a second for each network.
    """

    name: str
    label: str
    unit: str
    maximise: bool
    attribute: str
    column: str
    digits: int
    meaning: str
    known: bool = True
    exported: bool = False

    def shown(self, value: float) -> str:
        """Return a value with its unit.

        >>> OBJECTIVES["bytes"].shown(50_000), OBJECTIVES["val_accuracy"].shown(0.95)
        ('50,000 bytes', '0.9500')
        """
        return f"{self.plain(value)} {self.unit}".rstrip()

    def plain(self, value: float) -> str:
        """Return a value without its unit."""
        return f"{value:,.{self.digits}f}"

    def shown_range(self, least: float, most: float) -> str:
        """Return the two ends with their unit, or the value where they are equal.

        >>> OBJECTIVES["bytes"].shown_range(1_200, 4_800)
        '1,200 to 4,800 bytes'
        """
        return self.shown(most) if least == most else f"{self.plain(least)} to {self.shown(most)}"


ACCURACY = "val_accuracy"
"""The objective that every study has, the first one."""

OBJECTIVES: Mapping[str, Objective] = {
    one.name: one
    for one in (
        Objective(
            ACCURACY, "validation accuracy", "", True, "", "value", 4,
            "the share of the validation images that the trained network classifies rightly", known=False,
        ),
        Objective(
            "weight_bits", "mean weight bits", "bits", False, "weight_bits", "mean_weight_bits", 3,
            "the mean bits of a quantised weight; a ternary one takes 2",
        ),
        Objective(
            "bytes", "weights", "bytes", False, "bytes", "bytes", 0,
            "the bytes of all weights: quantised ones packed in the narrowest of 2, 4 and 8 bits that holds every "
            "level of their layer; weights and biases of the maps that stay in floating point take 4 bytes each",
        ),
        Objective(
            "operations", "operations", "bit operations", False, "operations", "operations", 0,
            "bit operations (BOPs) for one example: multiply-adds x bits of the weight x bits of what it is multiplied "
            "with, over all maps; floating point counts as 32 bits",
        ),
        Objective(
            "latency", "latency", "ms", False, "latency_ms", "latency_ms", 4,
            "milliseconds an example: the median of repeated runs of the untrained network's ONNX file in onnxruntime, "
            "one thread, on the machine that the launch runs on",
            exported=True,
        ),
        Objective(
            "ram", "RAM", "bytes", False, "ram_bytes", "ram_bytes", 0,
            "bytes of RAM that the values of the `c` file take, its arena planned by lifetime; a program's stack comes "
            "on top",
            exported=True,
        ),
        Objective(
            "flash", "flash", "bytes", False, "flash_bytes", "flash_bytes", 0,
            "bytes of constants in the `c` file of the untrained network: packed weights, thresholds, integer head; "
            "the code comes on top",
            exported=True,
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Constraint:
    """An upper or lower bound of an objective, as ``[study] constraints`` gives it."""

    objective: str
    upper: bool
    bound: float

    def __str__(self) -> str:
        bound = f"{self.bound:.0f}" if self.bound == round(self.bound) and self.bound < 1e15 else f"{self.bound:g}"
        return f"{self.objective} {'<=' if self.upper else '>='} {bound}"

    def violation(self, value: float) -> float:
        """Return by how much of the bound a value misses it: above 0 where it does, else 0 or below.

        It is relative to the bound, so that samplers, which add up what the constraints of a trial miss, can compare
        bytes with operations.

        >>> Constraint("bytes", True, 100).violation(150), Constraint("val_accuracy", False, 0.5).violation(0.5)
        (0.5, 0.0)
        """
        distance = value - self.bound if self.upper else self.bound - value
        return distance / abs(self.bound) if self.bound else distance

    def told(self, value: float) -> str:
        """Return what a value that misses the bound is told as: ``bytes = 61,234, allowed: bytes <= 50000``."""
        digits = OBJECTIVES[self.objective].digits
        return f"{self.objective} = {value:,.{digits}f}, allowed: {self}"


_FORM = re.compile(r"\s*(?P<name>\w+)\s*(?P<sign><=|>=)\s*(?P<bound>[-+.\w]+)\s*")


def parse_constraint(text: object) -> Constraint:
    """Return the constraint that a text like ``"bytes <= 50_000"`` gives. Raises `ValueError` with what is allowed.

    >>> parse_constraint("operations <= 2e9")
    Constraint(objective='operations', upper=True, bound=2000000000.0)
    """
    names = ", ".join(OBJECTIVES)
    rule = f"a text like 'bytes <= 50_000': one of {names}, then <= or >=, then a number"
    found = _FORM.fullmatch(text) if isinstance(text, str) else None
    if found is None or found["name"] not in OBJECTIVES:
        raise ValueError(rule)
    try:
        bound = float(found["bound"])
    except ValueError:
        raise ValueError(rule) from None
    if not math.isfinite(bound) or bound < 0:
        raise ValueError(f"{rule} of 0 or more")
    if found["name"] == ACCURACY and bound > 1:
        raise ValueError(f"{rule}; an accuracy is a share, from 0 to 1")
    return Constraint(found["name"], found["sign"] == "<=", bound)


def broken(constraints: Sequence[Constraint], values: Mapping[str, float]) -> list[str]:
    """Return, one text each, the constraints that the values break; what is not known yet breaks none."""
    return [
        one.told(values[one.objective])
        for one in constraints
        if one.objective in values and one.violation(values[one.objective]) > 0
    ]
