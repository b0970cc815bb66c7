"""Finding a data set by its name and putting its parts together."""

from importlib.metadata import entry_points

import torch

from ana_search.data import cifar10, digits, fashion_mnist, image_folder, svhn
from ana_search.data.coding import dyadic_coding, float_coding
from ana_search.data.dataset import Dataset
from ana_search.data.source import Source, check_images
from ana_search.data.split import pick, split
from ana_search.errors import DataError
from ana_search.plan import DataPlan

__all__ = ["DATASETS", "ENTRY_POINTS", "dataset_info", "load_dataset"]

ENTRY_POINTS = "ana_search.datasets"

DATASETS: dict[str, Source] = {
    "digits": digits.SOURCE,
    "cifar10": cifar10.SOURCE,
    "fashion_mnist": fashion_mnist.SOURCE,
    "svhn": svhn.SOURCE,
    "image_folder": image_folder.SOURCE,
}


def load_dataset(plan: DataPlan) -> Dataset:
    """Return the plan's data set, split as the plan says; the same plan gives the same tensors.

    Raises:
        DataError: an unknown name, missing or unreadable files, or more images asked for than there are.
    """
    source = _find(plan.name)
    raw = check_images(source.load(plan), plan.name)
    images, labels = raw.images, raw.labels
    if plan.train_size is not None:
        chosen = pick(labels, plan.train_size, f"data set {plan.name!r}")
        images, labels = images[chosen], labels[chosen]
    train, validation = split(labels, plan)
    coding = float_coding if plan.input_bits == "float" else dyadic_coding
    return Dataset(
        name=plan.name,
        images=torch.cat([images, raw.test_images]),
        labels=torch.cat([labels, raw.test_labels]),
        train=train,
        validation=validation,
        test=torch.arange(len(images), len(images) + len(raw.test_images)),
        classes=raw.classes,
        coding=coding(list(raw.means), list(raw.deviations)),
        flips=source.flips,
    )


def dataset_info(plan: DataPlan) -> tuple[tuple[int, int, int], int]:
    """Return ((channels, height, width), number of classes) without loading or downloading the images."""
    return _find(plan.name).shape(plan)


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
