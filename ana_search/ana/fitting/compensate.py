"""Weights that make up for what the layers before them have lost."""

import torch
from torch import Tensor

__all__ = ["compensated"]

_RIDGE = 0.01
_DOUBLE = 1024  # unknowns up to which double precision costs little
_TINY = 1e-12


def compensated(weight: Tensor, inputs: Tensor, outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weights that come closest to ``outputs`` on these ``inputs``, and the importance of each.

    They minimise ``sum((X W.T - Y)**2) / rows + r * sum((W - weight)**2)``, columns of X and Y taken to a mean of 0,
    which leaves the bias out: ridge regression towards the given weights, where ``r`` is a hundredth of the mean square
    of X. The importance of a weight is the mean square of the input that it multiplies, plus ``r``.

    Args:
        weight: [groups, outputs of a group, inputs of an output].
        inputs: X, [rows, groups, inputs of an output].
        outputs: Y, [rows, groups, outputs of a group].
    """
    rows, _, columns = inputs.shape
    dtype = torch.float64 if min(rows, columns) <= _DOUBLE else torch.float32
    x = (inputs - inputs.mean(dim=0)).movedim(1, 0).to(dtype)  # [groups, rows, inputs]
    y = (outputs - outputs.mean(dim=0)).movedim(1, 0).to(dtype)
    power = x.square().mean(dim=1)  # [groups, inputs]
    ridge = (_RIDGE * power.mean(dim=1, keepdim=True)).clamp_min(_TINY)
    missing = y - x @ weight.mT.to(dtype)
    if columns <= rows:
        change = _solved(x.mT @ x / rows, ridge, x.mT @ missing / rows)
    else:  # the same, by the smaller of the two systems
        change = x.mT @ _solved(x @ x.mT / rows, ridge, missing / rows)
    solved = weight + change.mT.to(weight.dtype)
    return (solved if bool(solved.isfinite().all()) else weight), (power + ridge).to(weight.dtype)


def _solved(square: Tensor, ridge: Tensor, right: Tensor) -> Tensor:
    """Return ``(square + ridge * I)**-1 @ right`` of positive definite matrices; NaN where they are none."""
    system = square + torch.diag_embed(ridge.expand(-1, square.shape[1]))
    factor, failed = torch.linalg.cholesky_ex(system)
    found = torch.cholesky_solve(right, factor)
    return torch.where(failed.reshape(-1, 1, 1) == 0, found, torch.nan)
