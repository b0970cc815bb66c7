"""The one table of parameters: every key of ``[space]``, and everything that is known about it.

What a study file may hold, which trials have the parameter, which part of the training plan it sets, the group that
the analysis counts it to and its line in `docs/study-file.md` are all read from `KEYS`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from ana_search.ana import NOISE_FAMILIES, SCHEDULES
from ana_search.ana.methods import METHODS
from ana_search.ana.scale import SCALE_KINDS
from ana_search.ana.synchronise import INTERVALS, POWER_LAWS
from ana_search.data import AUGMENTATIONS
from ana_search.study_file.key import GROUPS, Condition, Group, Key, Section
from ana_search.study_file.parameters import Value
from ana_search.study_file.values import is_number, shorten

__all__ = [
    "GROUPS",
    "KEYS",
    "NETWORK_PREFIX",
    "OF_LAYERS",
    "RENAMED",
    "Condition",
    "Group",
    "Key",
    "Section",
    "conditions_of",
    "groups_of",
    "is_argument",
    "is_parameter",
    "key_of",
]


def groups_of(names: list[str]) -> dict[str, list[str]]:
    """Return the analysis's groups of these parameters (``noise.3``, layer 3's, counts as ``noise``).

    A group without any of them is left out. Raises `KeyError` for a name that is no key: it would otherwise be
    counted as the seed's.
    """
    groups: dict[str, list[str]] = {group: [] for group in GROUPS}
    for name in names:
        groups[key_of(name.partition(".")[0]).group].append(name)
    return {group: members for group, members in groups.items() if members}


@cache
def _has_power(decay: str) -> bool:
    """Return whether the decay has a power at all: a straight line has none."""
    values = {SCHEDULES[decay](0.37, 0.0, 1.0, alpha=alpha) for alpha in (0.5, 1.0, 2.0)}
    return len(values) > 1


def _one_of(*values: str) -> Callable[[Any], bool]:
    return lambda value: value in values


def _is_noisy(method: Any) -> bool:
    return method in METHODS and METHODS[method].is_noisy


_FAMILIES = tuple(NOISE_FAMILIES)
_INTERVALS = tuple(INTERVALS)
_NOISY = Condition("method", _is_noisy, "method 'noise' or 'freezing'")
_FREEZING = Condition("method", _one_of("freezing"), "method 'freezing'")
_POWER = Condition("decay", _one_of("power"), "decay 'power'")
_ANY_POWER = Condition(
    "decay", _has_power, "decay " + ", ".join(repr(decay) for decay in SCHEDULES if _has_power(decay))
)
_DROP = Condition("schedule", _one_of("drop"), "schedule 'drop'")
_STEADY = Condition("schedule", _one_of("drop", "cosine"), "schedule 'drop' or 'cosine'")
_AVERAGED = Condition("average", _one_of("ema"), "average 'ema'")
_TAUGHT = Condition("teacher", _one_of("float"), "teacher 'float'")
_UNTIED = Condition("backward", _one_of("static", "annealed"), "backward 'static' or 'annealed'")
_ANNEALED = Condition("backward", _one_of("annealed"), "backward 'annealed'")

# In the order in which a trial's parameters are drawn: a key comes after the one that it hangs on.
KEYS: dict[str, Key] = {
    "method": Key(
        "quantiser",
        "how the quantisers train: additive noise annealing with all keys free, its best preset (`ana`), progressive "
        "freezing, or an estimator of the literature",
        ("method",), words=tuple(METHODS), section="quantiser",
    ),
    "refreshes": Key(
        "schedule", "how often each element draws anew over the anneal whether it is frozen",
        ("refreshes",), 20.0, low=0.0, high=1e6, exists=_FREEZING,
    ),
    "mask": Key(
        "schedule", "whether all samples of a batch have the same elements frozen, or each its own",
        ("mask",), "shared", words=("shared", "own"), exists=_FREEZING,
    ),
    "noise": Key(
        "shape", "family of the forward noise", ("noise",), "uniform", words=_FAMILIES, per_layer=True, acts="noisy",
        exists=_NOISY,
    ),
    "strategy": Key(
        "strategy",
        "what the forward pass computes: the mean of the noisy stair, its most probable level, or one sample",
        ("strategy",), "expectation", words=("expectation", "mode", "random"), per_layer=True, acts="noisy",
        exists=_NOISY,
    ),
    "mean": Key(
        "schedule", "mean of the noise: 0 throughout, or decaying from -1/2 or from the number",
        ("mean", "mean_alpha"), "static", words=("static", "dynamic"), low=-10.0, high=10.0, per_layer=True,
        exists=_NOISY,
    ),
    "variance": Key(
        "schedule", "whether the spread decays over the layer's interval, or stays as it is to the end of training",
        ("spread_alpha",), "dynamic", words=("static", "dynamic"), per_layer=True, acts="noisy", exists=_NOISY,
    ),
    "spread": Key(
        "schedule",
        "the spread at first: half of the width that holds the noise (95 % of it for normal and logistic)",
        ("spread",), 0.5, low=0.0, high=10.0, per_layer=True, exists=_NOISY,
    ),
    "decay": Key(
        "schedule", "how mean and spread decay over the layer's interval",
        ("decay",), "power", words=tuple(SCHEDULES), per_layer=True, acts="annealed", exists=_NOISY,
    ),
    "interval": Key(
        "synchronisation", "when each layer's noise decays (the paper's figure 3)",
        ("start", "end"), "overlapped", words=_INTERVALS, acts="annealed", exists=_NOISY,
    ),
    "power_law": Key(
        "synchronisation", "the power of each layer: the same, steeper towards the input, or towards the output",
        ("mean_alpha", "spread_alpha"), "homogeneous", words=tuple(POWER_LAWS), exists=_ANY_POWER, acts="annealed",
    ),
    "alpha": Key(
        "schedule", "factor of the powers, with `decay = \"power\"`; the spread's power is twice the mean's",
        ("mean_alpha", "spread_alpha"), 1.0, low=0.0, high=100.0, open_low=True, per_layer=True,
        exists=_POWER, acts="annealed",
    ),
    "offset": Key(
        "synchronisation", "shifts the layer's interval, to later if positive, within the anneal",
        ("start", "end"), 0.0, low=-1.0, high=1.0, per_layer=True, acts="annealed", exists=_NOISY,
    ),
    "activation_offset": Key(
        "synchronisation", "shifts the activations' interval against the weights'",
        ("start", "end"), 0.0, low=-1.0, high=1.0, per_layer=True, acts="annealed", exists=_NOISY,
    ),
    "spread_measure": Key(
        "schedule",
        "what spreads of different families have in common: the interval, or the standard deviation "
        "(`spread / sqrt(3)`)",
        ("spread_measure",), "interval", words=("interval", "deviation"), exists=_NOISY,
    ),
    "backward": Key(
        "strategy",
        "the noise of the gradient: the forward noise, one that stays, or one on a schedule of its own",
        ("backward",), "same", words=("same", "static", "annealed"), per_layer=True, exists=_NOISY,
    ),
    "backward_noise": Key(
        "shape", "its family, unless it is the same",
        ("backward_noise",), "uniform", words=_FAMILIES, per_layer=True, exists=_UNTIED,
    ),
    "backward_spread": Key(
        "schedule", "its spread, unless it is the same",
        ("backward_spread",), 0.5, low=0.0, high=10.0, open_low=True, per_layer=True, exists=_UNTIED,
    ),
    "backward_interval": Key(
        "synchronisation", "when it decays, if annealed",
        ("backward_start", "backward_end"), "overlapped", words=_INTERVALS, exists=_ANNEALED,
    ),
    "backward_alpha": Key(
        "schedule", "its power, if annealed",
        ("backward_alpha",), 1.0, low=0.0, high=100.0, open_low=True, per_layer=True, exists=_ANNEALED,
    ),
    "weight_bits": Key(
        "quantiser", "bits of the layer's weights",
        ("weight_bits",), words=("ternary",), low=1, high=8, integer=True, per_layer=True, section="quantiser",
    ),
    "activation_bits": Key(
        "quantiser", "bits of the layer's activations",
        ("activation_bits",), words=("ternary",), low=1, high=8, integer=True, per_layer=True, section="quantiser",
    ),
    "weight_scale": Key(
        "quantiser", "the scale of the layer's weights: the method's, none, a learned power of two, or any learned one",
        ("weight_scale",), words=("auto", *SCALE_KINDS), per_layer=True, section="quantiser",
    ),
    "activation_scale": Key(
        "quantiser", "the scale of the layer's activations, likewise; what is added in a sum has one scale",
        ("activation_scale",), words=("auto", *SCALE_KINDS), per_layer=True, section="quantiser",
    ),
    "scale_per": Key(
        "quantiser", "whether a layer's weights have one scale, or each of its output channels its own",
        ("scale_per",), words=("tensor", "channel"), per_layer=True, section="quantiser",
    ),
    "epochs": Key(
        "training", "passes over the training images",
        ("epochs",), low=1, high=1_000_000, integer=True, section="training",
    ),
    "anneal": Key(
        "training", "the fraction of all steps over which noise is annealed",
        ("anneal",), low=0.0, high=1.0, open_low=True, section="training",
    ),
    "batch_size": Key(
        "training", "images a step; batch norm needs two",
        ("batch_size",), low=2, high=1_000_000, integer=True, section="training",
    ),
    "learning_rate": Key(
        "training", "of the optimiser", ("learning_rate",), low=0.0, high=1000.0, open_low=True, section="training"
    ),
    "weight_decay": Key(
        "training", "of the optimiser", ("weight_decay",), low=0.0, high=1000.0, section="training"
    ),
    "weight_decay_of": Key(
        "training", "what decays: all parameters, or the weights alone (no biases, no batch norm)",
        ("weight_decay_of",), words=("all", "weights"), section="training",
    ),
    "schedule": Key(
        "training", "how the learning rate goes over the steps",
        ("schedule",), words=("drop", "cosine", "one_cycle"), section="training",
    ),
    "lr_drop": Key(
        "training", "the last fraction of the steps takes a tenth of the learning rate",
        ("lr_drop",), low=0.0, high=1.0, section="training", exists=_DROP,
    ),
    "warmup": Key(
        "training", "the first fraction of the steps, over which the learning rate rises in a straight line",
        ("warmup",), low=0.0, high=0.9, section="training", exists=_STEADY,
    ),
    "optimiser": Key(
        "training", "Nesterov's momentum is 0.9", ("optimiser",), words=("adam", "adamw", "sgd"), section="training"
    ),
    "clip": Key(
        "training", "limits the norm of the gradient of all parameters together",
        ("clip",), words=("none",), low=0.0, high=1e6, open_low=True, section="training",
    ),
    "label_smoothing": Key(
        "training", "the share of a label that goes to all classes alike",
        ("label_smoothing",), low=0.0, high=0.9, section="training",
    ),
    "augment": Key(
        "training", "what is done to the training images",
        ("augment",), words=AUGMENTATIONS, joined=True, section="data",
    ),
    "average": Key(
        "training", "validate and keep the exponential moving average of the parameters",
        ("average",), words=("none", "ema"), section="training",
    ),
    "average_span": Key(
        "training", "the fraction of all steps that the average reaches back over",
        ("average_span",), low=0.0, high=1.0, open_low=True, section="training", exists=_AVERAGED,
    ),
    "recalibrate": Key(
        "training", "measure the statistics of batch norm anew, without noise, before each validation",
        ("recalibrate",), words=("none", "batch_norm"), section="training",
    ),
    "teacher": Key(
        "training", "learn from the same network in floating point, trained as `[training]` says",
        ("teacher",), words=("none", "float"), section="training",
    ),
    "distillation": Key(
        "training", "the share of the teacher's answers in the loss",
        ("distillation",), low=0.0, high=1.0, open_low=True, section="training", exists=_TAUGHT,
    ),
    "temperature": Key(
        "training", "softens the answers of network and teacher",
        ("temperature",), low=0.0, high=100.0, open_low=True, section="training", exists=_TAUGHT,
    ),
    "start": Key(
        "training", "the first weights: drawn, or those of the same network trained in floating point",
        ("start",), words=("random", "float"), section="training",
    ),
}  # fmt: skip

OF_LAYERS = tuple(name for name, key in KEYS.items() if key.section == "quantiser" and key.per_layer)
"""The keys that a layer's quantisers have values of, and that ``[quantiser.layers]`` may give by layers' names."""

NETWORK_PREFIX = "network_"
"""Before the name of a searched argument of the network's function, as a parameter of a trial (``network_depth``)."""


