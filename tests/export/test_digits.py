"""Trained digits networks: the same codes and predictions in every form, on all validation images."""

from pathlib import Path

import numpy as np
import pytest

from ana_search.export import freeze_trained, frozen_accuracy
from ana_search.export.formats.qonnx import to_qonnx
from tests.export import computing
from tests.export.training import BITS, make_plan, trained

# The others are as much alike as they are slow to write or to run.
SOME = [bits if bits in ("ternary", 4) else pytest.param(bits, marks=pytest.mark.slow) for bits in BITS]


@pytest.mark.parametrize("bits", BITS)
def test_codes_are_equal_everywhere(bits: int | str) -> None:
    network, dataset, accuracy = trained(make_plan(bits))
    assert accuracy > 0.25  # chance is 0.1: it has learnt something
    pixels, labels = dataset.images[dataset.validation], dataset.labels[dataset.validation].numpy()
    frozen = freeze_trained(network, dataset)
    wanted = computing.trained(network, dataset.encode, pixels, 64)
    assert len(wanted.codes) == 5
    assert all(len(np.unique(codes)) > 1 for codes in wanted.codes.values())
    computing.assert_same(computing.trained(network, dataset.encode, pixels, 1), wanted, "trained, batch 1")
    found = computing.in_files(frozen, pixels, [1, 64])
    found["qonnx, batch 64"] = computing.in_qonnx(to_qonnx(frozen), pixels, 64)
    for name, computed in found.items():
        computing.assert_same(computed, wanted, name)
    share = float((wanted.predictions == labels).mean())
    assert frozen_accuracy(frozen, dataset) == share == pytest.approx(accuracy, abs=1e-9)


@pytest.mark.parametrize("bits", SOME)
def test_pt2(bits: int | str, tmp_path: Path) -> None:
    network, dataset, _ = trained(make_plan(bits))
    pixels = dataset.images[dataset.validation]
    wanted = computing.trained(network, dataset.encode, pixels, 64)
    for batch, found in zip(
        [1, 64], computing.in_pt2(freeze_trained(network, dataset), tmp_path / "a.pt2", pixels, [1, 64]), strict=True
    ):
        computing.assert_same(found, wanted, f"pt2, batch {batch}")


@pytest.mark.slow
@pytest.mark.parametrize("bits", BITS)
def test_qonnx_as_it_is(bits: int | str) -> None:
    """One image at a time, which is how the file is written."""
    network, dataset, _ = trained(make_plan(bits))
    pixels = dataset.images[dataset.validation]
    wanted = computing.trained(network, dataset.encode, pixels, 64)
    computing.assert_same(computing.in_qonnx(to_qonnx(freeze_trained(network, dataset)), pixels, 1), wanted, "qonnx")
