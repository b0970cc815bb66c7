"""Files with QuantizeLinear: opset 13, and the same predictions in runtimes that are years apart."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from ana_search.export import TrainedModel, export_models, freeze_trained
from ana_search.export.formats.qdq import to_qdq
from tests.export.training import make_plan, trained

# Run in an environment of its own, without this package: what the file gives in another runtime.
IN_ONNXRUNTIME = """
import sys, numpy, onnxruntime
levels = onnxruntime.GraphOptimizationLevel
sample = numpy.load(sys.argv[1] + ".validation.npz")
for level in (levels.ORT_DISABLE_ALL, levels.ORT_ENABLE_ALL):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level, options.log_severity_level = level, 3
    session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
    found = session.run(None, {"pixels": sample["inputs"]})[0].argmax(1)
    print(int((found != sample["predictions"]).sum()), len(found), onnxruntime.__version__)
"""
IN_OPENVINO = """
import sys, numpy, openvino
sample = numpy.load(sys.argv[1] + ".validation.npz")
compiled = openvino.Core().compile_model(sys.argv[1], "CPU")
found = compiled(sample["inputs"])[0].argmax(1)
print(int((found != sample["predictions"]).sum()), len(found), openvino.__version__)
"""
RUNTIMES = {
    "onnxruntime 1.15": (["onnxruntime==1.15.1", "numpy<2"], IN_ONNXRUNTIME),
    "onnxruntime 1.18": (["onnxruntime==1.18.1", "numpy<2"], IN_ONNXRUNTIME),
    "openvino": (["openvino"], IN_OPENVINO),
}


@pytest.mark.parametrize("bits", ["ternary", 4, 8])
def test_plain_nodes_of_opset_13(bits: int | str) -> None:
    network, dataset, _ = trained(make_plan(bits))
    model = to_qdq(freeze_trained(network, dataset))
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 13)]
    kinds = [node.op_type for node in model.graph.node]
    assert not {"QLinearConv", "MatMulInteger", "ConvInteger", "MatMul"} & set(kinds)
    types = {tensor.data_type for tensor in model.graph.initializer}
    assert not types & {onnx.TensorProto.INT2, onnx.TensorProto.INT4, onnx.TensorProto.DOUBLE}
    if bits != 8:  # every layer is one multiplication
        assert kinds.count("Conv") == 4
        assert kinds.count("Gemm") == 2
        assert kinds.count("QuantizeLinear") == 5
    weights = [each for each in model.graph.initializer if each.name.startswith("weight")]
    assert len(weights) == 5
    assert all(each.data_type in (onnx.TensorProto.INT8, onnx.TensorProto.UINT8) for each in weights)


def test_the_manifest_says_what_each_format_needs(tmp_path: Path) -> None:
    plan = make_plan("ternary")
    network, _, accuracy = trained(plan)
    needs = {}
    for name in ("onnx", "qdq"):
        manifest = export_models([TrainedModel("mine", 3, plan, network, accuracy)], tmp_path, file_format=name)
        needs |= {entry.format: entry.needs for entry in manifest.models}
    assert needs["onnx"] is not None
    assert "onnxruntime 1.24 or newer" in needs["onnx"]
    assert "--format qdq" in needs["onnx"]
    assert needs["qdq"] == "any runtime that knows opset 13 of ONNX"


@pytest.mark.slow
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_other_runtimes_predict_the_same(runtime: str, tmp_path: Path) -> None:
    packages, code = RUNTIMES[runtime]
    python = tmp_path / "own" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "own"], check=True)
    words = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{' '.join(packages)} cannot be installed here: {done.stderr[-200:]}")
    for bits in ("ternary", 1, 4, 8):
        plan = make_plan(bits)
        network, _, accuracy = trained(plan)
        folder = tmp_path / str(bits)
        (entry,) = export_models([TrainedModel("mine", 3, plan, network, accuracy)], folder, file_format="qdq").models
        found = subprocess.run([python, "-c", code, folder / entry.file], capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stderr
        for line in found.stdout.splitlines():
            wrong, images, *_ = line.split()
            assert (int(wrong), int(images)) == (0, 200), line
    assert np.isfinite(accuracy)
