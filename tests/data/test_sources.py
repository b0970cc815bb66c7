"""Splits to the image, and what a package's own data set must be like."""

from dataclasses import replace
from importlib.metadata import EntryPoint
from typing import Any

import pytest
import torch

from ana_search.data import DATASETS, Images, Source, augment, load_dataset
from ana_search.data.split import split
from ana_search.errors import DataError
from ana_search.plan import DataPlan

UNEQUAL = torch.cat([torch.full((count,), label) for label, count in enumerate((103, 57, 11, 5))])


@pytest.mark.parametrize("folds", [2, 5, 7])
def test_every_fold_has_its_share_of_every_class(folds: int) -> None:
    sizes = []
    for fold in range(folds):
        train, validation = split(UNEQUAL, DataPlan("any", folds=folds, fold=fold))
        assert sorted([*train.tolist(), *validation.tolist()]) == list(range(len(UNEQUAL)))
        counts = torch.bincount(UNEQUAL[validation], minlength=4)
        for count, total in zip(counts.tolist(), (103, 57, 11, 5), strict=True):
            assert total // folds <= count <= -(-total // folds)
        sizes.append(len(validation))
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 0.9])
def test_every_fraction_has_its_share_of_every_class(fraction: float) -> None:
    _, validation = split(UNEQUAL, DataPlan("any", validation=fraction))
    counts = torch.bincount(UNEQUAL[validation], minlength=4)
    assert counts.tolist() == pytest.approx([fraction * n for n in (103, 57, 11, 5)], abs=1.5)


def test_a_smaller_train_size_is_part_of_a_larger_one() -> None:
    few, more = (load_dataset(DataPlan("digits", train_size=size)) for size in (100, 300))
    chosen = {image.numpy().tobytes() for image in more.images[:300]}
    assert all(image.numpy().tobytes() in chosen for image in few.images[:100])


def test_more_folds_than_images() -> None:
    with pytest.raises(DataError, match="fold 190 of 200 of 176 images leaves 0 for validation"):
        split(UNEQUAL, DataPlan("any", folds=200, fold=190))


@pytest.mark.parametrize("size", [0, -3])
def test_train_size_below_one(size: int) -> None:
    with pytest.raises(DataError, match=f"train_size: got {size}"):
        load_dataset(DataPlan("digits", train_size=size))


def test_digits_house_numbers_and_arrays_are_never_mirrored() -> None:
    assert {name for name, source in DATASETS.items() if not source.flips} == {"digits", "svhn", "arrays"}


def test_augmentation_draws_the_same_from_the_same_generator_state() -> None:
    images = torch.randint(0, 256, (5, 3, 12, 9), dtype=torch.uint8, generator=torch.Generator())
    one, other = (augment(images, flips=True, generator=torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(one, other)


def test_mirroring_alone_keeps_or_flips_each_image() -> None:
    # Images of 3 x 3 pixels have no margin to be moved by.
    images = torch.arange(40 * 9, dtype=torch.int32).remainder(256).to(torch.uint8).view(40, 1, 3, 3)
    seen = augment(images, flips=True, generator=torch.Generator().manual_seed(0))
    flipped = [torch.equal(new, old.flip(-1)) for new, old in zip(seen, images, strict=True)]
    kept = [torch.equal(new, old) for new, old in zip(seen, images, strict=True)]
    assert all(one != other for one, other in zip(flipped, kept, strict=True))
    assert 8 <= sum(flipped) <= 32


def good() -> Images:
    images = torch.arange(20 * 12, dtype=torch.int32).to(torch.uint8).view(20, 1, 3, 4)
    labels = torch.arange(20) % 2
    return Images(images, labels, images[:4], labels[:4], ("a", "b"), (0.5,), (0.2,))


BAD: dict[str, dict[str, Any]] = {
    "floating-point images": {"images": good().images.float()},
    "test images of another size": {"test_images": good().test_images[:, :, :2]},
    "no channels": {"images": good().images[:, 0], "test_images": good().test_images[:, 0]},
    "too few labels": {"labels": good().labels[:-1]},
    "labels of another type": {"labels": good().labels.int()},
    "a label without a class": {"labels": good().labels + 1},
    "a negative label": {"test_labels": good().test_labels - 1},
    "no test images": {"test_images": good().test_images[:0], "test_labels": good().test_labels[:0]},
    "no deviation": {"deviations": (0.0,)},
    "statistics of three channels": {"means": (0.1, 0.2, 0.3)},
}


def install(monkeypatch: pytest.MonkeyPatch, found: object) -> None:
    point = EntryPoint("mine", "somewhere:SOURCE", "ana_search.datasets")
    monkeypatch.setattr(EntryPoint, "load", lambda self: found)
    monkeypatch.setattr("ana_search.data.load.entry_points", lambda group: [point])


def test_a_good_source(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Source(load=lambda plan: good(), shape=lambda plan: ((1, 3, 4), 2), flips=True))
    data = load_dataset(DataPlan("mine", validation=0.5))
    assert (len(data.train), len(data.validation), len(data.test)) == (10, 10, 4)
    assert data.input_shape == (1, 3, 4)


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_source_is_refused(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images = replace(good(), **BAD[fault])
    install(monkeypatch, Source(load=lambda plan: images, shape=lambda plan: ((1, 3, 4), 2), flips=True))
    with pytest.raises(DataError, match=r"data set 'mine': .* must"):
        load_dataset(DataPlan("mine"))


def test_an_entry_point_that_is_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, print)
    with pytest.raises(DataError, match=r"must be an ana_search\.data\.Source"):
        load_dataset(DataPlan("mine"))


def test_an_entry_point_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mine", "ana_search.no_such_module:SOURCE", "ana_search.datasets")
    monkeypatch.setattr("ana_search.data.load.entry_points", lambda group: [point])
    with pytest.raises(DataError, match=r"entry point 'ana_search\.no_such_module:SOURCE' cannot be loaded"):
        load_dataset(DataPlan("mine"))
