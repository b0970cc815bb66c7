"""Pick-freeze: the design that measures the shares of the groups without a model of the accuracy.

A block has two independent points A and B. Run are A, A with the synchronisation of B, A with the shape of B, B, and A
again: what A and its neighbour differ by is what redrawing one group does (Sobol 1993, Jansen 1999), what B and that
neighbour differ by is what redrawing everything else does, and A run again knows the noise.
"""

from ana_search.space.draw import TrialParams
from ana_search.space.seeds import derive_seed
from ana_search.space.walk import walk
from ana_search.study_file import Choice, Range, StudySpec, key_of
from ana_search.study_file.parameters import Value

__all__ = ["PICK_FREEZE", "REDRAWN", "pick_freeze_point", "redrawn_in"]

PICK_FREEZE = "pick_freeze"
REDRAWN = ("none", "synchronisation", "shape", "all", "none")
"""What is taken from B in each run of a block, in the order in which they are run."""

_LARGEST = 2**31 - 1


def redrawn_in(parameter: str, redrawn: str) -> bool:
    """Return whether a run that redraws ``redrawn`` takes the parameter (``noise``, ``offset.3``) from B."""
    return redrawn in ("all", key_of(parameter.partition(".")[0]).group)


def pick_freeze_point(spec: StudySpec, block: int, place: int) -> TrialParams:
    """Return the parameters of one run of a block, ``place`` counted from 0 in the order of `REDRAWN`.

    It depends on the study's seed, the block and the place alone. A parameter has a value in A and one in B whether it
    exists there or not, so that one that comes to exist with what is redrawn has a draw of its own.
    """

    def draw(name: str, parameter: Choice | Range) -> Value:
        side = "B" if redrawn_in(name, REDRAWN[place]) else "A"
        number = derive_seed(spec.study.seed, PICK_FREEZE, block, side, name)
        return _value_at(parameter, (number + 0.5) / _LARGEST)

    return walk(spec, draw)


def _value_at(parameter: Choice | Range, part: float) -> Value:
    """Return the value below which ``part`` of the even draws of a parameter lie, as Optuna draws it."""
    if isinstance(parameter, Choice):
        return parameter.choices[int(part * len(parameter.choices))]
    low, high = float(parameter.low), float(parameter.high)
    step = parameter.step or (1 if parameter.integer else None)
    if parameter.log:
        half = 0.5 if parameter.integer else 0.0
        value = float((low - half) * ((high + half) / (low - half)) ** part)
        return min(max(round(value), int(low)), int(high)) if parameter.integer else min(max(value, low), high)
    if step is None:
        return low + (high - low) * part
    values = int((high - low) / step + 1e-9) + 1
    number = int(part * values)
    return int(low) + number * int(step) if parameter.integer else round(low + number * step, 12)
