"""What the network sees: padding, normalisation, codes, folds, the last batch, the classifier."""

import dataclasses
import os
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from ana_search.data import augment, check_split, load_dataset
from ana_search.data.coding import pooled
from ana_search.data.decode import decode, decode_one
from ana_search.data.split import split
from ana_search.errors import DataError, ExportRequestError
from ana_search.export.models import freeze_trained, frozen_accuracy
from ana_search.plan import DataPlan, TrainingSettings
from ana_search.training import build, train
from ana_search.training.optimiser import steps_per_epoch
from tests.training.plans import digits_plan, with_settings


def test_zeros_fill_the_border_of_a_crop() -> None:
    """Every image is a crop of the image padded by four black pixels, mirrored or not."""
    images = torch.randint(1, 256, (60, 3, 16, 18), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    padded = nn.functional.pad(images, (4, 4, 4, 4))
    crops = [padded[:, :, i : i + 16, j : j + 18] for i in range(9) for j in range(9)]
    moved = augment(images, flips=True, padding="zeros", generator=torch.Generator().manual_seed(1))
    found = [
        any(torch.equal(new, one) for crop in crops for one in (crop[number], crop[number].flip(-1)))
        for number, new in enumerate(moved)
    ]
    assert all(found)
    same = augment(images, flips=True, generator=torch.Generator().manual_seed(1))
    inside = moved != 0
    assert torch.equal(moved[inside], same[inside])
    assert (moved == 0).any()


def test_pooled_statistics_are_those_of_all_channels_together() -> None:
    channels = torch.rand(3, 1000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    channels *= torch.tensor([[0.2], [0.5], [1.0]])
    means, deviations = pooled(channels.mean(1).tolist(), channels.std(1, correction=0).tolist())
    assert means == pytest.approx([float(channels.mean())] * 3)
    assert deviations == pytest.approx([float(channels.std(correction=0))] * 3)


def test_pixels_keep_codes_of_their_own() -> None:
    data = load_dataset(DataPlan("digits", input_coding="pixels"))
    table = data.coding.table
    assert table is not None
    assert table[0].tolist() == list(range(-128, 128))
    assert torch.equal(data.coding.values, table.float() * data.coding.scale)
    assert torch.log2(torch.tensor(data.coding.scale)).frac() == 0
    seen = data.encode(data.images[data.train])
    assert 0.6 < float(seen.std()) < 1.6


def test_a_network_on_pixel_codes_is_exported_exactly() -> None:
    plan = digits_plan(epochs=2, backward="static")
    plan = dataclasses.replace(plan, data=dataclasses.replace(plan.data, input_coding="pixels"))
    data = load_dataset(plan.data)
    result = train(plan, dataset=data)
    assert result.accuracy > 0.2
    assert frozen_accuracy(freeze_trained(result.network, data), data) == result.accuracy


def test_a_network_on_floats_is_refused_by_name() -> None:
    plan = digits_plan(epochs=1)
    data = load_dataset(dataclasses.replace(plan.data, input_bits="float", normalise="pooled"))
    assert data.coding.table is None
    with pytest.raises(ExportRequestError, match=r"quantiser\.input_bits"):
        freeze_trained(build(plan, (1, 8, 8), 10)[0], data)


def test_folds_by_permutation() -> None:
    labels = torch.arange(1000) // 100
    parts = [split(labels, DataPlan("any", folds=5, fold=fold, stratified=False))[1] for fold in range(5)]
    assert sorted(torch.cat(parts).tolist()) == list(range(1000))
    assert {len(part) for part in parts} == {200}
    counts = torch.stack([torch.bincount(labels[part], minlength=10) for part in parts])
    assert int(counts.max()) > 20 > int(counts.min())  # 20 each where they are stratified


@pytest.mark.parametrize(
    ("images", "drop", "keep"), [(40_000, 156, 157), (512, 2, 2), (513, 2, 2), (514, 2, 3), (9, 1, 1)]
)
def test_the_last_batch(images: int, drop: int, keep: int) -> None:
    settings = TrainingSettings(epochs=1, batch_size=256)
    assert steps_per_epoch(settings, images) == drop
    assert steps_per_epoch(dataclasses.replace(settings, last_batch="keep"), images) == keep


def test_a_kept_last_batch_trains_on_every_image() -> None:
    plan = with_settings(digits_plan(epochs=1), last_batch="keep", batch_size=100)
    data = load_dataset(plan.data)
    seen: list[int] = []
    hook = nn.modules.module.register_module_forward_pre_hook(
        lambda module, inputs: (
            seen.append(len(inputs[0])) if type(module) is nn.Sequential and module.training else None
        )
    )
    try:
        train(plan, dataset=data)
    finally:
        hook.remove()
    assert len(data.train) % 100
    assert sum(seen[:-1]) + seen[-1] >= len(data.train)
    assert len(data.train) % 100 in seen


def test_a_classifier_from_the_normal_distribution() -> None:
    plan = digits_plan(width=16)
    usual, _ = build(plan, (1, 8, 8), 10)
    drawn, _ = build(
        dataclasses.replace(plan, network=dataclasses.replace(plan.network, classifier="normal")), (1, 8, 8), 10
    )
    for name, value in usual.state_dict().items():
        assert torch.equal(value, drawn.state_dict()[name]) == (not name.startswith(_last(usual))), name
    last = drawn.get_submodule(_last(usual))
    assert isinstance(last, nn.Linear)
    assert not last.bias.any()
    assert float(last.weight.detach().std()) == pytest.approx(0.01, rel=0.1)


def _last(network: nn.Module) -> str:
    return [name for name, module in network.named_modules() if type(module) is nn.Linear][-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_size": 1498}, "train_size: got 1498"),
        ({"validation": 1e-12}, "leaves 0 for validation"),
        ({"validation": 0.9999}, "2 for training"),
        ({"folds": 1000, "fold": 999, "train_size": 900}, "fold 999 of 1000 of 900"),
    ],
)
def test_parts_are_checked_without_reading_an_image(options: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_split(DataPlan("digits", **options))  # type: ignore[arg-type]  # made of literals above


def test_a_pipe_is_no_image(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match="no regular file"):
        decode_one(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to("/dev/zero")
    with pytest.raises(DataError, match="no regular file"):
        decode_one(tmp_path / "link.png")


def test_an_image_of_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    Image.new("1", (13_000, 13_000)).save(tmp_path / "large.png")
    with pytest.raises(DataError, match=r"13,000 x 13,000 pixels; allowed: at most 16,777,216"):
        decode_one(tmp_path / "large.png")


def test_more_images_than_there_is_memory_for(tmp_path: Path) -> None:
    Image.new("RGB", (4000, 4000)).save(tmp_path / "one.png")
    with pytest.raises(DataError, match="GiB of memory"):
        decode([tmp_path / "one.png"] * 1_000_000)
