"""The scale with which a stair represents given numbers best."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ana_search.ana.quantiser import Quantiser
from ana_search.ana.scale import Scale
from ana_search.ana.stairs import StairFunction

__all__ = ["Replaced", "fit_activation_scale", "fit_weight_scale"]

_LEAST, _MOST = 0.02, 1.6
_COARSE, _FINE = 24, 9


def fit_weight_scale(quantiser: Quantiser, weight: Tensor, importance: Tensor | None = None) -> None:
    """Give a weight quantiser's scale ``s`` the least ``sum(importance * (w - s * stair(w / s))**2)``.

    That is a sum over each output channel where each has a scale, else over all weights. A quantiser without a scale is
    left as it is.

    Args:
        quantiser: of the weights.
        weight: [outputs, inputs of an output].
        importance: of every weight, broadcast to it.
    """
    scale, stair = quantiser.scale, quantiser.stair
    if scale is None:
        return

    def error(value: Tensor) -> Tensor:
        factor = value.unsqueeze(1) if value.dim() else value
        errors = (weight - factor * stair(weight / factor)).square()
        errors = errors if importance is None else errors * importance
        return errors.sum(dim=1) if value.dim() else errors.sum()

    largest = weight.abs().amax(dim=1) if scale.latent.dim() else weight.abs().amax()
    _search(scale, largest / _reach(stair), error)


@dataclass(frozen=True)
class Replaced:
    """What an activation function made of some numbers, and the stair that takes its place.

    Both are [values]; a function that clips gives other values than it reads.
    """

    inputs: Tensor
    outputs: Tensor
    stair: StairFunction


def fit_activation_scale(scale: Scale, replaced: Sequence[Replaced]) -> None:
    """Give a scale ``s`` of activations the least mean of ``(f(x) - s * stair(x / s))**2``, summed over ``replaced``.

    Args:
        scale: the scale.
        replaced: the functions ``f`` in whose places the stairs with this scale are.
    """
    found = [each for each in replaced if len(each.outputs)]
    if not found:
        return

    def error(value: Tensor) -> Tensor:
        return torch.stack(
            [(each.outputs - value * each.stair(each.inputs / value)).square().mean() for each in found]
        ).sum()

    _search(scale, torch.stack([each.outputs.abs().max() / _reach(each.stair) for each in found]).max(), error)


def _search(scale: Scale, largest: Tensor, error: Callable[[Tensor], Tensor]) -> None:
    """Try scales from 0.02 to 1.6 times the ``largest``, 24 in equal steps of the logarithm, then 9 around the best.

    What is tried is what the scale makes of such a number: a power of two, or a number of few bits. The scale of
    zeros is 1.
    """
    ones = torch.ones_like(largest)
    usable = torch.where((largest > 0) & largest.isfinite(), largest, ones)
    best, least = ones, torch.full_like(largest, torch.inf)

    def take(tried: Tensor) -> None:
        nonlocal best, least
        scale.set(tried)
        found = error(scale.value)
        better = found < least
        least, best = torch.where(better, found, least), torch.where(better, tried, best)

    step = (_MOST / _LEAST) ** (1 / (_COARSE - 1))
    for number in range(_COARSE):
        take(usable * (_LEAST * step**number))
    middle = best
    for number in range(_FINE):
        take(middle * step ** (2 * (number + 0.5) / _FINE - 1))
    scale.set(torch.where(largest > 0, best, ones))


def _reach(stair: StairFunction) -> float:
    return max(abs(stair.scaled_levels[0]), abs(stair.scaled_levels[-1]))
