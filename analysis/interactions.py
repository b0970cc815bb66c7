"""Many interactions together: draws that agree with the confidence distribution of their sum.

A variance component is never negative, so that each of many that are 0 is drawn too large, by about its own error: the
26 interactions of five groups would together take a tenth of the variance from the groups. Their sum has a confidence
distribution of its own, known with all their degrees of freedom and cut off at 0 once, not 26 times. The draws of the
components are moved to the nearest ones that have a draw of that sum.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy import special

from analysis.noncentral import draw_noncentrality
from analysis.shares import Subset

__all__ = ["nearest_with_total", "with_their_total"]

Floats = npt.NDArray[np.float64]


def with_their_total(
    parts: Mapping[Subset, Floats], squares: Mapping[Subset, float], errors: Mapping[Subset, tuple[Floats, Floats]],
    uniforms: Mapping[Subset, Floats], *, fast: bool = False,
) -> dict[Subset, Floats]:  # fmt: skip
    """Return the draws `parts` of several components, lowered so that their sums are draws of the components' sum.

    `squares` are the components' mean squares, and `errors` what these are without any effect: their means, and the
    variance along one direction (their mean over their degrees of freedom), each an array with an entry a draw.
    `uniforms` are the numbers at which the components were drawn.

    1. The sum of the mean squares is a non-central chi-squared variable, where the errors differ scaled to two
       moments (Satterthwaite).
    2. Its non-centrality is drawn at the mean of the components' normal scores, weighted by their standard deviations:
       a sum is large where its parts are.
    3. Each draw is moved to the nearest components with that sum (`nearest_with_total`).
    """
    order = list(parts)
    mean, along = (np.stack([errors[subset][place] for subset in order], axis=1) for place in (0, 1))
    square = np.array([squares[subset] for subset in order])
    deviations = np.sqrt(2.0 * mean * along + 4.0 * along * np.maximum(square - mean, 0.0))
    scores = np.stack([special.ndtri(uniforms[subset]) for subset in order], axis=1)
    score = (deviations * scores).sum(axis=1) / np.sqrt((deviations**2).sum(axis=1))
    scale = (mean * along).sum(axis=1) / mean.sum(axis=1)
    ratio = square.sum() / scale
    total = draw_noncentrality(ratio, mean.sum(axis=1) / scale, special.ndtr(score), fast=fast) * scale
    found = nearest_with_total(np.stack([parts[subset] for subset in order], axis=1), mean * along, total)
    return {subset: found[:, place] for place, subset in enumerate(order)}


def nearest_with_total(single: Floats, weights: Floats, total: Floats) -> Floats:
    """Return the non-negative rows nearest to `single` (draws x components) whose sums are at most `total` (draws).

    The distance is ``sum((x - single)**2 / weights)``: what is little known moves most. The solution is
    ``max(single - mu * weights, 0)`` with one ``mu`` a row (as in the projection onto a simplex). Rows whose sum is no
    larger stay as they are.
    """
    ratio = single / weights
    order = np.argsort(-ratio, axis=1)
    sums = np.cumsum(np.take_along_axis(single, order, axis=1), axis=1)
    sizes = np.cumsum(np.take_along_axis(weights, order, axis=1), axis=1)
    candidates = (sums - total[:, None]) / sizes  # mu, if the first k components stay positive
    positive = np.maximum((np.take_along_axis(ratio, order, axis=1) > candidates).sum(axis=1), 1)
    mu = np.maximum(candidates[np.arange(len(candidates)), positive - 1], 0.0)
    return np.asarray(np.maximum(single - mu[:, None] * weights, 0.0))
