"""What the trials' levels in use say: layers that died, and weights that oscillate."""

from collections.abc import Callable

import pandas as pd

__all__ = ["notes"]

_MANY = 0.05  # of a layer's weights: so many have another level after the last epoch than before it

_DEAD = ("levels_of_weights", "levels_of_activations")
_FLIPS = "flips_of_weights"


def notes(trials: pd.DataFrame) -> list[str]:
    """Return a sentence for trials with a layer of one level, and one for trials whose weights still change levels."""
    found = []
    dead = _rows_with(trials, _DEAD, lambda levels: levels == 1)
    if dead:
        found.append(
            f"in {_trials(dead)} all weights, or all activations, of a layer have one level: a scale that died, or "
            "noise that outlasted the training"
        )
    restless = _rows_with(trials, (_FLIPS,), lambda share: share > _MANY)
    if restless:
        found.append(
            f"in {_trials(restless)} more than {_MANY:.0%} of a layer's weights changed their level in the last epoch: "
            "they oscillate; a smaller learning rate at the end, or an average of the parameters, settles them"
        )
    return found


def _rows_with(trials: pd.DataFrame, columns: tuple[str, ...], holds: Callable[[float], bool]) -> list[int]:
    """Return the numbers of the trials of which a number in one of the columns ``holds``."""
    chosen: list[int] = []
    for number, *texts in trials.reindex(columns=["number", *columns]).itertuples(index=False):
        numbers = [float(part) for text in texts if isinstance(text, str) for part in text.split()]
        if any(holds(each) for each in numbers):
            chosen.append(int(number))
    return chosen


def _trials(numbers: list[int]) -> str:
    if len(numbers) == 1:
        return f"trial {numbers[0]}"
    shown = ", ".join(map(str, numbers[:10]))
    return f"{len(numbers)} trials ({shown}{' and others' if len(numbers) > 10 else ''})"
