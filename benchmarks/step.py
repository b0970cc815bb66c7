"""Cost of one training step of the ternary VGG8, relative to the same float network with hard tanh.

    OMP_NUM_THREADS=1 python benchmarks/step.py [--runs 9] [--widths 16 64] [--batch 128] [--parts] [--json FILE]
    python benchmarks/step.py --device cuda --widths 128 --batch 256 [--precision bfloat16] [--compile] [--only WORD]

One thread, CPU time, random images of CIFAR-10's size. A step is what `ana_search.train` does in one: the annealer
sets the noise, forward, loss, backward, optimiser (Adam). All networks take one step a round, so that a disturbance
of the machine meets them all; the ratio is that of the medians. `--parts` prints where the time of a step goes.
On a GPU a round takes ten steps of each network, by wall clock: what the host needs to start the kernels counts too.
"""

import argparse
import copy
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ana_search.ana import Annealer, LayerSchedule, quantise, quantised_layers
from ana_search.networks import NETWORKS
from ana_search.plan import TrainingSettings
from ana_search.training.optimiser import make_optimiser

BASE = "float, hard tanh"
REFERENCE = "uniform/expectation"
BOUND = 1.5
SETTINGS = TrainingSettings(epochs=1)
ON_GPU = 10  # steps in a measurement

# What is bounded is the reference. The others show what else costs.
SCHEDULES = {
    REFERENCE: LayerSchedule(),
    "uniform/random": LayerSchedule(strategy="random"),
    "logistic/mode": LayerSchedule(noise="logistic", strategy="mode"),
    "normal/expectation": LayerSchedule(noise="normal"),
    "annealed, static STE": LayerSchedule(backward="static"),
    "static STE": LayerSchedule(spread=0.0, backward="static"),
}


@dataclass(frozen=True)
class Row:
    """What was measured of one network."""

    width: int
    name: str
    milliseconds: float
    fastest: float
    ratio: float
    bound: float | None

    @property
    def kept(self) -> bool:
        return self.bound is None or self.ratio <= self.bound


class Step:
    """One network with its optimiser."""

    def __init__(self, network: nn.Module, schedule: LayerSchedule | None, options: argparse.Namespace) -> None:
        self.annealer: Annealer | None = None
        if schedule is not None:
            network = quantise(network)
            self.annealer = Annealer(network, [schedule] * len(quantised_layers(network)))
        network = network.train().to(options.device).to(memory_format=torch.channels_last)
        self.optimiser = make_optimiser(network, SETTINGS)
        self.network = torch.compile(network) if options.compile else network
        self.device, self.lower = options.device, options.precision == "bfloat16"

    def __call__(self, images: Tensor, labels: Tensor) -> None:
        if self.annealer is not None:
            self.annealer.set(0.1)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.lower):
            loss = functional.cross_entropy(self.network(images).float(), labels)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.optimiser.step()


def once(step: Callable[[Tensor, Tensor], None], images: Tensor, labels: Tensor) -> float:
    """Return the milliseconds of one step."""
    if images.is_cuda:
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(ON_GPU):
            step(images, labels)
        torch.cuda.synchronize()
        return 1e3 * (time.perf_counter() - start) / ON_GPU
    start = time.process_time()
    step(images, labels)
    return 1e3 * (time.process_time() - start)


def measure(width: int, options: argparse.Namespace) -> list[Row]:
    torch.manual_seed(0)
    images = torch.randn(options.batch, 3, 32, 32).contiguous(memory_format=torch.channels_last).to(options.device)
    labels = torch.randint(10, (options.batch,)).to(options.device)
    network = NETWORKS["vgg8"]((3, 32, 32), 10, width=width)
    schedules: dict[str, LayerSchedule | None] = {BASE: None}
    schedules |= {name: schedule for name, schedule in SCHEDULES.items() if options.only in name}
    steps = {name: Step(copy.deepcopy(network), one, options) for name, one in schedules.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        once(step, images, labels)
    for _ in range(options.runs):
        for name, step in steps.items():
            times[name].append(once(step, images, labels))
    if options.parts:
        for name in {BASE, REFERENCE} & steps.keys():
            with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
                steps[name](images, labels)
            print(f"width {width}, {name}\n{profile.key_averages().table('self_cpu_time_total', row_limit=14)}")
    medians = {name: statistics.median(values) for name, values in times.items()}
    bounds = {REFERENCE: BOUND}
    return [
        Row(width, name, medians[name], min(values), medians[name] / medians[BASE], bounds.get(name))
        for name, values in times.items()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--only", default="", metavar="WORD", help="leave out networks whose name does not hold it")
    parser.add_argument("--parts", action="store_true")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row for width in options.widths for row in measure(width, options)]
    print(f"{'width':>5} {'network':22} {'ms':>8} {'fastest':>8} {'ratio':>6}  bound")
    for row in rows:
        bound = "" if row.bound is None else f"{row.bound:5.2f} {'' if row.kept else 'EXCEEDED'}"
        print(f"{row.width:5} {row.name:22} {row.milliseconds:8.1f} {row.fastest:8.1f} {row.ratio:6.2f}  {bound}")
    if options.json:
        with open(options.json, "w") as file:
            machine = {"machine": platform.processor() or platform.machine(), "torch": torch.__version__}
            json.dump({**vars(options), **machine, "rows": [asdict(row) for row in rows]}, file, indent=2)
    return 0 if all(row.kept for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
