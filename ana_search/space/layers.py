"""The number of quantised layers of a study's network, without training or loading anything."""

from functools import lru_cache

from ana_search.data import dataset_info
from ana_search.networks import count_layers
from ana_search.plan import DataPlan, NetworkPlan
from ana_search.study_file import StudySpec

__all__ = ["layer_count"]


def layer_count(spec: StudySpec) -> int:
    """Return the number of quantised layers of the study's network.

    The network is built on the meta device. Raises `NetworkError` or `DataError` where it cannot be built.
    """
    return _layer_count(spec.network.name, spec.network.width, spec.data.name, spec.data.root)


@lru_cache(maxsize=32)
def _layer_count(network: str, width: int | None, data: str, root: str | None) -> int:
    input_shape, classes = dataset_info(DataPlan(name=data, root=root))
    return count_layers(NetworkPlan(name=network, width=width), input_shape, classes)
