"""Training recipes by name: values of ``[training]`` that a study file takes over where it does not say otherwise."""

from collections.abc import Mapping
from types import MappingProxyType

from ana_search.study_file.keys import KEYS
from ana_search.study_file.messages import did_you_mean
from ana_search.study_file.parameters import Toml, Value
from ana_search.study_file.values import shorten

__all__ = ["RECIPE", "RECIPES", "take_recipe"]

RECIPE = "recipe"
"""The key of ``[training]``, which no study keeps: it stands for values of other keys."""

RECIPES: Mapping[str, Mapping[str, Value]] = MappingProxyType(
    {
        # The experiments of Spallanzani, Leonardi and Benini (CVPR 2022), as in `studies/paper_cifar10.toml`.
        "paper": {
            "optimiser": "adam",
            "learning_rate": 1e-3,
            "batch_size": 256,
            "last_batch": "keep",
            "anneal": 0.7,
            "schedule": "drop",
            "lr_drop": 0.2,
        },
        # What costs no time, for few epochs: twice the learning rate, warmed up, and smoothed labels.
        "fast": {
            "optimiser": "adam",
            "learning_rate": 6e-3,
            "batch_size": 64,
            "schedule": "drop",
            "lr_drop": 0.2,
            "warmup": 0.1,
            "label_smoothing": 0.1,
            "recalibrate": "batch_norm",
        },
        # All of that in smaller steps, from the weights of the network in floating point, which is the teacher too, and
        # an average of the parameters: about three times the time.
        "full": {
            "optimiser": "adam",
            "learning_rate": 4e-3,
            "batch_size": 32,
            "schedule": "drop",
            "lr_drop": 0.2,
            "warmup": 0.1,
            "label_smoothing": 0.1,
            "recalibrate": "batch_norm",
            "average": "ema",
            "start": "float",
            "teacher": "float",
            "distillation": 0.9,
        },
    }
)
"""What ``recipe = NAME`` in ``[training]`` stands for."""


def take_recipe(table: Toml) -> list[str]:
    """Put the values of ``[training] recipe`` into the section, and take the name out; return mistakes.

    A key that the file gives keeps its value. A key of the recipe that the given ones leave without an effect (the
    warm-up of a schedule that has one of its own) is left out.
    """
    training = table.get("training")
    if not isinstance(training, dict) or RECIPE not in training:
        return []
    own = {key: value for key, value in training.items() if key != RECIPE}
    table["training"] = own
    name = training[RECIPE]
    if not isinstance(name, str) or name not in RECIPES:
        hint = did_you_mean(name, RECIPES) if isinstance(name, str) else ""
        return [f"training.recipe: got {shorten(name)}{hint}; allowed: {', '.join(RECIPES)}"]
    space = table.get("space")
    searched = space if isinstance(space, dict) else {}
    merged = {**RECIPES[name], **own}
    table["training"] = {key: value for key, value in merged.items() if key in own or _acts(key, merged, searched)}
    return []


def _acts(key: str, training: Mapping[str, object], space: Mapping[str, object]) -> bool:
    """Return whether a key has an effect beside the others; one that hangs on a searched key may have."""
    condition = KEYS[key].exists if key in KEYS else None
    if condition is None or condition.key in space:
        return True
    return condition.holds(training.get(condition.key))
