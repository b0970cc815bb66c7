"""The network of a trial, and the number of its quantised layers, without training or loading anything."""

from collections.abc import Mapping
from functools import lru_cache

from ana_search.data import dataset_info
from ana_search.networks import imported, is_file_name, layer_names
from ana_search.plan import DataPlan, NetworkPlan
from ana_search.study_file import StudySpec, is_argument
from ana_search.study_file.parameters import Value
from ana_search.study_file.sections import data_plan, network_plan

__all__ = ["layer_count", "names_of_layers", "trial_network"]


def trial_network(spec: StudySpec, params: Mapping[str, Value] | None = None) -> NetworkPlan:
    """Return the network of a trial with the parameters ``params``.

    Where the network's arguments are searched and ``params`` leave one out, it has the first of its values.
    """
    return network_plan(spec.network, spec.space.parameters, params or {}, spec.quantiser)


def layer_count(spec: StudySpec, params: Mapping[str, Value] | None = None) -> int:
    """Return the number of quantised layers of a trial's network (see `trial_network`).

    The network is built on the meta device; one in a file of code that was not imported has as many as the study has
    recorded. Raises `NetworkError` or `DataError` where it cannot be built.
    """
    network = trial_network(spec, params)
    unknown = is_file_name(network.name) and imported(network.name) is None
    if unknown and spec.layers is not None and not any(map(is_argument, spec.space.parameters)):
        return spec.layers
    return len(_layer_names(network, data_plan(spec.data, spec.quantiser)))


def names_of_layers(spec: StudySpec, params: Mapping[str, Value] | None = None) -> tuple[str, ...]:
    """Return the names of the quantised maps of a trial's network, in order. Raises as `layer_count`."""
    return _layer_names(trial_network(spec, params), data_plan(spec.data, spec.quantiser))


@lru_cache(maxsize=256)
def _layer_names(network: NetworkPlan, data: DataPlan) -> tuple[str, ...]:
    input_shape, classes = dataset_info(data)
    return layer_names(network, input_shape, classes)
