"""Cost of one training step of the ternary VGG8, relative to the same float network with hard tanh.

    OMP_NUM_THREADS=1 python benchmarks/step.py [--runs 9] [--widths 16 64] [--batch 128] [--parts] [--json FILE]
    python benchmarks/step.py --device cuda --widths 128 --batch 256 [--precision bfloat16] [--compile] [--only WORD]
    OMP_NUM_THREADS=1 python benchmarks/step.py --methods
    OMP_NUM_THREADS=1 python benchmarks/step.py --ablation [--network digits_cnn] [--widths 16] [--compile]

One thread, CPU time, random images of CIFAR-10's size. A step is what `ana_search.train` does in one: the annealer
sets the noise, forward, loss, backward, optimiser (Adam). All networks take one step a round, so that a disturbance
of the machine meets them all; the ratio is that of the medians. `--parts` prints where the time of a step goes.
On a GPU a round takes ten steps of each network, by wall clock: what the host needs to start the kernels counts too.

`--methods` takes the methods of `ana_search.ana.methods`, each with the scales of its publication, those of weights one
a channel.

`--ablation` takes out what makes the kernels of `ana_search.ana` fast, one trick at a time, and takes a step with it
and one without it in turn. A trick that costs less than 5 % of a step everywhere does not earn its place.
"""

import argparse
import contextlib
import copy
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ana_search.ana import Annealer, LayerSchedule, quantise, quantised_layers
from ana_search.ana.kernels import autograd, blocks, expectation, mode, normal, sampling, stair, uniform
from ana_search.ana.methods import METHODS
from ana_search.ana.strategies import Strategy
from ana_search.networks import NETWORKS
from ana_search.plan import TrainingSettings
from ana_search.training.optimiser import make_optimiser

BASE = "float, hard tanh"
REFERENCE = "uniform/expectation"
BOUND = 1.5
REFERENCE_BOUND = 1.25  # of the reference noise, from width 64 on
SETTINGS = TrainingSettings(epochs=1)
METHOD_BOUND = 1.6
METHOD_BOUND_WIDE = 1.3  # from width 64 on
ON_GPU = 10  # steps in a measurement

SCHEDULES = {
    REFERENCE: LayerSchedule(),
    "uniform/random": LayerSchedule(strategy="random"),
    "logistic/mode": LayerSchedule(noise="logistic", strategy="mode"),
    "normal/expectation": LayerSchedule(noise="normal"),
    "annealed, static STE": LayerSchedule(backward="static"),
    "static STE": LayerSchedule(spread=0.0, backward="static"),
}


def plainly_at_least(x: Tensor, threshold: float | Tensor) -> Tensor:
    return (x >= threshold).to(x.dtype)


def torchs_uniform(like: Tensor, _source: Any, _start: int = 0) -> Tensor:
    return torch.empty_like(like).uniform_(-1.0, 1.0)


Patch = tuple[Any, str, Any]


@dataclass(frozen=True)
class Trick:
    """What stands for a trick when it is taken out, and the networks that use it (family/strategy)."""

    patches: tuple[Patch, ...]
    used_by: tuple[str, ...]


