"""Finding a data set by its name and putting its parts together."""

from dataclasses import dataclass
from importlib.metadata import entry_points

import torch
from torch import Tensor

from ana_search.data import arrays, cifar10, digits, fashion_mnist, image_folder, svhn
from ana_search.data.coding import InputStatistics, make_coding
from ana_search.data.dataset import Dataset
from ana_search.data.rows import MappedRows
from ana_search.data.source import Examples, Source, check_images
from ana_search.data.split import check_parts, pick, split
from ana_search.errors import DataError
from ana_search.plan import Coding, DataPlan

__all__ = [
    "DATASETS",
    "ENTRY_POINTS",
    "ImagePool",
    "check_split",
    "coding_of",
    "data_notes",
    "dataset_info",
    "find_source",
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
    "arrays": arrays.SOURCE,
}


@dataclass(frozen=True)
class ImagePool:
    """All examples of a data set, those for search first: what every plan on it shares, whatever its split.

    ``images`` is uint8 [N, ...] and ``labels`` int64 [N]; the first ``search`` of them are for search, the
    rest for the final test. ``form`` is what the images were brought to. The tensors are not to be written to: several
    processes may share their memory.
    """

    name: str
    root: str | None
    form: tuple[object, ...]
    images: Examples
    labels: Tensor
    search: int
    classes: tuple[str, ...]
    statistics: InputStatistics

    def serves(self, plan: DataPlan) -> bool:
        """Return whether these are the plan's images."""
        return (self.name, self.root, self.form) == (plan.name, plan.root, _form(plan))


def _form(plan: DataPlan) -> tuple[object, ...]:
    return plan.size, plan.crop, plan.channels


def load_images(plan: DataPlan) -> ImagePool:
    """Read the examples of the plan's data set; of the plan only the name, the root and the form of images count.

    Raises:
        DataError: an unknown name, or missing or unreadable files.
    """
    raw = check_images(find_source(plan.name).load(plan), plan.name)
    return ImagePool(
        name=plan.name,
        root=plan.root,
        form=_form(plan),
        images=_end_to_end(raw.images, raw.test_images),
        labels=torch.cat([raw.labels, raw.test_labels]),
        search=len(raw.images),
        classes=raw.classes,
        statistics=raw.fit(),
    )


def _end_to_end(images: Examples, test: Examples) -> Examples:
    if isinstance(images, MappedRows) and isinstance(test, MappedRows):
        return images.followed_by(test)
    return torch.cat([images[:], test[:]])


def _taken(images: Examples, positions: Tensor) -> Examples:
    return images.take(positions) if isinstance(images, MappedRows) else images[positions]


def load_dataset(plan: DataPlan, pool: ImagePool | None = None) -> Dataset:
    """Return the plan's data set, split as the plan says; the same plan gives the same tensors.

    Args:
        plan: which images, and their split.
        pool: the images, if they were read before; their memory is shared.

    Raises:
        DataError: an unknown name, missing or unreadable files, or more images asked for than there are.
    """
    source = find_source(plan.name)
    pool = load_images(plan) if pool is None else pool
    images, labels, search = pool.images, pool.labels, pool.search
    if plan.train_size is not None:
        chosen = pick(labels[:search], plan.train_size, f"data set {plan.name!r}")
        kept = torch.cat([chosen, torch.arange(search, len(images))])
        images, labels = _taken(images, kept), labels[kept]
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
        coding=make_coding(plan, pool.statistics, source.coding),
        flips=source.flips,
    )


def dataset_info(plan: DataPlan) -> tuple[tuple[int, ...], int]:
    """Return (the shape of an example, number of classes) without loading or downloading the examples.

    The shape is (channels, height, width) for images, (channels, length) for signals, (features,) for tables.
    """
    return find_source(plan.name).shape(plan)


def data_notes(plan: DataPlan) -> list[str]:
    """Return, one line each, what a user should know of the data: what is left out, and which part is the test's."""
    notes = find_source(plan.name).notes
    return [] if notes is None else notes(plan)


def coding_of(plan: DataPlan) -> Coding:
    """Return what the codes of the plan's input are: what it says, or what its data set does by itself."""
    return plan.input_coding or find_source(plan.name).coding


def check_split(plan: DataPlan) -> None:
    """Raise `DataError` where the plan asks for more images than there are, or for a part without any.

    Images are not read: of a data set whose number of images is not known without them nothing is said.
    """
    count = find_source(plan.name).count
    if count is not None:
        check_parts(count(plan), plan)


def image_count(plan: DataPlan) -> int | None:
    """Return the number of images that search sees, ``None`` where they would have to be read for it."""
    count = find_source(plan.name).count
    if count is None:
        return None
    return count(plan) if plan.train_size is None else plan.train_size


def find_source(name: str) -> Source:
    """Return a data set by its name: one of ours, or an installed one. Raises `DataError` for any other."""
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
