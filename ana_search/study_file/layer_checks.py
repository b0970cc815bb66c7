"""What ``[quantiser]`` says of layers by name or place, held against the network's layers and against ``[space]``."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from ana_search.study_file.messages import did_you_mean
from ana_search.study_file.parameters import Parameter, PerLayer
from ana_search.study_file.sections import Quantiser, Section

__all__ = ["check_fixed_layers", "check_layers"]

_MOST_NAMES = 12


def check_layers(quantiser: Quantiser, networks: Sequence[Sequence[str]]) -> list[str]:
    """Return a message for every pattern of ``[quantiser.layers]`` that fits no layer of any network of the study."""
    names = list(dict.fromkeys(name for network in networks for name in network))
    return [
        f"quantiser.layers: no layer is called {pattern!r}{did_you_mean(pattern, names)}; allowed: a pattern that fits "
        f"one or more of {', '.join(names[:_MOST_NAMES])}{', and others' if len(names) > _MOST_NAMES else ''}"
        for pattern in quantiser.layers
        if not any(fnmatchcase(name, pattern) for name in names)
    ]


def check_fixed_layers(parameters: Mapping[str, Parameter], quantiser: Section | None) -> list[str]:
    """Return a message for every key that ``[space]`` varies by layer, while ``[quantiser]`` fixes it in some."""
    if not isinstance(quantiser, Quantiser):
        return []
    fixed = {key: f"layers.{pattern!r}" for pattern, given in quantiser.layers.items() for key in given}
    for end in ("first", "last"):
        if getattr(quantiser, end) not in ("same", "float"):
            fixed.setdefault("weight_bits", end)
    return [
        f"quantiser.{fixed[name]}: fixes {name} in a layer whose own value space.{name} gives; allowed: one of the two"
        for name, parameter in parameters.items()
        if name in fixed and (isinstance(parameter, PerLayer) or getattr(parameter, "scope", "network") == "layer")
    ]
