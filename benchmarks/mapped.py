"""Training on an array larger than the memory against the same examples in memory, side by side in one run.

    python benchmarks/mapped.py --gigabytes 20 --folder /tmp/mapped

The file is sparse: most of its rows are zeros that take no room on the disk, some are noise. Rows are read from all
over it, so that what is timed is a page of its own for every example. Both sides train the same plan on the same
examples in the same order, and must end with the same accuracy.
"""

import argparse
import os
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ana_search.ana import LayerSchedule
from ana_search.data import Dataset, MappedRows, load_dataset
from ana_search.networks import count_layers
from ana_search.plan import DataPlan, LayerPlan, NetworkPlan, TrainingPlan, TrainingSettings
from ana_search.training import train

SHAPE = (3, 32, 32)


def write(folder: Path, gigabytes: float, noisy: int) -> None:
    """Write x.npy, sparse but for ``noisy`` rows, and y.npy."""
    folder.mkdir(parents=True, exist_ok=True)
    count = int(gigabytes * 1e9) // int(np.prod(SHAPE))
    x = np.lib.format.open_memmap(folder / "x.npy", mode="w+", dtype=np.uint8, shape=(count, *SHAPE))
    draw = np.random.default_rng(0)
    for place in np.linspace(0, count - 1, noisy).astype(np.int64):
        x[place] = draw.integers(0, 256, SHAPE, dtype=np.uint8)
    del x
    np.save(folder / "y.npy", np.arange(count) % 10)


def in_memory(data: Dataset) -> Dataset:
    """Return the same data set with the examples of its parts in memory."""
    assert isinstance(data.images, MappedRows)
    return replace(data, images=data.images[:])


def seconds(plan: TrainingPlan, data: Dataset) -> tuple[float, float, float]:
    """Return the wall and the processor's seconds of training without those of the first epoch, and the accuracy."""
    marks: list[tuple[float, float]] = []
    result = train(plan, lambda _: marks.append((time.perf_counter(), time.process_time())), dataset=data)
    (wall, processor), (first_wall, first_processor) = marks[-1], marks[0]
    return wall - first_wall, processor - first_processor, result.accuracy


def forget(file: Path) -> None:
    """Drop what the operating system has kept of a file, so that its rows are read from the disk again."""
    with file.open("rb") as opened:
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--gigabytes", type=float, default=20.0)
    parser.add_argument("--examples", type=int, default=40_000, help="for search, from all over the file")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--width", type=int, default=16)
    options = parser.parse_args()
    if not (options.folder / "x.npy").exists():
        write(options.folder, options.gigabytes, 2_000)
    data_plan = DataPlan("arrays", root=str(options.folder), train_size=options.examples)
    began = time.perf_counter()
    mapped = load_dataset(data_plan)
    print(f"{mapped.images.shape[0]:,} examples kept, loaded in {time.perf_counter() - began:.1f} s")
    # The test part, a fifth of the file, is not trained on, and would not fit into memory.
    search = len(mapped.train) + len(mapped.validation)
    assert isinstance(mapped.images, MappedRows)
    mapped = replace(mapped, images=mapped.images.take(torch.arange(search)), labels=mapped.labels[:search])
    network = NetworkPlan("digits_cnn", options.width)
    layers = count_layers(network, SHAPE, 10)
    layer = LayerPlan("ternary", "ternary", LayerSchedule(), LayerSchedule())
    settings = TrainingSettings(epochs=options.epochs + 1)
    plan = TrainingPlan(data_plan, network, (layer,) * layers, settings, seed=1)
    ratios: list[tuple[float, float]] = []
    for repeat in range(options.repeats):
        sides = [("mapped", mapped), ("memory", in_memory(mapped))]
        forget(options.folder / "x.npy")
        found = {name: seconds(plan, data) for name, data in (sides if repeat % 2 else reversed(sides))}
        assert found["mapped"][2] == found["memory"][2], found
        ratios.append((found["mapped"][0] / found["memory"][0], found["mapped"][1] / found["memory"][1]))
        for name, (wall, processor, _accuracy) in found.items():
            print(f"{name}: {wall:.1f} s, of the processor {processor:.1f} s", flush=True)
    size = (options.folder / "x.npy").stat().st_size / 1e9
    walls, processors = (statistics.median(each) for each in zip(*ratios, strict=True))
    print(f"{size:.1f} GB mapped: {walls:.3f} times the time of memory, {processors:.3f} of the processor (medians)")


if __name__ == "__main__":
    main()
