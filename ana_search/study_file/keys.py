"""The keys of ``[space]``: what each may be, its default, and whether every layer may have its own."""

import math
from dataclasses import dataclass

from ana_search.ana import NOISE_FAMILIES, SCHEDULES
from ana_search.ana.synchronise import INTERVALS, POWER_LAWS
from ana_search.study_file.parameters import Value

__all__ = ["SPACE_KEYS", "SpaceKey"]


@dataclass(frozen=True)
class SpaceKey:
    """What one key of ``[space]`` may hold.

    ``words`` are the names allowed, ``low`` and ``high`` the bounds of a number (``None``: no number is
    allowed, an infinite bound is none; ``open_low`` excludes ``low`` itself). ``per_layer`` says whether the
    key may have layer scope. ``default`` is used where a file does not name the key; ``None`` stands for
    the value of the section ``section``, which the key overrides.
    """

    default: Value | None
    words: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    open_low: bool = False
    integer: bool = False
    per_layer: bool = False
    section: str = "space"

    @property
    def numeric(self) -> bool:
        """Whether numbers are allowed."""
        return self.low is not None

    def problem(self, value: object) -> str | None:
        """Return ``None`` for an allowed value, otherwise the value met and what is allowed."""
        if isinstance(value, str) and value in self.words:
            return None
        if self._is_number(value):
            return None
        return f"got {shorten(value)}; allowed: {self.allowed()}"

    def _is_number(self, value: object) -> bool:
        if self.low is None or self.high is None or isinstance(value, bool):
            return False
        if not isinstance(value, int) and (self.integer or not isinstance(value, float)):
            return False
        above = self.low < value if self.open_low else self.low <= value
        return above and value <= self.high and math.isfinite(value)

    def allowed(self) -> str:
        """Return what is allowed, in words."""
        names = ", ".join(self.words)
        if self.low is None or self.high is None:
            return names
        kind = "a whole number" if self.integer else "a number"
        bounds = f" above {self.low:g}" if self.open_low else f" from {self.low:g}"
        bounds += "" if math.isinf(self.high) else f" to {self.high:g}"
        return f"{names} or {kind}{bounds}" if names else f"{kind}{bounds}"

    def normal(self, value: Value) -> Value:
        """Return an allowed value in the type that plans use: a real number is always a float."""
        return float(value) if isinstance(value, int) and not self.integer else value


def shorten(value: object, limit: int = 60) -> str:
    """Return ``repr(value)``, cut so that no message drowns in it."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


_FAMILIES = tuple(NOISE_FAMILIES)
_INTERVALS = tuple(INTERVALS)

SPACE_KEYS: dict[str, SpaceKey] = {
    "noise": SpaceKey("uniform", words=_FAMILIES, per_layer=True),
    "strategy": SpaceKey("expectation", words=("expectation", "mode", "random"), per_layer=True),
    "mean": SpaceKey("static", words=("static", "dynamic"), low=-10.0, high=10.0, per_layer=True),
    "variance": SpaceKey("dynamic", words=("static", "dynamic"), per_layer=True),
    "spread": SpaceKey(0.5, low=0.0, high=10.0, per_layer=True),
    "shape": SpaceKey("power", words=tuple(SCHEDULES), per_layer=True),
    "interval": SpaceKey("overlapped", words=_INTERVALS),
    "power_law": SpaceKey("homogeneous", words=tuple(POWER_LAWS)),
    "alpha": SpaceKey(1.0, low=0.0, high=100.0, open_low=True, per_layer=True),
    "offset": SpaceKey(0.0, low=-1.0, high=1.0, per_layer=True),
    "activation_offset": SpaceKey(0.0, low=-1.0, high=1.0, per_layer=True),
    "method": SpaceKey("noise", words=("noise", "freezing")),
    "width": SpaceKey("interval", words=("interval", "deviation")),
    "backward": SpaceKey("same", words=("same", "static", "annealed"), per_layer=True),
    "backward_noise": SpaceKey("uniform", words=_FAMILIES, per_layer=True),
    "backward_spread": SpaceKey(0.5, low=0.0, high=10.0, open_low=True, per_layer=True),
    "backward_interval": SpaceKey("overlapped", words=_INTERVALS),
    "backward_alpha": SpaceKey(1.0, low=0.0, high=100.0, open_low=True, per_layer=True),
    "weight_bits": SpaceKey(None, words=("ternary",), low=1, high=8, integer=True, per_layer=True, section="quantiser"),
    "activation_bits": SpaceKey(
        None, words=("ternary",), low=1, high=8, integer=True, per_layer=True, section="quantiser"
    ),
    "epochs": SpaceKey(None, low=1, high=1_000_000, integer=True, section="training"),
    "anneal": SpaceKey(None, low=0.0, high=1.0, open_low=True, section="training"),
    "batch_size": SpaceKey(None, low=1, high=1_000_000, integer=True, section="training"),
    "learning_rate": SpaceKey(None, low=0.0, high=1000.0, open_low=True, section="training"),
    "weight_decay": SpaceKey(None, low=0.0, high=1000.0, section="training"),
    "lr_drop": SpaceKey(None, low=0.0, high=1.0, section="training"),
    "optimiser": SpaceKey(None, words=("adam", "adamw", "sgd"), section="training"),
}
