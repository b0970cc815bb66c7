"""SVHN (Netzer et al., 2011): 73,257 + 26,032 colour images of house numbers, 32x32 pixels, ten digits."""

from ana_search.data.source import Images, Source
from ana_search.data.torchvision_sets import load_parts
from ana_search.plan import DataPlan

__all__ = ["SOURCE"]

_CLASSES = tuple(str(digit) for digit in range(10))
_STATISTICS = ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970))


def _load(plan: DataPlan) -> Images:
    return load_parts(plan, ({"split": "train"}, {"split": "test"}), _CLASSES, _STATISTICS)


def _shape(plan: DataPlan) -> tuple[tuple[int, int, int], int]:
    return (3, 32, 32), 10


SOURCE = Source(load=_load, shape=_shape, flips=False, count=lambda plan: 73_257)
