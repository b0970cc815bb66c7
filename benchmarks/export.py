"""Exported VGG8 against its float graph in onnxruntime: file size, latency, and the time to export and verify.

    python benchmarks/export.py                     # ternary VGG8 at full width (128 channels), about two minutes
    python benchmarks/export.py --bits ternary 4 8 --batches 1 16

The network is not trained: its weights are drawn as training draws them, around the thresholds, and its batch norms
take their statistics from the images, so that all codes occur. Neither size nor speed depends on more. The images are
real ones: the first of every class in --data, a folder with train/<class>/ and test/<class>/.

Size and latency are compared with a float ONNX graph of the same network (float32 convolutions with folded batch norms,
hard tanh), in the same process on one thread, the two taking turns; times are the thread's own, so that
whatever else the machine does counts less. Ends with 1 where the ternary file is less than
15 times smaller, or less than 2 times faster.
"""

import argparse
import json
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import onnx
import torch
from torch import nn

from ana_search.ana import LayerSchedule, StairFunction, quantise
from ana_search.data import Dataset, load_dataset
from ana_search.export import TrainedModel, export_models, freeze_trained
from ana_search.export.formats.onnx import OnnxFormat, open_session, to_onnx
from ana_search.export.formats.onnx.floating import float_onnx
from ana_search.export.verify import verify
from ana_search.networks import build_network
from ana_search.plan import DataPlan, LayerPlan, NetworkPlan, TrainingPlan, TrainingSettings

SMALLER, FASTER = 15.0, 2.0
ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Latency:
    """Milliseconds a call (of the thread that runs it), medians, and the median ratio of neighbouring calls."""

    batch: int
    integer: float
    floating: float
    ratio: float


@dataclass
class Row:
    """What was measured at one number of bits."""

    bits: str
    bytes: int
    float_bytes: int
    freeze_seconds: float
    write_seconds: float
    verify_seconds: float
    export_seconds: float
    nodes: dict[str, int]
    latencies: list[Latency]

    @property
    def smaller(self) -> float:
        return self.float_bytes / self.bytes

    @property
    def kept(self) -> bool:
        return self.smaller >= SMALLER and all(each.ratio >= FASTER for each in self.latencies)


def some_images(source: Path, folder: Path, train: int, validation: int) -> DataPlan:
    """Copy the first images of every class and return the plan that reads them."""
    for part, count in (("train", train + validation), ("test", 1)):
        for kind in sorted(path for path in (source / part).iterdir() if path.is_dir()):
            (folder / part / kind.name).mkdir(parents=True)
            for file in sorted(kind.iterdir())[:count]:
                shutil.copy(file, folder / part / kind.name)
    return DataPlan("image_folder", root=str(folder), validation=validation / (train + validation))


def make_plan(bits: int | str, data: DataPlan, network: str, width: int | None, layers: int) -> TrainingPlan:
    schedule = LayerSchedule()
    return TrainingPlan(
        data=data,
        network=NetworkPlan(network, width),
        layers=(LayerPlan(bits, bits, schedule, schedule),) * layers,
        training=TrainingSettings(epochs=1),
        seed=0,
    )


def make_network(plan: NetworkPlan, bits: int | str, dataset: Dataset) -> nn.Module:
    """Return a network with weights near the thresholds and batch norms that know the images."""
    torch.manual_seed(0)
    stair = StairFunction.for_network(bits)
    network = quantise(build_network(plan, input_shape=dataset.input_shape, classes=len(dataset.classes)), stair, stair)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches
    # Without noise, training computes with the stairs too; only the batch norms learn.
    with torch.no_grad():
        for images, _ in dataset.batches("train", 64):
            network.train()(dataset.encode(images))
    return network.eval()


