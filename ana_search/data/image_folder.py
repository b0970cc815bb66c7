"""A user's own images: ``root/train/<class>/`` and ``root/test/<class>/``, decoded once into a cache."""

import hashlib
from pathlib import Path

import torch
from torch import Tensor

from ana_search.data.cache import cache_file, read_cache, write_cache
from ana_search.data.coding import statistics_of
from ana_search.data.decode import FULL_GREY, Form, decode, decode_one, grey_range, size_of
from ana_search.data.listing import Listing, list_images
from ana_search.data.source import Images, Source
from ana_search.data.split import held_out
from ana_search.errors import DataError
from ana_search.plan import DataPlan

__all__ = ["SOURCE"]

_VERSION = 3  # of what is decoded, and how
_TENSORS = {"train", "test", "counts"}


def _load(plan: DataPlan) -> Images:
    found = list_images(plan)
    labels = torch.tensor(found.train.labels)
    files, test_files = list(found.train.files), [] if found.test is None else list(found.test.files)
    test_labels = None if found.test is None else torch.tensor(found.test.labels)
    if test_labels is None:  # a part of them is kept for the test
        search, test = held_out(labels)
        test_files = [files[position] for position in test.tolist()]
        files = [files[position] for position in search.tolist()]
        labels, test_labels = labels[search], labels[test]
    cache = cache_file(found.root, _key(found, plan), _form_words(plan))
    tensors = read_cache(cache, _TENSORS)
    if tensors is None:
        tensors = _decode(found.root, files, test_files, plan)
        write_cache(cache, tensors)
    statistics = statistics_of(tensors["counts"])
    return Images.fitted(tensors["train"], labels, tensors["test"], test_labels, tuple(found.classes), statistics)


def _key(found: Listing, plan: DataPlan) -> str:
    stamps = [*found.train.stamps, *(found.test.stamps if found.test is not None else ["no test part"])]
    text = "\n".join([str(_VERSION), _form_words(plan), *stamps])
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _form_words(plan: DataPlan) -> str:
    """Return the form that images are brought to, in words that are equal for equal forms; none for their own."""
    if plan.size is None and plan.channels is None:
        return ""
    return f"{plan.size} {plan.crop if plan.size is not None else None} {plan.channels}"


def _shape(plan: DataPlan) -> tuple[tuple[int, ...], int]:
    found = list_images(plan)
    return tuple(decode_one(found.train.files[0], Form.of(plan, FULL_GREY)).shape), len(found.classes)


def _count(plan: DataPlan) -> int:
    found = list_images(plan)
    labels = torch.tensor(found.train.labels)
    return len(labels) if found.test is not None else len(held_out(labels)[0])


def _notes(plan: DataPlan) -> list[str]:
    found = list_images(plan)
    if found.test is not None:
        return found.notes
    labels = torch.tensor(found.train.labels)
    kept = len(held_out(labels)[1])
    return [
        *found.notes,
        f"data.root: no test/ in {found.root}: {kept} of its {len(labels)} images, the classes in proportion, take no "
        "part in the search; `confirm` measures on them",
    ]


def _decode(root: Path, train: list[Path], test: list[Path], plan: DataPlan) -> dict[str, Tensor]:
    """Return the images of both parts, and how often each channel of the training images has each value."""
    form = Form.of(plan, grey_range(train))
    images, test_images = decode(train, form), decode(test, form)
    if images.shape[1:] != test_images.shape[1:]:
        raise DataError(
            f"data.root: images in {root} are {size_of(images[0])} in train/, but {size_of(test_images[0])} in test/; "
            "allowed: images of one size and one number of channels, or data.size and data.channels, which bring all "
            "to the same"
        )
    counts = [torch.bincount(channel.flatten(), minlength=256) for channel in images.unbind(1)]
    return {"train": images, "test": test_images, "counts": torch.stack(counts)}


SOURCE = Source(load=_load, shape=_shape, flips=True, count=_count, notes=_notes, coding="fitted")
