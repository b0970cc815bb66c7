"""Latency: the untrained network of a plan, frozen, written as ONNX and run in onnxruntime.

How long a file takes depends on its shapes and bits and hardly on the values of its weights, so that it can be measured
before training. It is measured on the machine that asks, whatever else runs there: noise of some ten per cent is
ordinary, and what was trained may be written with other kernels where its thresholds fit one multiplication and those
of the untrained network do not.
"""

import json
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch

from ana_search.data import InputStatistics, dataset_info
from ana_search.data.coding import make_coding
from ana_search.data.load import coding_of
from ana_search.errors import DamagedFileError, ExportRequestError
from ana_search.export.formats import get_format
from ana_search.export.freeze import freeze
from ana_search.files import write_durably
from ana_search.plan import TrainingPlan
from ana_search.reading import is_number, read_json
from ana_search.training import build, computing_with

__all__ = ["Latencies", "measure_latency"]

_FORMAT = "onnx"


def measure_latency(plan: TrainingPlan) -> float:
    """Return the milliseconds that one example takes: the median of up to 200 runs or half a second, one thread.

    Raises `ExportRequestError` where the network has no integer form, or onnxruntime cannot run it.
    """
    shape, classes = dataset_info(plan.data)
    statistics = InputStatistics.of_pixels([0.5] * shape[0], [0.25] * shape[0])
    coding = make_coding(plan.data, statistics, coding_of(plan.data))
    if coding.table is None:
        raise ExportRequestError(
            "latency is measured of the exported network, and quantiser.input_bits is 'float'; allowed is 8"
        )
    with warnings.catch_warnings(), computing_with(1):
        warnings.simplefilter("ignore")
        network, _ = build(plan, shape, classes)
        frozen = freeze(network.eval(), coding.table, coding.scale, shape)
        chosen = get_format(_FORMAT)
        runner = chosen.open(chosen.files(frozen, {}).content[chosen.suffix])
        return runner.milliseconds(chosen.inputs(torch.zeros(1, *shape, dtype=torch.uint8).numpy()))


class Latencies:
    """The latencies of a study's networks: each architecture of bits is measured once, and kept in a file.

    Args:
        file: is read and written if it is given; one that is damaged is written anew.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._known: dict[str, float] = dict(_read(file)) if file is not None else {}

    def of(self, plan: TrainingPlan) -> float:
        """Return the milliseconds of a plan's network. Raises as `measure_latency`."""
        key = _key(plan)
        if key not in self._known:
            self._known[key] = measure_latency(plan)
            if self._file is not None:
                with suppress(OSError):  # the next launch then measures it again
                    write_durably(self._file, json.dumps(self._known, indent=1) + "\n")
        return self._known[key]


def _key(plan: TrainingPlan) -> str:
    """Return what of a plan decides its network's shape and bits, as a text."""
    network = plan.network
    bits = [[layer.weight_bits, layer.activation_bits] for layer in plan.layers]
    shape, classes = dataset_info(plan.data)
    return json.dumps([network.name, network.width, network.arguments, bits, shape, classes])


def _read(file: Path) -> Mapping[str, float]:
    try:
        content = read_json(file)
    except (FileNotFoundError, DamagedFileError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {key: float(value) for key, value in content.items() if is_number(value)}