def compare(integer: onnx.ModelProto, floating: onnx.ModelProto, pixels: torch.Tensor, calls: int) -> Latency:
    """Time the two graphs in turns on the same images."""
    sessions = [open_session(model.SerializeToString()) for model in (integer, floating)]
    feeds = [{"pixels": pixels.numpy()}, {"images": pixels.numpy().astype("float32")}]
    times: list[list[float]] = [[], []]
    for call in range(calls + 2):
        for which, (session, feed) in enumerate(zip(sessions, feeds, strict=True)):
            began = time.thread_time()
            session.run(None, feed)
            if call >= 2:
                times[which].append(1000 * (time.thread_time() - began))
    ratios = [b / a for a, b in zip(*times, strict=True)]
    return Latency(len(pixels), *(statistics.median(each) for each in times), statistics.median(ratios))


def measure(bits: int | str, data: DataPlan, dataset: Dataset, options: argparse.Namespace, folder: Path) -> Row:
    plan = NetworkPlan(options.network, options.width)
    network = make_network(plan, bits, dataset)
    layers = sum(type(module).__name__.startswith(("QuantConv", "QuantLinear")) for module in network.modules())
    began = time.perf_counter()
    frozen = freeze_trained(network, dataset)
    frozen_at = time.perf_counter()
    file = folder / "network.onnx"
    file.write_bytes(OnnxFormat().files(frozen, {}).content[".onnx"])
    written_at = time.perf_counter()
    pixels = dataset.images[dataset.validation]
    runner = OnnxFormat().open(file.read_bytes())
    verify(frozen, pixels, network=network, encode=dataset.encode, runner=runner, file_format=OnnxFormat())
    verified_at = time.perf_counter()
    training_plan = make_plan(bits, data, options.network, options.width, layers)
    model = TrainedModel("benchmark", 0, training_plan, network, 0.0)
    export_models([model], folder / f"models-{bits}", datasets={data: dataset})
    exported_at = time.perf_counter()
    integer, floating = to_onnx(frozen), float_onnx(frozen)
    latencies = [compare(integer, floating, pixels[:batch], options.calls) for batch in options.batches]
    return Row(
        str(bits),
        file.stat().st_size,
        len(floating.SerializeToString()),
        frozen_at - began,
        written_at - frozen_at,
        verified_at - written_at,
        exported_at - verified_at,
        dict(Counter(node.op_type for node in integer.graph.node)),
        latencies,
    )


def show(row: Row, images: int) -> None:
    print(
        f"{row.bits:>8} bits: {row.bytes:,} bytes, float {row.float_bytes:,}: {row.smaller:.2f} times smaller; "
        f"freeze {row.freeze_seconds:.1f} s, write {row.write_seconds:.1f} s, verify {row.verify_seconds:.1f} s "
        f"({images} images), everything with `export_models` {row.export_seconds:.1f} s"
    )
    for each in row.latencies:
        print(
            f"{'':8} batch {each.batch:3}: {each.integer:8.2f} ms, float {each.floating:8.2f} ms: "
            f"{each.ratio:.2f} times faster"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--network", default="vgg8")
    parser.add_argument("--width", type=int)
    parser.add_argument("--bits", nargs="+", default=["ternary"])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--calls", type=int, default=30)
    parser.add_argument("--images", type=int, default=20, help="validation images of each class")
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "cifar10-jpeg")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = some_images(options.data, folder / "images", 20, options.images)
        dataset = load_dataset(data)
        for bits in options.bits:
            rows.append(measure(bits if bits == "ternary" else int(bits), data, dataset, options, folder))
            show(rows[-1], len(dataset.validation))
    if options.json:
        versions = {name: version(name) for name in ("torch", "onnx", "onnxruntime")}
        machine = platform.processor() or platform.machine()
        with open(options.json, "w") as out:
            found = [{**asdict(row), "smaller": row.smaller} for row in rows]
            json.dump({"machine": machine, "versions": versions, "rows": found}, out, indent=2)
    return 0 if all(row.kept for row in rows if row.bits == "ternary") else 1


if __name__ == "__main__":
    sys.exit(main())
