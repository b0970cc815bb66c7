"""scikit-learn's digits: 1,797 real 8x8 images of ten classes, part of the package, no download."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ana_search.data.source import Images, Source
from ana_search.data.split import pick
from ana_search.plan import DataPlan

__all__ = ["SOURCE"]

_IMAGES, _TEST_IMAGES = 1_797, 300
_LEVELS = 16  # the largest pixel value of the original


def read_table() -> npt.NDArray[np.float64]:
    """Return one row an image, of shape (1797, 65): its pixels row by row, 0 to 16, and its label.

    Importing scikit-learn takes every launch two to three seconds, its file takes a tenth of one.
    """
    package = find_spec("sklearn")
    if package is not None and package.origin is not None:
        file = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
        if file.is_file():
            return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits

    digits = load_digits()
    return np.column_stack([digits.data, digits.target])


def _load(plan: DataPlan) -> Images:
    table = torch.from_numpy(read_table())
    images = (table[:, :-1].reshape(-1, 1, 8, 8) * (255 / _LEVELS)).round().to(torch.uint8)
    labels = table[:, -1].to(torch.int64)
    is_test = torch.zeros(len(labels), dtype=torch.bool)
    is_test[pick(labels, _TEST_IMAGES, "digits")] = True
    search = images[~is_test]
    fractions = search.double() / 255
    return Images(
        images=search,
        labels=labels[~is_test],
        test_images=images[is_test],
        test_labels=labels[is_test],
        classes=tuple(str(digit) for digit in range(10)),
        means=(fractions.mean().item(),),
        deviations=(fractions.std().item(),),
    )


def _shape(plan: DataPlan) -> tuple[tuple[int, int, int], int]:
    return (1, 8, 8), 10


SOURCE = Source(load=_load, shape=_shape, flips=False, count=lambda plan: _IMAGES - _TEST_IMAGES)
