"""CIFAR-10 (Krizhevsky, 2009): 50,000 + 10,000 colour images of 32x32 pixels, ten classes."""

from ana_search.data.source import Images, Source
from ana_search.data.torchvision_sets import load_parts
from ana_search.plan import DataPlan

__all__ = ["SOURCE"]

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_STATISTICS = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))


def _load(plan: DataPlan) -> Images:
    return load_parts(plan, ({"train": True}, {"train": False}), CLASSES, _STATISTICS)


def _shape(plan: DataPlan) -> tuple[tuple[int, int, int], int]:
    return (3, 32, 32), 10


SOURCE = Source(load=_load, shape=_shape, flips=True, count=lambda plan: 50_000)
