"""Networks trained for these tests, a second or two each on one core."""

import functools
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from ana_search.ana import LayerSchedule, decay_intervals
from ana_search.data import Dataset, dataset_info, load_dataset
from ana_search.networks import count_layers
from ana_search.plan import DataPlan, LayerPlan, NetworkPlan, TrainingPlan, TrainingSettings
from ana_search.training import train

ROOT = Path(__file__).resolve().parents[2]
CIFAR = ROOT / "data" / "cifar10-jpeg"
DIGITS = DataPlan("digits", train_size=800, validation=0.25)
BITS = ["ternary", 1, 2, 3, 4, 8]


def some_of_cifar(folder: Path, train_images: int, test_images: int, *, validation: float) -> DataPlan:
    """Copy the first images of every class of CIFAR-10 into ``folder`` and return the plan that reads them."""
    if not CIFAR.is_dir():
        pytest.skip(f"{CIFAR} is missing: `make data/cifar10-jpeg` unpacks it where the archive is at hand")
    for part, count in (("train", train_images), ("test", test_images)):
        for kind in sorted((CIFAR / part).iterdir()):
            (folder / part / kind.name).mkdir(parents=True)
            for file in sorted(kind.iterdir())[:count]:
                shutil.copy(file, folder / part / kind.name)
    return DataPlan("image_folder", root=str(folder), validation=validation)


def make_plan(
    bits: int | str,
    *,
    data: DataPlan = DIGITS,
    network: str = "digits_cnn",
    width: int = 4,
    epochs: int = 6,
    seed: int = 1,
) -> TrainingPlan:
    """Return a plan with a static straight-through backward pass, which learns in few epochs."""
    shape, classes = dataset_info(data)
    layers = count_layers(NetworkPlan(network, width), shape, classes)
    schedules = [
        LayerSchedule(noise="uniform", start=start, end=end, backward="static")
        for start, end in decay_intervals("same_start", layers=layers)
    ]
    return TrainingPlan(
        data=data,
        network=NetworkPlan(network, width),
        layers=tuple(LayerPlan(bits, bits, one, one) for one in schedules),
        training=TrainingSettings(epochs=epochs, batch_size=32, learning_rate=1e-2),
        seed=seed,
    )


@functools.cache
def trained(plan: TrainingPlan) -> tuple[nn.Module, Dataset, float]:
    """Return the plan's network, the data it was trained on, and its accuracy; trained once a process."""
    torch.set_num_threads(1)
    dataset = load_dataset(plan.data)
    result = train(plan, dataset=dataset, device="cpu")
    return result.network, dataset, result.accuracy
