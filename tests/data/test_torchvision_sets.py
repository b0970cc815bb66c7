"""torchvision's data sets, with stand-ins for its classes: no test downloads anything."""

from pathlib import Path
from typing import Any, ClassVar
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision

from ana_search.data import load_dataset
from ana_search.errors import DataError
from ana_search.plan import DataPlan

SHAPES = {"cifar10": (3, 32, 32), "svhn": (3, 32, 32), "fashion_mnist": (1, 28, 28)}
KINDS = {"cifar10": "CIFAR10", "svhn": "SVHN", "fashion_mnist": "FashionMNIST"}


class StandIn:
    """Has the attributes of torchvision's data sets, in the types that each of them has."""

    name: ClassVar[str]
    calls: ClassVar[list[bool]]
    downloads: ClassVar[bool] = True

    def __init__(self, root: str, *, download: bool, train: bool = True, split: str = "train") -> None:
        self.calls.append(download)
        present = Path(root, "present")
        if not present.exists():
            if not download:
                raise RuntimeError("Dataset not found or corrupted. You can use download=True to download it")
            if not self.downloads:
                raise URLError("no route to host")
            print("Downloading ...")
            present.touch()
        count = 40 if train and split == "train" else 20
        pixels = np.random.default_rng(count).integers(0, 256, (count, *SHAPES[self.name]), dtype=np.uint8)
        labels = np.arange(count) % 10
        if self.name == "cifar10":
            self.data: Any = pixels.transpose(0, 2, 3, 1)
            self.targets: Any = labels.tolist()
        elif self.name == "svhn":
            self.data, self.labels = pixels, labels
        else:
            self.data, self.targets = torch.from_numpy(pixels[:, 0]), torch.from_numpy(labels)


@pytest.fixture(params=SHAPES)
def stand_in(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    kind = type("Kind", (StandIn,), {"name": request.param, "calls": []})
    monkeypatch.setattr(torchvision.datasets, KINDS[request.param], kind)
    return kind


def test_images_and_labels(stand_in: type[StandIn], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = load_dataset(DataPlan(stand_in.name, root=str(tmp_path / "new"), validation=0.25))
    assert data.images.shape == (60, *SHAPES[stand_in.name])
    assert (len(data.train), len(data.validation), len(data.test)) == (30, 10, 20)
    original = np.random.default_rng(40).integers(0, 256, (40, *SHAPES[stand_in.name]), dtype=np.uint8)
    assert np.array_equal(data.images[:40].numpy(), original)
    assert data.labels[:12].tolist() == [*range(10), 0, 1]
    assert len(data.classes) == 10
    # Standard output is for results; torchvision prints to it.
    assert "Downloading" not in capsys.readouterr().out


def test_what_is_there_is_not_downloaded(stand_in: type[StandIn], tmp_path: Path) -> None:
    load_dataset(DataPlan(stand_in.name, root=str(tmp_path)))
    assert stand_in.calls == [False, True, False]
    stand_in.calls.clear()
    load_dataset(DataPlan(stand_in.name, root=str(tmp_path)))
    assert stand_in.calls == [False, False]


def test_no_connection(stand_in: type[StandIn], tmp_path: Path) -> None:
    stand_in.downloads = False
    with pytest.raises(DataError, match=rf"{stand_in.name}.*no route to host.*allowed: a network connection"):
        load_dataset(DataPlan(stand_in.name, root=str(tmp_path)))


def test_a_root_that_cannot_be_made(stand_in: type[StandIn], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="could not be downloaded"):
        load_dataset(DataPlan(stand_in.name, root=str(tmp_path / "file" / "below")))
