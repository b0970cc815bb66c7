"""Networks trained on real CIFAR-10 images: the same codes in every form, at every number of bits."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ana_search.export import freeze_trained
from ana_search.export.formats.qonnx import to_qonnx
from ana_search.plan import DataPlan
from tests.export import computing
from tests.export.training import BITS, make_plan, some_of_cifar, trained

pytestmark = pytest.mark.slow
LAYERS = {"vgg8": 7, "resnet20": 19}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataPlan:
    """Return a plan with 210 images for training and 70 for validation."""
    return some_of_cifar(tmp_path_factory.mktemp("cifar"), 28, 1, validation=0.25)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the copies' decoded images out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("network", LAYERS)
def test_codes_are_equal_everywhere(network: str, bits: int | str, data: DataPlan, tmp_path: Path) -> None:
    module, dataset, _ = trained(make_plan(bits, data=data, network=network, width=4, epochs=3))
    pixels = dataset.images[dataset.validation]
    assert len(pixels) == 70
    wanted = computing.trained(module, dataset.encode, pixels, 64)
    assert len(wanted.codes) == LAYERS[network]
    assert all(len(np.unique(codes)) > 1 for codes in wanted.codes.values())
    frozen = freeze_trained(module, dataset)
    found = computing.in_files(frozen, pixels, [1, 64])
    qonnx = to_qonnx(frozen)
    found["qonnx, batch 64"] = computing.in_qonnx(qonnx, pixels, 64)
    if network == "vgg8" or bits in ("ternary", 8):  # the others are more of the same, and a minute longer
        found["qonnx, batch 1"] = computing.in_qonnx(qonnx, pixels, 1)
        batch_1, batch_64 = computing.in_pt2(frozen, tmp_path / "network.pt2", pixels, [1, 64])
        found |= {"pt2, batch 1": batch_1, "pt2, batch 64": batch_64}
    for name, computed in found.items():
        computing.assert_same(computed, wanted, name)
