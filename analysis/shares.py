"""From variance components to shares: who gets an interaction, and what a group's share is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Components", "Subset"]

Floats = npt.NDArray[np.float64]
Subset = frozenset[str]


@dataclass(frozen=True)
class Components:
    """Variance components of one run's outcome: one per subset of groups, and the noise.

    ``parts[{"shape"}]`` is a main effect, ``parts[{"shape", "synchronisation"}]`` an interaction; each value and
    ``noise`` are arrays of equal shape: one entry per draw, or a single estimate. ``whole`` is the variance of one run
    where that is estimated by itself; else it is the sum of all.
    """

    parts: Mapping[Subset, Floats]
    noise: Floats
    whole: Floats | None = None

    @property
    def total(self) -> Floats:
        """The variance of one run."""
        if self.whole is not None:
            return self.whole
        return np.asarray(sum(self.parts.values(), np.zeros_like(self.noise)) + self.noise)

    def _ratio(self, part: Floats) -> Floats:
        total = self.total
        return np.asarray(np.divide(part, total, out=np.zeros_like(total), where=np.abs(total) > 0))

    def variance(self, group: str) -> Floats:
        """The group's variance: its main effect and an even part of each interaction it is in (Shapley)."""
        mine = [np.asarray(part) / len(subset) for subset, part in self.parts.items() if group in subset]
        return np.asarray(sum(mine, np.zeros_like(self.noise)))

    def share(self, group: str) -> Floats:
        """The group's variance over the total."""
        return self._ratio(self.variance(group))

    def first_order(self, group: str) -> Floats:
        """The main effect's share."""
        return self._ratio(np.asarray(self.parts.get(frozenset({group}), np.zeros_like(self.noise))))

    def with_interactions(self, group: str) -> Floats:
        """The share of everything the group has a part in (a total Sobol index)."""
        mine = [np.asarray(part) for subset, part in self.parts.items() if group in subset]
        return self._ratio(np.asarray(sum(mine, np.zeros_like(self.noise))))

    def interaction(self) -> Floats:
        """The share of all interactions between groups."""
        crossed = [np.asarray(part) for subset, part in self.parts.items() if len(subset) > 1]
        return self._ratio(np.asarray(sum(crossed, np.zeros_like(self.noise))))

    def noise_share(self) -> Floats:
        """The share of the seed alone."""
        return self._ratio(self.noise)

    def clipped(self) -> "Components":
        """The same with negative estimates set to zero."""
        parts = {subset: np.maximum(part, 0.0) for subset, part in self.parts.items()}
        return Components(parts, np.maximum(self.noise, 0.0), self.whole)


def all_subsets(groups: Sequence[str]) -> list[Subset]:
    """Return every non-empty subset of `groups`, main effects first."""
    found: list[Subset] = [frozenset()]
    for group in groups:
        found += [subset | {group} for subset in found]
    return sorted((s for s in found if s), key=lambda s: (len(s), [groups.index(g) for g in groups if g in s]))
