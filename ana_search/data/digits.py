"""scikit-learn's digits: 1,797 real 8x8 images of ten classes, part of the package, no download."""

import torch

from ana_search.data.source import Images, Source
from ana_search.data.split import pick
from ana_search.plan import DataPlan

__all__ = ["SOURCE"]

_TEST_IMAGES = 300
_LEVELS = 16  # the largest pixel value of the original


def _load(plan: DataPlan) -> Images:
    from sklearn.datasets import load_digits  # takes a second that reading a study file need not wait for

    raw = load_digits()
    images = (torch.from_numpy(raw.images).unsqueeze(1) * (255 / _LEVELS)).round().to(torch.uint8)
    labels = torch.from_numpy(raw.target).to(torch.int64)
    is_test = torch.zeros(len(labels), dtype=torch.bool)
    is_test[pick(labels, _TEST_IMAGES, "digits")] = True
    search = images[~is_test]
    fractions = search.double() / 255
    return Images(
        images=search,
        labels=labels[~is_test],
        test_images=images[is_test],
        test_labels=labels[is_test],
        classes=tuple(str(name) for name in raw.target_names),
        means=(fractions.mean().item(),),
        deviations=(fractions.std().item(),),
    )


def _shape(plan: DataPlan) -> tuple[tuple[int, int, int], int]:
    return (1, 8, 8), 10


SOURCE = Source(load=_load, shape=_shape, flips=False)
