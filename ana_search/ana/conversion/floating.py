"""What a quantised network computes in floating point, named for whoever asks."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from torch import fx, nn

__all__ = ["FloatPart", "FloatPartWarning", "float_parts", "remember", "warn"]

_KEY = "ana_search_float_parts"
_SHOWN = 8


class FloatPartWarning(UserWarning):
    """A part of a quantised network stays in floating point although nobody asked for it."""


@dataclass(frozen=True)
class FloatPart:
    """One part of a network that stays in floating point.

    ``name`` is the module's name, or that of the module which calls the function; ``kind`` is the class or function;
    ``asked`` tells whether an argument of `quantise` says so.
    """

    name: str
    kind: str
    reason: str
    asked: bool = False

    def __str__(self) -> str:
        return f"{self.name or 'the network'} ({self.kind}): {self.reason}"


def float_parts(network: nn.Module) -> tuple[FloatPart, ...]:
    """Return what `quantise` left in floating point in ``network``, in order of execution."""
    kept = network.meta if isinstance(network, fx.GraphModule) else network.__dict__
    found: tuple[FloatPart, ...] = kept.get(_KEY, ())
    return found


def remember(network: nn.Module, parts: Sequence[FloatPart]) -> None:
    """Keep the parts with the network; copies of it have them too."""
    kept = network.meta if isinstance(network, fx.GraphModule) else network.__dict__
    kept[_KEY] = tuple(parts)


def warn(parts: Sequence[FloatPart], stacklevel: int) -> None:
    """Warn of all parts that nobody asked for, in one message."""
    unasked = [str(part) for part in parts if not part.asked]
    if unasked:
        more = f"; and {len(unasked) - _SHOWN} more" if len(unasked) > _SHOWN else ""
        warnings.warn(
            f"some parts stay in floating point: {'; '.join(unasked[:_SHOWN])}{more}",
            FloatPartWarning,
            stacklevel=stacklevel + 1,
        )
