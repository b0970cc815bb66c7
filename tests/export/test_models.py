"""Exporting a trained network: files, manifest, what is left behind when something goes wrong."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto

from ana_search.errors import ExportMismatchError, ExportRequestError
from ana_search.export import FORMATS, TrainedModel, check_directory, export_models, freeze_trained, models
from ana_search.export.formats.base import Files
from ana_search.export.formats.onnx import OnnxFormat
from ana_search.export.integer import FrozenNetwork
from ana_search.export.integer.operations import Thresholds
from tests.export.training import make_plan, trained

STORED = {"ternary": TensorProto.INT2, 1: TensorProto.INT2, 3: TensorProto.INT4, 8: TensorProto.INT8}
TEST = {"mean": 0.8, "low": 0.7, "high": 0.9, "level": 0.95, "accuracies": [0.7, 0.9]}


def model(bits: int | str = "ternary", trial: int = 7, study: str = "mine") -> TrainedModel:
    plan = make_plan(bits)
    network, _, accuracy = trained(plan)
    return TrainedModel(study, trial, plan, network, accuracy, {"noise": "uniform"}, TEST)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    export_models([model()], folder)
    return folder


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    """Return a copy of the exported folder, to be damaged."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for name, data in contents(exported).items():
        (folder / name).write_bytes(data)
    return folder


def test_manifest(exported: Path) -> None:
    (entry,) = json.loads((exported / "manifest.json").read_text())["models"]
    network, dataset, accuracy = trained(make_plan("ternary"))
    file = exported / entry["file"]
    expected = {
        "study": "mine",
        "trial": 7,
        "params": {"noise": "uniform"},
        "plan_hash": make_plan("ternary").hash,
        "format": "onnx",
        "file": "trial-0007.onnx",
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "bytes": len(file.read_bytes()),
        "accuracy": {"validation": accuracy, "frozen": pytest.approx(accuracy, abs=1e-9), "test": TEST},
        "validation_sample": "trial-0007.onnx.validation.npz",
        "verified": True,
    }
    assert expected.items() <= entry.items()
    assert entry["bits"]["weights"] == ["ternary"] * 5
    assert entry["bits"]["input"] == 8
    assert entry["floating"] == ["18 (Linear): keep_last=True"]
    # One channel in, widths 4, 4, 8, 8, then 8 * 2 * 2 to 32, at 2 bits each.
    assert entry["bits"]["stored"] == 2 * (9 * (4 + 16 + 32 + 64) + 32 * 32)
    weights = sum(p.numel() for name, p in network.named_parameters() if name.endswith("weight") and p.dim() > 1)
    assert entry["float_bytes"] > 4 * weights
    assert {"ana-search", "torch", "onnx", "onnxruntime"} == set(entry["versions"])
    assert entry["latency_ms"] > 0
    assert sorted(contents(exported)) == ["manifest.json", "trial-0007.onnx", "trial-0007.onnx.validation.npz"]
    assert entry["validation_images"] == len(dataset.validation) == 200


