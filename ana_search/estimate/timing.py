"""The time of an epoch, from a few steps of the real network on images that mean nothing."""

import math
import time
from dataclasses import dataclass, replace

import psutil
import torch
from torch import nn

from ana_search.data import Dataset, dataset_info, image_count, load_dataset
from ana_search.data.coding import InputStatistics, make_coding
from ana_search.errors import DataError, DivergedError
from ana_search.networks import build_network
from ana_search.plan import DataPlan, TrainingPlan
from ana_search.training import computing_with, train
from ana_search.training.optimiser import steps_per_epoch

__all__ = ["Timing", "image_counts", "images_in_memory", "time_training"]

_FEW, _MORE = 8, 32  # images
_SMALL_IMAGE = 256 * 256  # pixels, up to which memory needs no thought
_NUMBERS_KEPT = 3  # by a step, for each number that a module gives
_SECONDS = 1.0  # that the measured steps should take, or as long as a whole epoch


@dataclass(frozen=True)
class Timing:
    """Seconds of one epoch, its validation included, and the device that took them."""

    epoch_seconds: float
    device: str


def time_training(plan: TrainingPlan, threads: int, gpus: float) -> Timing:
    """Return how long one epoch of ``plan`` takes with so many CPU threads and GPUs for a trial.

    The plan is trained on random images: one step of few images to warm up, then about a second's worth of
    steps, or a whole epoch where that is shorter. Where a single batch takes longer, one step of some more images
    tells what an image costs and what a step costs besides. The data set itself is not read.
    """
    device = torch.device("cuda" if gpus > 0 and torch.cuda.is_available() else "cpu")
    train_images, validation_images = image_counts(plan.data)
    batch = min(plan.training.batch_size, train_images)
    steps = steps_per_epoch(plan.training, train_images)
    share = validation_images / train_images
    with computing_with(threads):
        few = min(batch, _FEW, images_in_memory(plan))
        first = _epoch_seconds(plan, 1, few, 0.0, device)
        images = int(_SECONDS / first * few)
        if few < min(batch, _FEW):
            seconds = first / few * batch
        elif images >= batch or batch <= _MORE:
            measured = max(1, min(steps, images // batch))
            seconds = _epoch_seconds(plan, measured, batch, share, device) / measured
        else:
            more = max(_MORE, images)
            rate = max(0.0, _epoch_seconds(plan, 1, more, share, device) - first) / (more - few)
            seconds = max(0.0, first - few * rate) + batch * rate
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    if device.type == "cpu":
        name = f"CPU, {threads} thread{'s' if threads > 1 else ''}" + (", no GPU here" if gpus > 0 else "")
    return Timing(seconds * steps, name)


def images_in_memory(plan: TrainingPlan) -> int:
    """Return how many images one step can be measured on in the memory that is free. Raises `DataError` below two.

    A step keeps what every module gives, for the backward pass, and about twice as much besides.
    """
    shape, classes = dataset_info(plan.data)
    pixels = math.prod(shape[1:])
    if pixels <= _SMALL_IMAGE:
        return _FEW
    taken = 0

    def count(_module: nn.Module, _inputs: object, output: object) -> None:
        nonlocal taken
        taken += output.numel() if isinstance(output, torch.Tensor) else 0

    with torch.device("meta"), torch.no_grad():
        network = build_network(plan.network, input_shape=shape, classes=classes).eval()
        for module in network.modules():
            if not list(module.children()):
                module.register_forward_hook(count)
        try:
            network(torch.empty(1, *shape))
        except Exception:  # the code of whoever wrote the network: what it does may depend on values
            return _FEW
    each, free = _NUMBERS_KEPT * 4 * taken, psutil.virtual_memory().available
    if 2 * each > free:
        raise DataError(
            f"data: one step of training on 2 examples of shape {list(shape)} takes about "
            f"{2 * each / 2**30:.1f} GiB of memory; allowed: what is free, {free / 2**30:.1f} GiB "
            "(smaller images, or a narrower network)"
        )
    return int(free // each)


def image_counts(plan: DataPlan) -> tuple[int, int]:
    """Return how many images a data set trains and validates on; only a user's own data set is read for it."""
    images = image_count(plan)
    if images is None:
        dataset = load_dataset(plan)
        return len(dataset.train), len(dataset.validation)
    fraction = plan.validation if plan.folds is None else 1 / plan.folds
    validation = round(fraction * images)
    return images - validation, validation


def _epoch_seconds(plan: TrainingPlan, steps: int, batch: int, validation: float, device: torch.device) -> float:
    """Return the seconds of the second of two epochs of ``steps`` steps; ``validation``: images for one trained."""
    dataset = _random_images(plan.data, steps * batch, max(1, round(steps * batch * validation)))
    # A step takes as long whatever the weights were at first: nothing is read or fitted.
    quicker = replace(plan.training, epochs=2, batch_size=batch, learning_rate=1e-6, start="random")
    short = replace(plan, training=quicker)
    if plan.reference is not None:  # a teacher of one epoch answers as fast as any
        quick = replace(plan.reference.training, epochs=1, batch_size=batch, learning_rate=1e-6)
        short = replace(short, reference=replace(plan.reference, training=quick))
    marks: list[float] = []
    try:
        train(short, lambda _: marks.append(time.perf_counter()), dataset=dataset, device=device)
    except DivergedError:  # random images prove nothing about the plan
        return math.nan
    return marks[1] - marks[0]


def _random_images(plan: DataPlan, train_images: int, validation_images: int) -> Dataset:
    """Return a data set of random bytes in the shape of the plan's."""
    shape, classes = dataset_info(plan)
    count = train_images + validation_images
    generator = torch.Generator().manual_seed(0)
    return Dataset(
        name=plan.name,
        images=torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=generator),
        labels=torch.randint(0, classes, (count,), generator=generator),
        train=torch.arange(train_images),
        validation=torch.arange(train_images, count),
        test=torch.arange(0),
        classes=tuple(map(str, range(classes))),
        coding=make_coding(plan, InputStatistics.of_pixels([0.5] * shape[0], [0.25] * shape[0])),
        flips=True,
    )
