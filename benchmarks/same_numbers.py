"""Whether two versions of the code train to the same numbers, bit by bit.

    OMP_NUM_THREADS=1 python benchmarks/same_numbers.py --write before.npz     # in a checkout of the older version
    OMP_NUM_THREADS=1 python benchmarks/same_numbers.py --compare before.npz   # in the newer one

Trains, eager and one after the other on one thread, two-epoch plans of every study in `studies/` (on few images and
narrow networks; CIFAR-10's images are replaced by random ones of the same size) and one of every noise family,
strategy, backward noise and method on the digits. It keeps the accuracy and the logits of 64 images. Exit code 0 if
all are the same to the last bit.
"""

import argparse
import itertools
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import torch
from numpy.typing import NDArray

from ana_search.ana import NOISE_FAMILIES, LayerSchedule
from ana_search.data import Dataset, load_dataset
from ana_search.plan import DataPlan, LayerPlan, NetworkPlan, TrainingPlan, TrainingSettings
from ana_search.planner import make_plan
from ana_search.shipped import find_study_file, shipped_studies
from ana_search.space import suggest
from ana_search.study_file import load_study_file
from ana_search.training import train

DIGITS = DataPlan("digits", train_size=400, validation=0.25)


def study_plans() -> dict[str, TrainingPlan]:
    """Return two small plans of every shipped study, with parameters drawn at random."""
    plans = {}
    for name in (row["study"] for row in shipped_studies()):
        spec = load_study_file(find_study_file(name))
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        for draw in range(2):
            plan = make_plan(spec, suggest(study.ask(), spec), seed=draw)
            training = replace(plan.training, epochs=2, batch_size=64)
            network = replace(plan.network, width=8)
            plans[f"{name} {draw}"] = replace(plan, data=DIGITS, network=network, training=training)
    return plans


def noise_plans() -> dict[str, TrainingPlan]:
    """Return a plan of every kind of noise."""
    plans = {}
    for family, strategy, backward, bits in itertools.product(
        NOISE_FAMILIES, ("expectation", "mode", "random"), ("same", "static"), ("ternary", 4)
    ):
        schedule = LayerSchedule(family, strategy, mean=-0.2, backward=backward, backward_noise=family)
        plans[f"{family} {strategy} {backward} {bits}"] = one_noise(schedule, bits)
    for family in NOISE_FAMILIES:
        plans[f"{family} freezing"] = one_noise(LayerSchedule(family, method="freezing"), "ternary")
    return plans


def one_noise(schedule: LayerSchedule, bits: Any) -> TrainingPlan:
    layers = (LayerPlan(bits, bits, schedule, schedule),) * 5
    return TrainingPlan(DIGITS, NetworkPlan("digits_cnn", 4), layers, TrainingSettings(epochs=2, batch_size=50), seed=3)


def random_images(digits: Dataset) -> Dataset:
    """Return a data set of CIFAR-10's shape with random images."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (400, 3, 32, 32), dtype=torch.uint8, generator=generator)
    table = digits.coding.table
    coding = replace(digits.coding, values=digits.coding.values.repeat(3, 1), table=table.repeat(3, 1))
    order = torch.arange(400)
    parts = {"train": order[:300], "validation": order[300:], "test": order[:0]}
    return replace(digits, name="random", images=images, labels=digits.labels[:400], coding=coding, flips=True, **parts)


def numbers(plan: TrainingPlan, dataset: Dataset) -> NDArray[np.float64]:
    """Return the accuracy and the logits of 64 images, in one row."""
    result = train(plan, dataset=dataset, device="cpu")
    with torch.no_grad():
        logits = result.network(dataset.encode(dataset.images[:64]))
    return np.concatenate([[result.accuracy], logits.double().flatten().numpy()])


def everything() -> dict[str, NDArray[np.float64]]:
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    digits = load_dataset(DIGITS)
    cifar = random_images(digits)
    found = {}
    for name, plan in (study_plans() | noise_plans()).items():
        found[name] = numbers(plan, digits if plan.network.name == "digits_cnn" else cifar)
        print(f"{name:45} {found[name][0]:.6f}", file=sys.stderr, flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--write", metavar="FILE")
    parser.add_argument("--compare", metavar="FILE")
    options = parser.parse_args()
    before: dict[str, NDArray[np.float64]] = {}
    if options.compare:
        with np.load(options.compare) as file:
            before = dict(file.items())
    found = everything()
    if options.write:
        np.savez_compressed(options.write, **found)
    if not options.compare:
        return 0
    other = 0
    for name in found.keys() | before.keys():
        if name not in found or name not in before:
            print(f"{name}: only one of the two versions has this plan")
        elif not np.array_equal(before[name], found[name], equal_nan=True):
            accuracy, *logits = np.abs(before[name] - found[name])
            print(f"{name}: the accuracy differs by {accuracy:.2g}, the logits by up to {max(logits):.2g}")
        else:
            continue
        other += 1
    print(f"{len(found) - other} of {len(found)} plans trained to the same bits")
    return int(other > 0)


if __name__ == "__main__":
    sys.exit(main())
