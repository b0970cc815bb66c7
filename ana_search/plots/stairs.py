"""A stair and its regularised versions, as numbers."""

import pandas as pd
import torch

from ana_search.ana import NOISE_FAMILIES, Noise, StairFunction, regularise

__all__ = ["EXACT", "stair_frame"]

EXACT = "exact"


def stair_frame(stair: StairFunction, spreads: tuple[float, ...] = (0.5, 0.25), *, points: int = 601) -> pd.DataFrame:
    """Return the stair and its expectation under every noise family and spread.

    One row a point, with ``x`` and ``value`` in the stair's units, ``noise`` (a family, or ``exact``),
    ``spread`` in steps (0 for the exact stair) and ``slope``, the gradient that training sees (0 for the
    exact stair). ``x`` reaches one step beyond the outermost thresholds.
    """
    step = stair.step
    low, high = stair.scaled_thresholds[0] - step, stair.scaled_thresholds[-1] + step
    x = torch.linspace(low, high, points, dtype=torch.float64)
    frames = [_frame(x, stair(x), torch.zeros_like(x), EXACT, 0.0)]
    for family in NOISE_FAMILIES:
        for spread in spreads:
            at = x.clone().requires_grad_()
            value = regularise(at, stair, Noise(family, spread=spread * step))
            (slope,) = torch.autograd.grad(value.sum(), at)
            frames.append(_frame(x, value.detach(), slope, family, spread))
    return pd.concat(frames, ignore_index=True)


def _frame(x: torch.Tensor, value: torch.Tensor, slope: torch.Tensor, noise: str, spread: float) -> pd.DataFrame:
    columns = {"x": x.numpy(), "value": value.numpy(), "slope": slope.numpy()}
    return pd.DataFrame(columns | {"noise": noise, "spread": spread})
