"""Finding a data set by its name and putting its parts together."""

from dataclasses import dataclass
from importlib.metadata import entry_points

import torch
from torch import Tensor

from ana_search.data import cifar10, digits, fashion_mnist, image_folder, svhn
from ana_search.data.coding import make_coding
from ana_search.data.dataset import Dataset
from ana_search.data.source import Source, check_images
from ana_search.data.split import check_parts, pick, split
from ana_search.errors import DataError
from ana_search.plan import DataPlan

__all__ = [
    "DATASETS",
    "ENTRY_POINTS",
    "ImagePool",
    "check_split",
    "dataset_info",
    "image_count",
    "load_dataset",
    "load_images",
]

ENTRY_POINTS = "ana_search.datasets"

DATASETS: dict[str, Source] = {
    "digits": digits.SOURCE,
    "cifar10": cifar10.SOURCE,
    "fashion_mnist": fashion_mnist.SOURCE,
    "svhn": svhn.SOURCE,
    "image_folder": image_folder.SOURCE,
}


@dataclass(frozen=True)
class ImagePool:
    """All images of a data set, those for search first: what every plan on it shares, whatever its split.

    ``images`` is uint8 [N, C, H, W] and ``labels`` int64 [N]; the first ``search`` of them are for search, the
    rest for the final test. The tensors are not to be written to: several processes may share their memory.
    """

    name: str
    root: str | None
    images: Tensor
    labels: Tensor
    search: int
    classes: tuple[str, ...]
    means: tuple[float, ...]
    deviations: tuple[float, ...]

    def serves(self, plan: DataPlan) -> bool:
        """Return whether these are the plan's images."""
        return (self.name, self.root) == (plan.name, plan.root)


def load_images(plan: DataPlan) -> ImagePool:
    """Read the images of the plan's data set; of the plan only the name and the root count.

    Raises:
        DataError: an unknown name, or missing or unreadable files.
    """
    raw = check_images(_find(plan.name).load(plan), plan.name)
    return ImagePool(
        name=plan.name,
        root=plan.root,
        images=torch.cat([raw.images, raw.test_images]),
        labels=torch.cat([raw.labels, raw.test_labels]),
        search=len(raw.images),
        classes=raw.classes,
        means=raw.means,
        deviations=raw.deviations,
    )


def load_dataset(plan: DataPlan, pool: ImagePool | None = None) -> Dataset:
    """Return the plan's data set, split as the plan says; the same plan gives the same tensors.

    Args:
        plan: which images, and their split.
        pool: the images, if they were read before; their memory is shared.

    Raises:
        DataError: an unknown name, missing or unreadable files, or more images asked for than there are.
    """
    pool = load_images(plan) if pool is None else pool
    images, labels, search = pool.images, pool.labels, pool.search
    if plan.train_size is not None:
        chosen = pick(labels[:search], plan.train_size, f"data set {plan.name!r}")
        images, labels = torch.cat([images[chosen], images[search:]]), torch.cat([labels[chosen], labels[search:]])
        search = len(chosen)
    train, validation = split(labels[:search], plan)
    return Dataset(
        name=plan.name,
        images=images,
        labels=labels,
        train=train,
        validation=validation,
        test=torch.arange(search, len(images)),
        classes=pool.classes,
        coding=make_coding(plan, pool.means, pool.deviations),
        flips=_find(plan.name).flips,
    )


def dataset_info(plan: DataPlan) -> tuple[tuple[int, int, int], int]:
    """Return ((channels, height, width), number of classes) without loading or downloading the images."""
    return _find(plan.name).shape(plan)


def check_split(plan: DataPlan) -> None:
    """Raise `DataError` where the plan asks for more images than there are, or for a part without any.

    Images are not read: of a data set whose number of images is not known without them nothing is said.
    """
    count = _find(plan.name).count
    if count is not None:
        check_parts(count(plan), plan)


def image_count(plan: DataPlan) -> int | None:
    """Return the number of images that search sees, ``None`` where they would have to be read for it."""
    count = _find(plan.name).count
    if count is None:
        return None
    return count(plan) if plan.train_size is None else plan.train_size


def _find(name: str) -> Source:
    if name in DATASETS:
        return DATASETS[name]
    installed = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in installed:
        raise DataError(
            f"unknown data set {name!r}; allowed: {', '.join([*DATASETS, *sorted(installed)])} "
            f"(or an installed one of the entry point group {ENTRY_POINTS})"
        )
    try:
        source = installed[name].load()
    except (ImportError, AttributeError) as error:
        raise DataError(
            f"data set {name!r}: its entry point {installed[name].value!r} cannot be loaded ({error})"
        ) from error
    if not isinstance(source, Source):
        raise DataError(f"entry point {name!r} of {ENTRY_POINTS} must be an ana_search.data.Source, got {source!r}")
    return source
