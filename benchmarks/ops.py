"""Cost of the noisy stair, forward and backward, relative to `torch.nn.functional.hardtanh`.

    OMP_NUM_THREADS=1 python benchmarks/ops.py [--runs 9] [--mode eager|compiled|both] [--resident] [--json FILE]
    python benchmarks/ops.py --device cuda --size 64000000 [--runs 9] [--mode eager|compiled|both]

One thread, 4 million float32, CPU time. Every case runs once a round, so that a disturbance of the machine meets
them all; the ratio is that of the medians, to eager hardtanh. Each compiled case takes mean and spread as 0-d
tensors, as the layers do. Brevitas's ternary activation is measured when `brevitas` is installed.

Hardtanh spends more time on the page faults of its two results than on computing them, as long as the C library
gives freed memory back. `--resident` makes it keep the memory (glibc only): then computing alone is compared.

On a GPU the time is the device's, between two events.
"""

import argparse
import ctypes
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import FunctionType

import torch
from torch import Tensor
from torch.nn.functional import hardtanh

from ana_search.ana import NOISE_FAMILIES, Noise, StairFunction, regularise
from ana_search.ana.strategies import STRATEGIES

Function = Callable[[Tensor], Tensor]
BASE = "hardtanh"
_AHEAD = 20_000_000  # clock cycles


@dataclass(frozen=True)
class Case:
    """One thing to measure."""

    name: str
    function: Function


@dataclass(frozen=True)
class Row:
    """What was measured of one case."""

    mode: str
    name: str
    milliseconds: float
    fastest: float
    ratio: float
    ratio_to_eager: float


def noisy(stair: StairFunction, family: str, strategy: str, spread: float, *, tensors: bool) -> Function:
    mean: float | Tensor = 0.0
    width: float | Tensor = spread * stair.quantum
    most = None
    if tensors:
        mean, width, most = torch.tensor(mean), torch.tensor(width), width
    noise = Noise(family, mean, width, most=most)
    return lambda x: regularise(x, stair, noise, strategy=strategy)


def cases(mode: str, spread: float) -> list[Case]:
    in_graph = mode == "compiled"
    found = [Case(BASE, lambda x: hardtanh(x))]
    for family in NOISE_FAMILIES:
        for strategy in STRATEGIES:
            function = noisy(StairFunction.ternary(), family, strategy, spread, tensors=in_graph)
            found.append(Case(f"{family}/{strategy}", function))
    eight = noisy(StairFunction.for_network(8), "uniform", "expectation", spread, tensors=in_graph)
    found.append(Case("8-bit uniform/expectation", eight))
    ste = Noise("uniform", spread=0.5)
    found.append(Case("ternary STE", lambda x: regularise(x, StairFunction.ternary(), Noise("uniform"), ste)))
    if not in_graph:
        found.append(Case("fake_quantize", lambda x: torch.fake_quantize_per_tensor_affine(x, 1.0, 0, -1, 1)))
        found.extend(brevitas())
    return found


def brevitas() -> list[Case]:
    """Return Brevitas's ternary activation, if it can be imported."""
    try:
        from brevitas.core.quant import TernaryQuant
        from brevitas.core.scaling import ConstScaling
    except ImportError:
        return []
    quantiser = TernaryQuant(ConstScaling(1.0), threshold=0.5)
    return [Case("brevitas ternary", lambda x: quantiser(x)[0])]


def compiled(case: Case) -> Function:
    """Return the case compiled; as a function of its own, since torch limits the variants of one function."""
    original = case.function
    own = FunctionType(original.__code__.replace(co_name=case.name), original.__globals__, closure=original.__closure__)
    function: Function = torch.compile(own, fullgraph=True)
    return function


def once(function: Function, x: Tensor, gradient: Tensor) -> float:
    """Return the milliseconds of one forward and one backward pass."""
    x.grad = None
    if x.is_cuda:
        start_event, end_event = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda._sleep(_AHEAD)  # so that the device never waits for the host
        start_event.record()
        function(x).backward(gradient)
        end_event.record()
        torch.cuda.synchronize()
        return float(start_event.elapsed_time(end_event))
    start = time.process_time()
    function(x).backward(gradient)
    return 1e3 * (time.process_time() - start)


def measure(mode: str, runs: int, size: int, spread: float, device: str) -> list[Row]:
    torch.manual_seed(0)
    x = torch.randn(size, device=device, requires_grad=True)
    gradient = torch.randn(size, device=device)
    todo = [Case("eager " + BASE, hardtanh)] if mode == "compiled" else []
    for case in cases(mode, spread):
        function = compiled(case) if mode == "compiled" else case.function
        todo.append(Case(case.name, function))
    for case in todo:
        for _ in range(2):
            once(case.function, x, gradient)
    times: dict[str, list[float]] = {case.name: [] for case in todo}
    for _ in range(runs):
        for case in todo:
            times[case.name].append(once(case.function, x, gradient))
    medians = {name: statistics.median(values) for name, values in times.items()}
    eager = medians.get("eager " + BASE, medians[BASE])
    rows = []
    for case in todo:
        ms = medians[case.name]
        rows.append(Row(mode, case.name, ms, min(times[case.name]), ms / medians[BASE], ms / eager))
    return rows


def keep_memory() -> None:
    """Make glibc's allocator keep what is freed."""
    largest, trim, mmap = 2**31 - 1, -1, -3
    libc = ctypes.CDLL(None)
    libc.mallopt(mmap, 1 << 30)
    libc.mallopt(trim, largest)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--size", type=int, default=4_000_000)
    parser.add_argument("--spread", type=float, default=0.5)
    parser.add_argument("--mode", choices=("eager", "compiled", "both"), default="both")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--resident", action="store_true")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    if options.resident:
        keep_memory()
    torch.set_num_threads(1)
    rows: list[Row] = []
    for mode in ("eager", "compiled"):
        if options.mode in (mode, "both"):
            rows += measure(mode, options.runs, options.size, options.spread, options.device)
    print(f"{'mode':9} {'case':26} {'ms':>7} {'fastest':>8} {'ratio':>6} {'own':>6}")
    for row in rows:
        print(
            f"{row.mode:9} {row.name:26} {row.milliseconds:7.2f} {row.fastest:8.2f} "
            f"{row.ratio_to_eager:6.2f} {row.ratio:6.2f}"
        )
    if options.json:
        with open(options.json, "w") as file:
            machine = {"machine": platform.processor() or platform.machine(), "torch": torch.__version__}
            json.dump({**vars(options), **machine, "rows": [asdict(row) for row in rows]}, file, indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
