"""The four ways in which a study file gives a value: fixed, fixed for each layer, a choice, or a range."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Discriminator, StrictFloat, StrictInt, StrictStr

__all__ = ["Choice", "Fixed", "Parameter", "PerLayer", "Range", "Scope", "Toml", "Value"]

Value = StrictInt | StrictFloat | StrictStr
Scope = Literal["network", "layer"]
Toml = dict[str, Any]
"""A table as the TOML reader gives it: the edge beyond which everything has a type."""


@dataclass(frozen=True)
class Fixed:
    """One value for the whole network: ``key = value``."""

    value: Value
    kind: Literal["fixed"] = "fixed"


@dataclass(frozen=True)
class PerLayer:
    """One fixed value for each layer, from the input on: ``key = {layers = [...]}``."""

    values: tuple[Value, ...]
    kind: Literal["per_layer"] = "per_layer"


@dataclass(frozen=True)
class Choice:
    """One of several values: ``key = [...]`` or ``key = {choices = [...], scope = "layer"}``."""

    choices: tuple[Value, ...]
    scope: Scope = "network"
    kind: Literal["choice"] = "choice"


@dataclass(frozen=True)
class Range:
    """A number from ``low`` to ``high``, both included: ``key = {low, high, step | log, scope}``.

    ``integer`` ranges without a step have step 1. With ``log`` the logarithm is sampled uniformly.
    """

    low: int | float
    high: int | float
    step: int | float | None = None
    log: bool = False
    integer: bool = False
    scope: Scope = "network"
    kind: Literal["range"] = "range"

    def widens(self, other: "Range") -> bool:
        """Return whether this range holds every value of ``other`` and is sampled in the same manner."""
        manner = (self.step, self.log, self.integer, self.scope)
        if manner != (other.step, other.log, other.integer, other.scope):
            return False
        if self.low > other.low or self.high < other.high:
            return False
        return self.step is None or is_multiple(other.low - self.low, self.step)


Parameter = Annotated[Fixed | PerLayer | Choice | Range, Discriminator("kind")]


def is_multiple(length: float, step: float) -> bool:
    """Return whether ``length`` is a whole number of steps, but for the rounding of decimal fractions."""
    return abs(length / step - round(length / step)) < 1e-9