COMPARING = (blocks, mode, stair, uniform)
TRICKS = {
    "tables of noise": Trick(((sampling, "HALVES", {}),), ("triangular/random", "normal/random", "logistic/random")),
    "blocks": Trick(
        ((blocks, "BLOCK", 1 << 50),),
        ("uniform/expectation", "triangular/expectation", "normal/expectation", "logistic/random"),
    ),
    "half the block": Trick(((blocks, "BLOCK", blocks.BLOCK // 2),), ("uniform/expectation", "normal/expectation")),
    "twice the block": Trick(((blocks, "BLOCK", blocks.BLOCK * 2),), ("uniform/expectation", "normal/expectation")),
    "gelu for the error function": Trick(((normal, "erf_is_cheap", lambda _z: True),), ("normal/expectation",)),
    "polynomial for the error function": Trick(((normal, "_fuses", lambda _z: False),), ("normal/expectation",)),
    "few error functions": Trick(
        ((normal.NormalKernel, "_are_few", lambda _self: False),),
        ("normal/expectation", "normal/random", "normal/mode"),
    ),
    "kept slopes": Trick(
        ((autograd, "keeps_slope", lambda *_: False),),
        ("triangular/expectation", "normal/expectation", "logistic/expectation"),
    ),
    "own random numbers": Trick(((sampling, "random_uniform", torchs_uniform),), ("uniform/random",)),
    "ramps": Trick(
        ((uniform.UniformKernel, "_ramps", lambda _self: None),),
        ("uniform/expectation", "uniform/random", "uniform/mode"),
    ),
    "kernels of the families": Trick(
        ((expectation, "KERNELS", {}),), ("triangular/expectation", "normal/expectation", "logistic/expectation")
    ),
    "comparisons into floats": Trick(
        tuple((module, "at_least", plainly_at_least) for module in COMPARING), ("logistic/mode", "uniform/mode")
    ),
}


@contextlib.contextmanager
def without(patches: tuple[Patch, ...]) -> Iterator[None]:
    """Take out a trick."""
    kept = [(owner, name, getattr(owner, name)) for owner, name, _ in patches]
    try:
        for owner, name, value in patches:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in kept:
            setattr(owner, name, value)


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
            scale = METHODS[schedule.method].scale
            network = quantise(network, scale=scale, per_channel=scale != "fixed")
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
    chosen = {name: LayerSchedule(method=name) for name in METHODS} if options.methods else SCHEDULES
    schedules |= {name: schedule for name, schedule in chosen.items() if options.only in name}
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
    bounds = dict.fromkeys(SCHEDULES, BOUND) | ({REFERENCE: REFERENCE_BOUND} if width >= 64 else {})
    bounds |= dict.fromkeys(METHODS, METHOD_BOUND_WIDE if width >= 64 else METHOD_BOUND)
    return [
        Row(width, name, medians[name], min(values), medians[name] / medians[BASE], bounds.get(name))
        for name, values in times.items()
    ]


def ablation(width: int, options: argparse.Namespace) -> Iterator[tuple[str, str, list[float], list[float]]]:
    """Yield, for each trick and network that uses it, the times of the steps with it and without it."""
    shape = (1, 8, 8) if options.network == "digits_cnn" else (3, 32, 32)
    images = torch.randn(options.batch, *shape).contiguous(memory_format=torch.channels_last).to(options.device)
    labels = torch.randint(10, (options.batch,)).to(options.device)
    network = NETWORKS[options.network](shape, 10, width=width)
    for trick, name in ((trick, name) for trick, given in TRICKS.items() for name in given.used_by):
        if options.only not in f"{trick} {name}":
            continue
        torch.compiler.reset()
        noise, strategy = name.split("/")
        ways: tuple[tuple[Patch, ...], ...] = ((), TRICKS[trick].patches)
        steps: list[Step] = []
        times: tuple[list[float], list[float]] = ([], [])
        for patches in ways:
            with without(patches):
                steps.append(Step(copy.deepcopy(network), LayerSchedule(noise, cast(Strategy, strategy)), options))
                once(steps[-1], images, labels)
        for run in range(options.runs):
            for way in (0, 1) if run % 2 else (1, 0):
                with without(ways[way]):
                    times[way].append(once(steps[way], images, labels))
        yield trick, name, *times


def print_ablation(options: argparse.Namespace) -> None:
    print(f"{options.network}, {'compiled' if options.compile else 'eager'}; ratio: without the trick over with it")
    print(f"{'width':>5} {'trick':28} {'noise':24} {'ms':>7} {'without':>8} {'fastest':>8} {'median':>7}")
    for width in options.widths:
        for trick, name, kept, out in ablation(width, options):
            fastest = min(out) / min(kept)
            median = statistics.median(b / a for a, b in zip(kept, out, strict=True))
            print(
                f"{width:5} {trick:28} {name:24} {min(kept):7.1f} {min(out):8.1f} {fastest:8.3f} {median:7.3f}",
                flush=True,
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--only", default="", metavar="WORD", help="leave out networks whose name does not hold it")
    parser.add_argument("--methods", action="store_true")
    parser.add_argument("--parts", action="store_true")
    parser.add_argument("--ablation", action="store_true")
    parser.add_argument("--network", default="vgg8", choices=("vgg8", "digits_cnn"), help="of the ablation")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if options.ablation:
        print_ablation(options)
        return 0
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
