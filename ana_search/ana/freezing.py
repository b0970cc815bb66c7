"""Progressive freezing: which elements of a layer are hard at a given moment."""

import torch
from torch import Tensor

from ana_search.ana.kernels.hashing import hashed_uniform
from ana_search.ana.kernels.numbers import on_device, place_of_numbers

__all__ = ["REFRESHES", "frozen_mask"]

REFRESHES = 20.0
"""How often each element draws its lot anew over the whole annealing budget, if nothing else is said."""


def frozen_mask(like: Tensor, fraction: Tensor, time: Tensor, seed: int, refreshes: float = REFRESHES) -> Tensor:
    """Return which elements are frozen: a boolean tensor of the shape of ``like``, true with rate ``fraction``.

    Every element holds a lot, uniform on (0, 1), and is frozen while the lot is below ``fraction``: the mask
    grows with the fraction. Masks are refreshed softly, as in StoMPP (Smith and Islam, arXiv:2601.22660 and
    2606.27759): now and then an element draws another lot, each at its own moments, so that over a time ``dt``
    only ``refreshes * dt`` of them do. The mask is a function of the arguments alone, which makes it the same
    in a run that is resumed.

    Args:
        like: tensor that gives shape and device.
        fraction: 0-d tensor in [0, 1]: expected fraction of frozen elements; on the CPU, or where ``like`` is.
        time: 0-d tensor, the moment as a fraction of the annealing budget; likewise.
        seed: integer that sets this mask apart from others.
        refreshes: how often each element draws its lot anew over the whole budget.
    """
    shape = torch.empty_like(like, dtype=torch.float32, requires_grad=False)
    place = place_of_numbers(like, time)
    fraction, time = on_device(fraction, place), on_device(time, place)
    first, second = _key(seed, place)
    phase = hashed_uniform(shape, (first, second)) * 0.5 + 0.5
    draw = torch.floor(time * refreshes + phase).to(torch.int32)
    lot = hashed_uniform(shape, (second, (draw + 1) * _STRIDE)) * 0.5 + 0.5
    return lot < fraction


_STRIDE = 0x9E3779B9 - 2**32


def _key(seed: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return two 32-bit integers that differ from seed to seed."""
    mixed = [((seed * 2 + k + 1) * 0x9E3779B97F4A7C15 >> 16) % 2**32 - 2**31 for k in range(2)]
    first, second = torch.tensor(mixed, dtype=torch.int32, device=device).unbind()
    return first, second
