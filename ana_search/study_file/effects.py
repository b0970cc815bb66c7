"""Keys without effect: what a study file gives, and no trial of it would notice."""

from collections.abc import Mapping
from typing import Any

from ana_search.ana.methods import METHODS
from ana_search.data import DATASETS, names_of
from ana_search.study_file.keys import KEYS, conditions_of, is_argument
from ana_search.study_file.parameters import Choice, Fixed, Parameter, PerLayer, Range
from ana_search.study_file.sections import Data, Quantiser, Section, Study

__all__ = ["check_effects", "check_unused", "values_of"]

_ANY = object()
"""Stands for the numbers of a range."""

_STATIC = {"static"}


def check_effects(parameters: Mapping[str, Parameter], sections: Mapping[str, Section]) -> list[str]:
    """Return a message for every key that has no effect on any trial, and for a search of nothing.

    To be asked where every key of ``[space]`` is right: one that is wrong and missing here might be the reason.
    """
    mistakes = []
    for name in parameters:
        wanted = _idle(name, parameters, sections)
        if wanted is not None:
            mistakes.append(f"space.{name}: has no effect in this study; allowed: only with {wanted}")
    for name, key in KEYS.items():
        section = sections.get(key.section)
        given = section is not None and name in section.model_fields_set
        missing = _missing(name, parameters, sections) if given else None
        if missing is not None:
            mistakes.append(f"{key.section}.{name}: has no effect in this study; allowed: only with {missing}")
    study = sections.get("study")
    searched = any(_is_searched(parameter) for parameter in parameters.values())
    if isinstance(study, Study) and study.sampler in ("tpe", "qmc", "nsga2", "pick_freeze") and not searched:
        mistakes.append(f"study.sampler: got {study.sampler!r} with nothing searched; allowed: grid, random")
    return mistakes


def check_unused(parameters: Mapping[str, Parameter], sections: Mapping[str, Section]) -> list[str]:
    """Return a message for every key of a section that another key switches off, in a section or in ``[space]``."""
    data, quantiser = sections.get("data"), sections.get("quantiser")
    idle = []
    floating = isinstance(quantiser, Quantiser) and quantiser.input_bits == "float"
    if isinstance(data, Data):
        crops = any("crop" in names_of(text) for text in values_of("augment", parameters, sections))
        if "padding" in data.model_fields_set and not crops:
            idle.append(("data.padding", "augment = true or another one with crop"))
        given = quantiser.input_coding if isinstance(quantiser, Quantiser) else None
        own = DATASETS[data.name].coding if data.name in DATASETS else "normalised"
        if "normalise" in data.model_fields_set and (given or own) != "normalised" and not floating:
            idle.append(("data.normalise", "input_coding = 'normalised' or input_bits = 'float'"))
        if data.name in DATASETS and data.name != "image_folder":
            formed = ("size", "crop", "channels")
            idle += [(f"data.{key}", "name = 'image_folder'") for key in formed if key in data.model_fields_set]
        elif "crop" in data.model_fields_set and data.size is None:
            idle.append(("data.crop", "a size"))
    if isinstance(quantiser, Quantiser) and "input_coding" in quantiser.model_fields_set and floating:
        idle.append(("quantiser.input_coding", "input_bits = 8"))
    return [f"{key}: has no effect in this study; allowed: only with {wanted}" for key, wanted in idle]


def _missing(name: str, parameters: Mapping[str, Parameter], sections: Mapping[str, Section]) -> str | None:
    """Return in words the condition of a key, or of the key in it, that no trial meets; ``None`` if all are met.

    The outermost comes first: to meet one further in would not help.
    """
    for condition in reversed(conditions_of(name)):
        if not any(_holds(condition.holds, value) for value in values_of(condition.key, parameters, sections)):
            return condition.words
    return None


def _idle(name: str, parameters: Mapping[str, Parameter], sections: Mapping[str, Section]) -> str | None:
    """Return what ``name`` would need to have an effect in some trial; ``None`` where it has one."""
    if is_argument(name):
        return None
    missing = _missing(name, parameters, sections)
    if missing is not None:
        return missing
    mean, variance, spread = (values_of(key, parameters, sections) for key in ("mean", "variance", "spread"))
    constant = mean <= _STATIC and variance <= _STATIC
    acts = KEYS[name].acts
    if acts == "annealed" and constant:
        return "a mean or a variance that is not 'static'"
    if name == "method" and "freezing" in values_of("method", parameters, sections) and variance <= _STATIC:
        return "variance 'dynamic', since what freezes the elements is the decay of the spread"
    if (
        name == "anneal"
        and not _uses_time(parameters, sections)
        and mean <= _STATIC
        and variance <= _STATIC
        and "annealed" not in values_of("backward", parameters, sections)
    ):
        return "noise that is annealed: a mean or a variance that is not 'static', or backward 'annealed'"
    silent = acts != "always" and spread <= {0.0} and (acts == "noisy" or mean <= _STATIC)
    if silent and _is_searched(parameters[name]):
        return "a spread above 0: without any there is no forward noise to search"
    families = values_of("noise", parameters, sections) | values_of("backward_noise", parameters, sections)
    if name == "spread_measure" and families <= {"uniform"} and _is_searched(parameters[name]):
        return "a family that is not uniform, whose interval and deviation go together"
    return None


def _uses_time(parameters: Mapping[str, Parameter], sections: Mapping[str, Section]) -> bool:
    """Return whether a method that no key of the noise belongs to changes with time."""
    methods = values_of("method", parameters, sections)
    return any(name is _ANY or METHODS[name].uses_time for name in methods if name is _ANY or name in METHODS)


def _holds(holds: Any, value: object) -> bool:
    return value is _ANY or bool(holds(value))


def _is_searched(parameter: Parameter) -> bool:
    return isinstance(parameter, Choice | Range)


def values_of(name: str, parameters: Mapping[str, Parameter], sections: Mapping[str, Section]) -> set[Any]:
    """Return the values that a key has in some trial or layer; a section that is wrong may hold any."""
    parameter = parameters.get(name)
    if parameter is None:
        if KEYS[name].section == "space":
            return {KEYS[name].default}
        return {getattr(sections[KEYS[name].section], name) if KEYS[name].section in sections else _ANY}
    if isinstance(parameter, Fixed):
        return {parameter.value}
    if isinstance(parameter, Choice):
        return set(parameter.choices)
    return set(parameter.values) if isinstance(parameter, PerLayer) else {_ANY}
