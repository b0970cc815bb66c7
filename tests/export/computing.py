"""What a network computes, in every form it has: trained, frozen, ONNX, QONNX, pt2.

Files are run by their runtimes as a user would run them, without this package's runners: only the names of the
tensors that hold a layer's codes come from the file's metadata.
"""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ana_search.ana import QuantActivation
from ana_search.export.formats.c import CFormat
from ana_search.export.formats.onnx import to_onnx
from ana_search.export.formats.pt2 import Pt2Format
from ana_search.export.formats.qdq import to_qdq
from ana_search.export.integer import FrozenNetwork

LAYERS = "ana_search.layers"


@dataclass
class Computed:
    """The codes of every quantised layer, by name, and the logits, for all images in order."""

    codes: dict[str, NDArray[Any]]
    logits: NDArray[Any]

    @property
    def predictions(self) -> NDArray[Any]:
        return self.logits.argmax(axis=1)


def joined(parts: list[Computed]) -> Computed:
    codes = {name: np.concatenate([part.codes[name] for part in parts]) for name in parts[0].codes}
    return Computed(codes, np.concatenate([part.logits for part in parts]))


def in_batches(pixels: Tensor, batch: int) -> Iterator[Tensor]:
    for start in range(0, len(pixels), batch):
        yield pixels[start : start + batch]


@torch.no_grad()
def trained(network: nn.Module, encode: Callable[[Tensor], Tensor], pixels: Tensor, batch: int) -> Computed:
    """Return what the trained network computes in evaluation mode, in floating point."""
    network.eval()
    taken: dict[str, NDArray[Any]] = {}

    def keep(name: str) -> Any:
        def hook(module: QuantActivation, _: object, output: Tensor) -> None:
            taken[name] = (output / module.quantum).double().numpy()

        return hook

    found = [(name, module) for name, module in network.named_modules() if isinstance(module, QuantActivation)]
    handles = [module.register_forward_hook(keep(name)) for name, module in found]
    try:
        parts = []
        for images in in_batches(pixels, batch):
            logits = network(encode(images))
            parts.append(Computed(dict(taken), logits.numpy()))
    finally:
        for handle in handles:
            handle.remove()
    return joined(parts)


def frozen(network: FrozenNetwork, pixels: Tensor, batch: int) -> Computed:
    parts = [network.logits_and_codes(images) for images in in_batches(pixels, batch)]
    return joined([Computed(dict(codes), logits.numpy()) for logits, codes in parts])


def session(model: onnx.ModelProto, optimise: bool) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimise else level.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def layers_of(model: onnx.ModelProto) -> list[dict[str, Any]]:
    (stored,) = [each.value for each in model.metadata_props if each.key == LAYERS]
    return list(json.loads(stored))


def in_onnxruntime(model: onnx.ModelProto, pixels: Tensor, batch: int, *, optimise: bool) -> Computed:
    """Return what a file computes: logits from the file as it is, codes from a copy with more outputs."""
    layers = layers_of(model)
    tapped = onnx.ModelProto()
    tapped.CopyFrom(model)
    tapped.graph.output.extend(onnx.ValueInfoProto(name=each["tensor"]) for each in layers)
    plain, open_one = session(model, optimise), session(tapped, optimise)
    parts = []
    for images in in_batches(pixels, batch):
        values = open_one.run([each["tensor"] for each in layers], {"pixels": images.numpy()})
        codes = {
            each["layer"]: value.astype(np.int64) - each["zero_point"]
            for each, value in zip(layers, values, strict=True)
        }
        parts.append(Computed(codes, plain.run(None, {"pixels": images.numpy()})[0]))
    return joined(parts)


def in_qonnx(model: onnx.ModelProto, pixels: Tensor, batch: int) -> Computed:
    """Return what the package ``qonnx`` computes, its own shape inference included.

    The file has batch 1, as FINN wants it; for larger ones a copy is given that batch, as ``qonnx`` users do.
    """
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    layers = layers_of(model)
    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    del sized.graph.value_info[:]
    for value in (*sized.graph.input, *sized.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    wrapper = ModelWrapper(sized).transform(InferShapes())
    parts = []
    for images in in_batches(pixels, batch):
        missing = batch - len(images)
        inputs = np.concatenate([images.numpy(), np.zeros((missing, *images.shape[1:]), np.uint8)]).astype(np.float32)
        values = execute_onnx(wrapper, {"pixels": inputs}, return_full_exec_context=True)
        codes = {each["layer"]: values[each["tensor"]][: len(images)].astype(np.float64) for each in layers}
        parts.append(Computed(codes, values["logits"][: len(images)]))
    return joined(parts)


@torch.no_grad()
def in_pt2(network: FrozenNetwork, path: Path, pixels: Tensor, batches: list[int]) -> list[Computed]:
    """Return what the saved program computes, in batches of each of the sizes."""
    path.write_bytes(Pt2Format().files(network, {}).content[".pt2"])
    program = torch.export.load(io.BytesIO(path.read_bytes())).module()
    results = []
    for batch in batches:
        found = [program(images) for images in in_batches(pixels, batch)]
        pairs = [(values[0].numpy(), [value.numpy() for value in values[1:]]) for values in found]
        results.append(
            joined([Computed(dict(zip(network.layers, codes, strict=True)), logits) for logits, codes in pairs])
        )
    return results


def in_files(network: FrozenNetwork, pixels: Tensor, batches: list[int]) -> dict[str, Computed]:
    """Return what the frozen network and its ONNX file compute, by a name that says batch and optimisations."""
    found = {f"frozen, batch {batch}": frozen(network, pixels, batch) for batch in batches}
    for name, model in (("onnx", to_onnx(network)), ("qdq", to_qdq(network))):
        for batch in batches:
            for optimise in (False, True):
                what = f"{name}, batch {batch}, optimisations {'on' if optimise else 'off'}"
                found[what] = in_onnxruntime(model, pixels, batch, optimise=optimise)
    return found


def in_c(network: FrozenNetwork, pixels: Tensor) -> Computed:
    """Return what the C file computes, compiled by the machine's compiler; the scores stand for the logits."""
    made = CFormat().files(network, {}, pixels=pixels)
    runner = CFormat().open(made.content[".c"])
    codes = {name: values.astype(np.float64) for name, values in runner.codes(pixels.numpy()).items()}
    return Computed(codes, runner.logits(pixels.numpy()))


def assert_same_codes(found: Computed, wanted: Computed, what: str) -> None:
    """Assert equal codes and predictions, where the logits have another unit."""
    assert_same(
        Computed(found.codes, np.eye(wanted.logits.shape[1])[found.predictions]),
        Computed(wanted.codes, np.eye(wanted.logits.shape[1])[wanted.predictions]),
        what,
    )


def assert_same(found: Computed, wanted: Computed, what: str) -> None:
    """Assert equal codes everywhere, equal predictions, and logits within 1e-5."""
    assert set(found.codes) == set(wanted.codes), what
    assert wanted.codes, "no quantised layer"
    for layer, codes in wanted.codes.items():
        assert found.codes[layer].shape == codes.shape, (what, layer)
        differing = int((found.codes[layer] != codes).sum())
        assert differing == 0, f"{what}: {differing} of {codes.size} codes of layer {layer} differ"
    assert np.array_equal(found.predictions, wanted.predictions), what
    np.testing.assert_allclose(found.logits, wanted.logits, rtol=1e-5, atol=1e-5, err_msg=what)
