"""Which trials of a storage are the study's own.

A storage is open to every Optuna process: trials may lie in it that were enqueued with values the study does not
know, or that another program ran. They are told apart here, by what every trial of ana-search carries from its start
and by the space that the study searches, so that nobody counts them.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from ana_search.storage.attributes import LEFT_OUT, Attributes

__all__ = [
    "FIXED_PARAMS",
    "SearchedSpace",
    "is_left_out",
    "left_out_attributes",
    "left_out_reason",
    "left_out_trial",
    "own_trials",
]

FIXED_PARAMS = "fixed_params"
"""The system attribute in which Optuna keeps the parameters of a trial that was enqueued."""

Stored = Mapping[str, Any]
"""A parameter of ``[space]`` as the specification's JSON has it."""

_REQUIRED: Mapping[str, type] = {"seed": int, "plan_hash": str}
_OPTIONAL: Mapping[str, type | tuple[type, ...]] = {
    "replicate": int,
    "attempt": int,
    "retry_of": int,
    "root": int,
    "epochs": int,
    "seconds": (int, float),
    "reason": str,
    "retry": str,
    "infeasible": str,
    "weight_bits": (int, float),
    "bytes": int,
    "operations": int,
    "latency_ms": (int, float),
    "ram_bytes": int,
    "flash_bytes": int,
}
_SHOWN = 80  # characters of a foreign value in a message


@dataclass(frozen=True)
class SearchedSpace:
    """The searched part of ``[space]``, read from a study's stored JSON without loading what validates a study.

    ``parameters`` maps a key to its choice or range as the JSON has it. What a newer version wrote and is not
    understood allows every value: such a study can then be read.
    """

    parameters: Mapping[str, Stored] = field(default_factory=dict)
    objectives: int = 1
    known: bool = True

    @classmethod
    def from_json(cls, text: object) -> "SearchedSpace":
        """Return the space of a stored specification; one that allows everything where it cannot be read."""
        try:
            stored = json.loads(text if isinstance(text, str) else "")
            parameters = {
                name: parameter
                for name, parameter in stored["space"]["parameters"].items()
                if parameter["kind"] not in ("fixed", "per_layer")
            }
            return cls(parameters, len(stored["study"]["objective"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return cls(known=False)

    def problem(self, params: Mapping[str, object]) -> str | None:
        """Return what is wrong with parameters: one that is not searched, or a value that is not allowed."""
        if not self.known:
            return None
        for full, value in params.items():
            name, _, layer = full.partition(".")
            parameter = self.parameters.get(name)
            if parameter is None or bool(layer) != (parameter.get("scope") == "layer") or not _is_index(layer):
                return f"parameter {_shown(full)} is not searched by this study"
            allowed = _allowed(parameter, value)
            if allowed is not None:
                return f"parameter {_shown(full)} is {_shown(value)}; allowed: {allowed}"
        return None


def left_out_reason(trial: FrozenTrial, space: SearchedSpace) -> str | None:
    """Return why a trial is none of the study's, ``None`` for one that is or that waits to be run with good values."""
    if trial.state == TrialState.WAITING:
        fixed = trial.system_attrs.get(FIXED_PARAMS, {})
        if not isinstance(fixed, Mapping):
            return f"its parameters are {_shown(fixed)}; allowed: a table"
        return space.problem({**fixed, **trial.params})
    for name, kind in _REQUIRED.items():
        if not _is_a(trial.user_attrs.get(name), kind):
            return "it was not made by ana-search"
    for name, kinds in _OPTIONAL.items():
        if name in trial.user_attrs and not _is_a(trial.user_attrs[name], kinds):
            return f"its attribute {name!r} is {_shown(trial.user_attrs[name])}, which ana-search does not write"
    problem = space.problem(trial.params)
    if problem is None and trial.state == TrialState.COMPLETE:
        values = trial.values or []
        if len(values) != space.objectives or not all(math.isfinite(value) for value in values):
            problem = f"its values are {_shown(values)}; allowed: {space.objectives} finite numbers"
    return problem


def is_left_out(trial: FrozenTrial) -> bool:
    """Return whether ana-search has noted of a trial that it is none of the study's."""
    return LEFT_OUT in trial.user_attrs


def left_out_attributes(reason: str) -> Attributes:
    """Return what is noted of a trial that is ended because it is none of the study's."""
    return {"reason": reason, LEFT_OUT: reason}


def left_out_trial(reason: str) -> FrozenTrial:
    """Return what stands in memory for a trial that is none of the study's: it keeps the number taken."""
    return create_trial(state=TrialState.FAIL, user_attrs={LEFT_OUT: reason})


def own_trials(trials: Iterable[FrozenTrial], space: SearchedSpace) -> tuple[list[FrozenTrial], dict[int, str]]:
    """Return the study's own trials, and for each of the others, by number, why it is left out."""
    own, left_out = [], {}
    for trial in trials:
        reason = left_out_reason(trial, space)
        if reason is None:
            own.append(trial)
        else:
            left_out[trial.number] = reason
    return own, left_out


def _allowed(parameter: Stored, value: object) -> str | None:
    """Return what is allowed where ``value`` is not; ``None`` where it is."""
    if parameter.get("kind") == "choice":
        choices = parameter.get("choices") or []
        if any(type(value) is type(choice) and value == choice for choice in choices):
            return None
        return _shown(list(choices))
    if parameter.get("kind") != "range":
        return None
    low, high, step = parameter["low"], parameter["high"], parameter.get("step")
    what = f"{'a whole number' if parameter.get('integer') else 'a number'} from {low} to {high}"
    kinds: type | tuple[type, ...] = int if parameter.get("integer") else (int, float)
    if not _is_a(value, kinds):
        return what
    number: Any = value  # not as a float: a whole number may be too large for one
    slack = 1e-9 * max(abs(low), abs(high))
    if not low - slack <= number <= high + slack:
        return what
    if step and abs((number - low) / step - round((number - low) / step)) > 1e-6:
        return f"{what} in steps of {step}"
    return None


def _is_index(layer: str) -> bool:
    return not layer or (layer.isascii() and layer.isdigit())


def _is_a(value: object, kinds: type | tuple[type, ...]) -> bool:
    """Return whether a value is of a kind; JSON's true and false are no numbers, and nor is NaN."""
    if isinstance(value, bool) or not isinstance(value, kinds):
        return False
    return not isinstance(value, float) or math.isfinite(value)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} (cut)"
