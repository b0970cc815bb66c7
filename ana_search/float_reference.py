"""What a network reaches in floating point: the reference of a study whose trials learn from it or start from it.

Beside the weights of every such network lies a note in JSON (see `ana_search.training.FloatStore`).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from ana_search.errors import DamagedFileError
from ana_search.reading import is_number, read_json

__all__ = ["FloatNote", "FloatReference", "describe_reference", "float_note", "float_references"]


class FloatNote(TypedDict):
    """The validation accuracy of one network in floating point, the seed and the plan that it was trained with."""

    accuracy: float
    seed: int
    plan: Mapping[str, object]


class FloatReference(TypedDict):
    """The mean, the least and the largest validation accuracy of so many ``networks``, alike but for the seed."""

    network: str
    accuracy: float
    low: float
    high: float
    networks: int


def float_note(path: Path) -> FloatNote:
    """Return what a note says. Raises `DamagedFileError` for one that is not whole, `FileNotFoundError` for none."""
    found = read_json(path)
    if not isinstance(found, dict) or not is_number(found.get("accuracy")) or not isinstance(found.get("seed"), int):
        raise DamagedFileError(f"{path}: is no note of a network in floating point")
    plan = found.get("plan")
    return {"accuracy": found["accuracy"], "seed": found["seed"], "plan": plan if isinstance(plan, dict) else {}}


def float_references(folder: Path) -> tuple[list[FloatReference], list[str]]:
    """Return what the networks in floating point of a folder reach, the best first, and what is wrong with notes.

    Networks of different size or arguments are told apart; those of different seeds are not.
    """
    accuracies: dict[str, list[float]] = {}
    damaged = []
    for path in sorted(folder.glob("*.json")):
        try:
            note = float_note(path)
        except (DamagedFileError, FileNotFoundError) as error:
            damaged.append(f"{error}; it is left out")
        else:
            accuracies.setdefault(_network(note["plan"]), []).append(note["accuracy"])
    found: list[FloatReference] = [
        {
            "network": network,
            "accuracy": sum(values) / len(values),
            "low": min(values),
            "high": max(values),
            "networks": len(values),
        }
        for network, values in accuracies.items()
    ]
    return sorted(found, key=lambda each: -each["accuracy"]), damaged


def describe_reference(reference: FloatReference) -> str:
    """Return a reference in words.

    >>> describe_reference({"network": "mlp", "accuracy": 0.98, "low": 0.97, "high": 0.99, "networks": 2})
    'mlp in floating point: 0.9800 (mean of 2 seeds, 0.9700 to 0.9900)'
    """
    text = f"{reference['network']} in floating point: {reference['accuracy']:.4f}"
    if reference["networks"] < 2:
        return text
    return f"{text} (mean of {reference['networks']} seeds, {reference['low']:.4f} to {reference['high']:.4f})"


def _network(plan: Mapping[str, object]) -> str:
    """Return a network in words: its name, its width and the arguments of its function."""
    network = plan.get("network")
    about: Mapping[str, object] = network if isinstance(network, Mapping) else {}
    arguments = about.get("arguments")
    given = arguments if isinstance(arguments, list) else []
    parts = [] if about.get("width") is None else [f"width {about['width']}"]
    parts += [f"{pair[0]} {json.dumps(pair[1])}" for pair in given if isinstance(pair, list) and len(pair) == 2]
    return ", ".join([str(about.get("name", "the network")), *parts])
