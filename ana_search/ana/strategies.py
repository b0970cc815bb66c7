"""The forward strategies by name, and what can be asked of them."""

from typing import Literal

from torch import Tensor

__all__ = ["STRATEGIES", "Strategy", "check_request"]

Strategy = Literal["expectation", "mode", "random"]
STRATEGIES: tuple[Strategy, ...] = ("expectation", "mode", "random")
"""The mean of the noisy stair, its most probable level, or the level of one sample of noise."""


def check_request(x: Tensor, strategy: str) -> None:
    """Refuse an unknown strategy (``ValueError``) and arguments that are not floating-point (``TypeError``)."""
    if strategy not in STRATEGIES:
        raise ValueError(f"`strategy` must be one of {', '.join(STRATEGIES)}, but got {strategy!r}")
    if not x.is_floating_point():
        raise TypeError(f"`x` must be floating-point, but its dtype is {x.dtype}")