@dataclass(frozen=True)
class _Argument(Key):
    """A searched argument of the network's function, whose values the function knows and nobody else."""

    def problem(self, value: object) -> str | None:
        """Return ``None`` for a text or a finite number."""
        if isinstance(value, str) or is_number(value, -math.inf, math.inf):
            return None
        return f"got {shorten(value)}; allowed: {self.allowed()}"

    def allowed(self) -> str:
        """Return what is allowed, in words."""
        return "a number or a text"

    def normal(self, value: Value) -> Value:
        """Return the value as it is: the function may want a whole number."""
        return value


_MEANING = "an argument of the network's function"
_ARGUMENT = _Argument("training", _MEANING, ("network",), low=-math.inf, high=math.inf)


def key_of(name: str, whole: bool = False) -> Key:
    """Return what is known of a parameter by its name, without a layer's number.

    ``whole`` says that the range of an argument of the network's function is one of whole numbers. Raises `KeyError`
    for a name that is no parameter.
    """
    if is_argument(name):
        return replace(_ARGUMENT, integer=whole)
    return KEYS[name]


def conditions_of(name: str) -> list[Condition]:
    """Return all that must hold for a parameter to exist: its own condition, that of the key in it, and so on."""
    found: list[Condition] = []
    condition = key_of(name).exists
    while condition is not None:
        found.append(condition)
        condition = key_of(condition.key).exists
    return found


def is_argument(name: str) -> bool:
    """Return whether a parameter is an argument of the network's function."""
    return name.startswith(NETWORK_PREFIX) and name not in KEYS


def is_parameter(name: str) -> bool:
    """Return whether a name, without a layer's number, is that of a parameter that a study may search."""
    return name in KEYS or is_argument(name)


RENAMED: dict[str, str] = {"shape": "decay", "width": "spread_measure"}
"""Old names of keys, and what they are called now."""
