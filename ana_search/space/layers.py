"""The network of a trial, and the number of its quantised layers, without training or loading anything."""

from collections.abc import Mapping
from functools import lru_cache

from ana_search.data import dataset_info
from ana_search.networks import count_layers
from ana_search.plan import DataPlan, NetworkPlan
from ana_search.study_file import StudySpec
from ana_search.study_file.parameters import Value
from ana_search.study_file.sections import data_plan, network_plan

__all__ = ["layer_count", "trial_network"]


def trial_network(spec: StudySpec, params: Mapping[str, Value] | None = None) -> NetworkPlan:
    """Return the network of a trial with the parameters ``params``.

    Where the network's arguments are searched and ``params`` leave one out, it has the first of its values.
    """
    return network_plan(spec.network, spec.space.parameters, params or {})


def layer_count(spec: StudySpec, params: Mapping[str, Value] | None = None) -> int:
    """Return the number of quantised layers of a trial's network (see `trial_network`).

    The network is built on the meta device. Raises `NetworkError` or `DataError` where it cannot be built.
    """
    return _layer_count(trial_network(spec, params), data_plan(spec.data, spec.quantiser))


@lru_cache(maxsize=256)
def _layer_count(network: NetworkPlan, data: DataPlan) -> int:
    input_shape, classes = dataset_info(data)
    return count_layers(network, input_shape, classes)