def test_five_lines_of_onnxruntime_check_the_file(exported: Path) -> None:
    code = """
import json, sys, numpy, onnxruntime
entry = json.load(open("manifest.json"))["models"][0]
sample, session = numpy.load(entry["validation_sample"]), onnxruntime.InferenceSession(entry["file"])
predictions = session.run(None, {session.get_inputs()[0].name: sample["inputs"]})[0].argmax(1)
equal = int((predictions == sample["predictions"]).sum())
print(equal, len(predictions), "ana_search" in sys.modules, "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=exported, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["200", "200", "False", "False"]


def test_a_sample_of_at_least_256_images() -> None:
    assert models.SAMPLE >= 256


@pytest.mark.parametrize("bits", STORED)
def test_weights_in_few_bits(bits: int | str, tmp_path: Path) -> None:
    export_models([model(bits)], tmp_path)
    file = onnx.load(tmp_path / "trial-0007.onnx")
    assert file.opset_import[0].version == 25
    weights = [each for each in file.graph.initializer if each.name.startswith("weight")]
    assert [each.data_type for each in weights] == [STORED[bits]] * 5
    per_byte = {TensorProto.INT2: 4, TensorProto.INT4: 2, TensorProto.INT8: 1}[STORED[bits]]
    assert all(len(each.raw_data) == -(-int(np.prod(each.dims)) // per_byte) for each in weights)
    operations = {node.op_type for node in file.graph.node}
    assert not operations & {"Round", "QuantizeLinear", "BatchNormalization"}  # they break ties in other ways


def test_ternary_networks_are_eight_bit_convolutions(exported: Path) -> None:
    file = onnx.load(exported / "trial-0007.onnx")
    operations = [node.op_type for node in file.graph.node]
    assert operations.count("QLinearConv") == 5
    assert operations.count("Clip") == 5
    assert "GreaterOrEqual" not in operations
    types = {each.name: each.data_type for each in file.graph.initializer}
    for node in file.graph.node:
        if node.op_type == "QLinearConv":
            assert types[node.input[2]] == TensorProto.UINT8
            assert types[node.input[5]] == TensorProto.INT8
            assert types[node.input[8]] == TensorProto.INT32


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_checked_with_its_sample(name: str, tmp_path: Path) -> None:
    manifest = export_models([model()], tmp_path, file_format=name)
    (entry,) = manifest.models
    assert (tmp_path / entry.file).stat().st_size == entry.bytes
    with np.load(tmp_path / entry.validation_sample) as sample:
        assert sample["inputs"].dtype == (np.float32 if name == "qonnx" else np.uint8)
        assert len(sample["inputs"]) == len(sample["predictions"]) == 200
    assert check_directory(tmp_path) == manifest


def thresholds_off(network: torch.nn.Module, dataset: Any) -> FrozenNetwork:
    """Freeze, and raise the thresholds of the first layer by 1: one channel's alone may change nothing."""
    frozen = freeze_trained(network, dataset)
    next(each for each in frozen.operations if isinstance(each, Thresholds)).thresholds.add_(1)
    return frozen


