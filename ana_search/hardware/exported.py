"""Latency, RAM and flash: the untrained network of a plan, frozen and written as the file that would be exported.

What a file takes depends on its shapes and bits and hardly on the values of its weights, so that it can be known before
training. Latency is measured on the machine that asks, whatever else runs there: noise of some ten per cent is
ordinary, and what was trained may be written with other kernels where its thresholds fit one multiplication and those
of the untrained network do not. RAM is that of the C file exactly; flash is within some per cent, since thresholds of
a trained network may need wider or narrower integers.
"""

import hashlib
import json
import warnings
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import torch

from ana_search.data import InputStatistics, dataset_info
from ana_search.data.coding import make_coding
from ana_search.data.load import coding_of
from ana_search.errors import DamagedFileError, ExportRequestError
from ana_search.export.formats import get_format
from ana_search.export.freeze import freeze
from ana_search.export.integer import FrozenNetwork
from ana_search.files import write_durably
from ana_search.plan import TrainingPlan
from ana_search.reading import is_number, read_json
from ana_search.training import build, computing_with

__all__ = ["ExportedFigures", "exported_figures"]

_SCHEDULES = ("weights", "activations")
"""Of a layer's plan: what decides how it is trained, and nothing of the file."""


def exported_figures(plan: TrainingPlan, names: Collection[str]) -> dict[str, float]:
    """Return those of ``latency``, ``ram`` and ``flash`` that are asked for, of a plan's untrained network.

    Latency is the median of up to 200 runs or half a second, one thread. Raises `ExportRequestError` where the network
    has no integer form, or a format cannot hold it.
    """
    shape, classes = dataset_info(plan.data)
    statistics = InputStatistics.of_pixels([0.5] * shape[0], [0.25] * shape[0])
    coding = make_coding(plan.data, statistics, coding_of(plan.data))
    if coding.table is None:
        raise ExportRequestError(
            f"{', '.join(names)}: known of exported networks, and quantiser.input_bits is 'float'; allowed is 8"
        )
    with warnings.catch_warnings(), computing_with(1):
        warnings.simplefilter("ignore")
        network, _ = build(plan, shape, classes)
        frozen = freeze(network.eval(), coding.table, coding.scale, shape)
        found: dict[str, float] = {}
        for name, figure in _FIGURES.items():
            if name in names and name not in found:
                found |= figure(frozen)
    return {name: found[name] for name in names}


def _latency(frozen: FrozenNetwork) -> dict[str, float]:
    chosen = get_format("onnx")
    runner = chosen.open(chosen.files(frozen, {}).content[chosen.suffix])
    example = torch.zeros(1, *frozen.input_shape, dtype=torch.uint8)
    return {"latency": runner.milliseconds(chosen.inputs(example.numpy()))}


def _memory(frozen: FrozenNetwork) -> dict[str, float]:
    made = get_format("c").files(frozen, {})
    assert made.ram_bytes is not None
    assert made.flash_bytes is not None  # which the C format always knows
    return {"ram": made.ram_bytes, "flash": made.flash_bytes}


_FIGURES: Mapping[str, Callable[[FrozenNetwork], dict[str, float]]] = {
    "latency": _latency,
    "ram": _memory,
    "flash": _memory,
}


class ExportedFigures:
    """The figures of a study's networks that files tell: each network and its bits is looked at once, and kept.

    Args:
        names: of the figures.
        file: is read and written if it is given; one that is damaged is written anew.
    """

    def __init__(self, names: Collection[str], file: Path | None = None) -> None:
        self._names, self._file = tuple(sorted(names)), file
        self._known = _read(file) if file is not None else {}

    def of(self, plan: TrainingPlan) -> dict[str, float]:
        """Return the figures of a plan's network. Raises as `exported_figures`."""
        key = _key(plan)
        known = self._known.setdefault(key, {})
        missing = [name for name in self._names if name not in known]
        if missing:
            known |= exported_figures(plan, missing)
            if self._file is not None:
                with suppress(OSError):  # the next launch then looks again
                    write_durably(self._file, json.dumps(self._known, indent=1) + "\n")
        return {name: known[name] for name in self._names}


def _key(plan: TrainingPlan) -> str:
    """Return a hash of what of a plan decides its file: the network, the bits and scales of its layers, the input."""
    layers = [{key: value for key, value in asdict(each).items() if key not in _SCHEDULES} for each in plan.layers]
    text = json.dumps([asdict(plan.network), layers, *dataset_info(plan.data), plan.data.input_coding])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read(file: Path) -> dict[str, dict[str, float]]:
    try:
        content = read_json(file)
    except (FileNotFoundError, DamagedFileError):
        return {}
    entries = content.items() if isinstance(content, dict) else ()
    return {
        key: {name: value for name, value in entry.items() if is_number(value)}
        for key, entry in entries
        if isinstance(entry, dict)
    }
