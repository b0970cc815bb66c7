"""Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017): 60,000 + 10,000 grey images of clothes, 28x28 pixels."""

from ana_search.data.source import Images, Source
from ana_search.data.torchvision_sets import load_parts
from ana_search.plan import DataPlan

__all__ = ["SOURCE"]

_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_STATISTICS = ((0.2860,), (0.3530,))


def _load(plan: DataPlan) -> Images:
    return load_parts(plan, ({"train": True}, {"train": False}), _CLASSES, _STATISTICS)


def _shape(plan: DataPlan) -> tuple[tuple[int, int, int], int]:
    return (1, 28, 28), 10


SOURCE = Source(load=_load, shape=_shape, flips=True, count=lambda plan: 60_000)