def test_thresholds_off_by_one_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "freeze_trained", thresholds_off)
    with pytest.raises(ExportMismatchError, match=r"the trained network computes: \d+ of \d+ codes of layer 2 differ"):
        export_models([model()], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_that_computes_something_else_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = OnnxFormat.files

    def files_of_another(self: OnnxFormat, frozen: FrozenNetwork, metadata: Any, **options: Any) -> Files:
        network, dataset, _ = trained(make_plan("ternary"))
        return files(self, thresholds_off(network, dataset), metadata, **options)

    monkeypatch.setattr(OnnxFormat, "files", files_of_another)
    with pytest.raises(ExportMismatchError, match="the file does not compute what the frozen network computes"):
        export_models([model()], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_mismatch_leaves_earlier_files_alone(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(copy)
    monkeypatch.setattr(models, "freeze_trained", thresholds_off)
    with pytest.raises(ExportMismatchError):
        export_models([model()], copy)
    assert contents(copy) == before


def test_a_write_that_fails_half_way_leaves_nothing(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = contents(copy)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)  # the files are written before their sample
    with pytest.raises(OSError, match="No space left"):
        export_models([model()], copy)
    assert contents(copy) == before


def test_without_verification_the_manifest_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OnnxFormat, "open", lambda *_: pytest.fail("the file was run"))
    (entry,) = export_models([model()], tmp_path, verify=False).models
    assert entry.verified is False
    assert entry.latency_ms is None


def test_files_of_one_study_gather_in_one_manifest(copy: Path) -> None:
    export_models([model(3, trial=9)], copy)
    manifest = export_models([model(4, trial=9)], copy)
    assert [entry.trial for entry in manifest.models] == [7, 9]
    assert json.loads((copy / "manifest.json").read_text()) == manifest.as_json()
    check_directory(copy)


def test_a_folder_of_another_study_is_not_written_into(copy: Path) -> None:
    before = contents(copy)
    with pytest.raises(ExportRequestError, match="holds models of study mine; give another --out for yours"):
        export_models([model(study="yours")], copy)
    assert contents(copy) == before


def test_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(ExportRequestError, match=r"no format 'tflite'; allowed are onnx, qdq, qonnx, pt2, c"):
        export_models([model()], tmp_path / "out", file_format="tflite")
    assert not (tmp_path / "out").exists()


def edit(folder: Path, **fields: Any) -> None:
    """Change fields of the only entry of a manifest."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["models"][0] |= fields
    (folder / "manifest.json").write_text(json.dumps(manifest))


def truncate(folder: Path) -> None:
    file = folder / "trial-0007.onnx"
    file.write_bytes(file.read_bytes()[:-100])


def flip(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(bytes(data))


def damage(folder: Path) -> None:
    """Put rubbish in place of the file, and its hash into the manifest."""
    data = b"rubbish"
    (folder / "trial-0007.onnx").write_bytes(data)
    edit(folder, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))


def other_predictions(folder: Path) -> None:
    sample = folder / "trial-0007.onnx.validation.npz"
    with np.load(sample) as arrays:
        inputs, predictions = arrays["inputs"], arrays["predictions"].copy()
    predictions[:3] = (predictions[:3] + 1) % 10
    np.savez(sample, inputs=inputs, predictions=predictions)
    edit(folder, validation_sample_sha256=hashlib.sha256(sample.read_bytes()).hexdigest())


REFUSED = {
    "truncated": (truncate, r"trial-0007\.onnx: it is truncated: \d+ bytes, the manifest says \d+"),
    "flipped": (lambda folder: flip(folder, "trial-0007.onnx"), r"it was altered: its SHA-256 is [0-9a-f]{64}"),
    "sample": (lambda folder: flip(folder, "trial-0007.onnx.validation.npz"), "its validation sample .* was altered"),
    "missing": (lambda folder: (folder / "trial-0007.onnx").unlink(), r"the file trial-0007\.onnx is missing"),
    "study": (lambda folder: edit(folder, study="yours"), "its study is 'mine', but the manifest is of study 'yours'"),
    "plan": (lambda folder: edit(folder, plan_hash="0" * 16), "but the manifest is of plan_hash '0000"),
    "rubbish": (damage, "onnxruntime cannot load it"),
    "predictions": (other_predictions, "3 of 200 predictions differ"),
    "format": (
        lambda folder: edit(folder, format="tflite"),
        "its format is 'tflite'; allowed are onnx, qdq, qonnx, pt2, c",
    ),
    "elsewhere": (
        lambda folder: edit(folder, file="../trial-0007.onnx"),
        r"models\[0\]\.file: .* the name of a file in the same folder",
    ),
    "field": (
        lambda folder: edit(folder, sha256=None),
        r"models\[0\]\.sha256: Input should be a valid string, not None",
    ),
    "json": (lambda folder: (folder / "manifest.json").write_text("{"), "Invalid JSON"),
    "empty": (lambda folder: (folder / "manifest.json").write_text('{"models": []}'), "lists no models"),
    "none": (lambda folder: (folder / "manifest.json").unlink(), "no such file; give a folder"),
}


@pytest.mark.parametrize("damage", REFUSED)
def test_what_a_check_refuses(damage: str, copy: Path) -> None:
    check_directory(copy)
    do, reason = REFUSED[damage]
    do(copy)
    with pytest.raises(ExportRequestError, match=reason):
        check_directory(copy)


def test_floating_point_inputs_are_refused(tmp_path: Path) -> None:
    network, dataset, _ = trained(make_plan("ternary"))
    coding = type(dataset.coding)(dataset.coding.values, None, 1.0)
    with pytest.raises(ExportRequestError, match=r"quantiser\.input_bits is 'float'; allowed is 8"):
        freeze_trained(network, type(dataset)(**{**vars(dataset), "coding": coding}))
