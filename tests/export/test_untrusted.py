"""Files from elsewhere: `export --check` runs none of their code and reads nothing outside their folder."""

import hashlib
import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from ana_search.errors import ExportRequestError
from ana_search.export import FORMATS, TrainedModel, check_directory, export_models
from tests.export.training import make_plan, trained

Edit = Callable[[Path, Path], None]
"""Changes the one file of a folder; what it would run leaves a file at the second path."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return one folder a format, with one exported model in it."""
    plan = make_plan("ternary")
    network, _, accuracy = trained(plan)
    model = TrainedModel("mine", 7, plan, network, accuracy)
    found = {}
    for name in ("onnx", "qonnx", "pt2"):
        found[name] = tmp_path_factory.mktemp(name)
        export_models([model], found[name], file_format=name)
    return found


def copied(source: Path, to: Path) -> Path:
    to.mkdir()
    for file in source.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


def reseal(folder: Path) -> None:
    """Write the hashes of the files as they are into the manifest, as whoever altered them would."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for entry in manifest["models"]:
        data = (folder / entry["file"]).read_bytes()
        entry["sha256"], entry["bytes"] = hashlib.sha256(data).hexdigest(), len(data)
        sample = (folder / entry["validation_sample"]).read_bytes()
        entry["validation_sample_sha256"] = hashlib.sha256(sample).hexdigest()
    path.write_text(json.dumps(manifest))


class Evil:
    """Leaves a file when it is unpickled."""

    def __init__(self, witness: Path) -> None:
        self.witness = str(witness)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.witness,)


def the_file(folder: Path) -> Path:
    return folder / json.loads((folder / "manifest.json").read_text())["models"][0]["file"]


def in_archive(member: str, change: Callable[[bytes, Path], bytes], *, new: dict[str, bytes] | None = None) -> Edit:
    """Return an edit of one member of a .pt2 archive."""

    def edit(folder: Path, witness: Path) -> None:
        path = the_file(folder)
        with zipfile.ZipFile(path) as old:
            members = {name: old.read(name) for name in old.namelist()}
        root = next(iter(members)).partition("/")[0]
        for name, content in (new or {}).items():
            members[f"{root}/{name}"] = content or pickle.dumps(Evil(witness))
        for name in members:
            if name.endswith(member):
                members[name] = change(members[name], witness)
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)

    return edit


def in_program(old: str, new: str) -> Edit:
    return in_archive(
        "models/model.json", lambda text, witness: _replaced(text, old, new.replace("WITNESS", str(witness)))
    )


def _replaced(text: bytes, old: str, new: str) -> bytes:
    assert old.encode() in text, old
    return text.replace(old.encode(), new.encode())


def pickled_weight(text: bytes, _: Path) -> bytes:
    config = json.loads(text)
    next(iter(config["config"].values()))["use_pickle"] = True
    return json.dumps(config).encode()


def pickled_sample(_: bytes, witness: Path) -> bytes:
    file = io.BytesIO()
    torch.save(Evil(witness), file)
    return file.getvalue()


def opaque_constant(text: bytes, _: Path) -> bytes:
    weights = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
    return json.dumps({"config": {"constant": weights}}).encode()


SYMBOL = "Symbol('s"
PT2: dict[str, tuple[Edit, str]] = {
    "weight": (in_archive("weights_config.json", pickled_weight), "is a pickle; allowed are plain bytes"),
    "constant": (
        in_archive("constants_config.json", opaque_constant, new={"data/constants/opaque_obj_0": b""}),
        "opaque_obj_0' is none that ana-search writes|is a pickle",
    ),
    "sample": (in_archive("sample_inputs/model.pt", pickled_sample), "its sample is more than tensors"),
    "function": (
        in_program("torch.ops.aten.flatten.using_ints", "torch.os.mkdir"),
        r"the operation 'torch\.os\.mkdir'",
    ),
    "file operator": (
        in_program("torch.ops.aten.flatten.using_ints", "torch.ops.aten.from_file.default"),
        "the operation 'torch.ops.aten.from_file.default'",
    ),
    "expression": (
        in_program(SYMBOL, "__import__('os').mkdir('WITNESS') or Symbol('s"),
        'the expression "__import__',
    ),
    "guards": (
        in_program('"guards_code": []', "\"guards_code\": [\"__import__('os').mkdir('WITNESS')\"]"),
        "guards_code",
    ),
    "container": (
        in_program('\\"type\\": \\"builtins.dict\\"', '\\"type\\": \\"collections.defaultdict\\"'),
        "the container 'collections.defaultdict'",
    ),
    "object": (in_program('"as_none"', '"as_custom_obj"'), "an argument of the kind 'as_custom_obj'"),
    "library": (
        in_archive("nothing", lambda text, _: text, new={"data/aotinductor/model/a.wrapper.so": b"x"}),
        "is none that ana-search writes",
    ),
    "legacy weights": (
        in_archive("nothing", lambda text, _: text, new={"data/weights/model.pt": b""}),
        "is none that ana-search writes",
    ),
}


@pytest.mark.parametrize("attack", PT2)
def test_an_archive_runs_nothing(attack: str, folders: dict[str, Path], tmp_path: Path) -> None:
    edit, reason = PT2[attack]
    folder, witness = copied(folders["pt2"], tmp_path / "copy"), tmp_path / "witness"
    edit(folder, witness)
    reseal(folder)
    with pytest.raises(ExportRequestError, match=reason):
        check_directory(folder)
    assert not witness.exists()


def in_graph(change: Callable[[onnx.ModelProto, Path], None]) -> Edit:
    def edit(folder: Path, witness: Path) -> None:
        path = the_file(folder)
        model = onnx.load(path)
        change(model, witness)
        path.write_bytes(model.SerializeToString())

    return edit


def external(location: str) -> Callable[[onnx.ModelProto, Path], None]:
    def change(model: onnx.ModelProto, witness: Path) -> None:
        tensor = model.graph.initializer[0]
        where = onnx.StringStringEntryProto(key="location", value=location.replace("WITNESS", str(witness)))
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.append(where)

    return change


def other_domain(model: onnx.ModelProto, _: Path) -> None:
    model.opset_import.append(helper.make_opsetid("antigravity", 1))
    model.graph.node[0].domain = "antigravity"


def other_model(model: onnx.ModelProto, _: Path) -> None:
    """An operator of qonnx that opens another model."""
    node = helper.make_node(
        "GenericPartition", ["pixels"], ["x"], domain="qonnx.custom_op.general", model="/etc/passwd"
    )
    model.graph.node.append(node)
    model.opset_import.append(helper.make_opsetid("qonnx.custom_op.general", 1))


def own_graph(model: onnx.ModelProto, _: Path) -> None:
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=body, else_branch=body))


def own_tensor(model: onnx.ModelProto, _: Path) -> None:
    """A tensor in an attribute may lie in another file too."""
    value = numpy_helper.from_array(np.zeros(1, np.float32))
    model.graph.node[0].attribute.append(helper.make_attribute("value", value))


def function(model: onnx.ModelProto, _: Path) -> None:
    made = helper.make_function("", "Own", ["a"], ["a"], [], [helper.make_opsetid("", 25)])
    model.functions.append(made)


GRAPHS: dict[str, tuple[Edit, str]] = {
    "outside": (in_graph(external("../../../etc/passwd")), r"lies in another file: .*\.\./\.\./\.\./etc/passwd"),
    "absolute": (in_graph(external("/etc/passwd")), "lies in another file"),
    "beside": (in_graph(external("manifest.json")), "lies in another file"),
    "domain": (in_graph(other_domain), "imports the operators of 'antigravity'"),
    "model": (in_graph(other_model), "GenericPartition, which ana-search does not write|operators of 'qonnx"),
    "subgraph": (in_graph(own_graph), "the operator If"),
    "tensor": (in_graph(own_tensor), "the attribute 'value' .* is not a plain number"),
    "function": (in_graph(function), "it holds functions"),
}


@pytest.mark.parametrize("name", ["onnx", "qonnx"])
@pytest.mark.parametrize("attack", GRAPHS)
def test_a_graph_stays_in_its_file(attack: str, name: str, folders: dict[str, Path], tmp_path: Path) -> None:
    edit, reason = GRAPHS[attack]
    folder = copied(folders[name], tmp_path / "copy")
    edit(folder, tmp_path / "witness")
    reseal(folder)
    with pytest.raises(ExportRequestError, match=reason):
        check_directory(folder)


def sample_of(**arrays: Any) -> Edit:
    def edit(folder: Path, witness: Path) -> None:
        made = {name: make(witness) if callable(make) else make for name, make in arrays.items()}
        np.savez_compressed(sample_path(folder), **made)

    return edit


def sample_path(folder: Path) -> Path:
    return folder / json.loads((folder / "manifest.json").read_text())["models"][0]["validation_sample"]


def bomb(folder: Path, _: Path) -> None:
    """Two gigabytes of zeros in two megabytes."""
    with zipfile.ZipFile(sample_path(folder), "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("inputs", "predictions"):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array_header_1_0(  # type: ignore[no-untyped-call]  # NumPy leaves it without types
                    member, {"descr": "|u1", "fortran_order": False, "shape": (2**30,)}
                )
                for _ in range(16):
                    member.write(bytes(2**26))


def false_header(folder: Path, _: Path) -> None:
    """A header of 8 exabytes before 10 bytes."""
    with zipfile.ZipFile(sample_path(folder), "w") as archive:
        for name in ("inputs", "predictions"):
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(  # type: ignore[no-untyped-call]  # NumPy leaves it without types
                header, {"descr": "<f8", "fortran_order": False, "shape": (2**60,)}
            )
            archive.writestr(f"{name}.npy", header.getvalue() + bytes(10))


SAMPLES: dict[str, tuple[Edit, str]] = {
    "objects": (
        sample_of(inputs=lambda witness: np.array([Evil(witness)], dtype=object), predictions=np.zeros(1, np.int64)),
        "cannot be read as arrays .*Object arrays",
    ),
    "bomb": (bomb, "bytes unpacked; allowed: at most"),
    "header": (false_header, "cannot be read as arrays"),
    "shape": (sample_of(inputs=np.zeros((2, 5), np.uint8), predictions=np.zeros(2, np.int64)), "cannot run it"),
    "texts": (sample_of(inputs=np.array(["a"]), predictions=np.zeros(1, np.int64)), "cannot run it"),
}


@pytest.mark.parametrize("attack", SAMPLES)
def test_a_sample_is_numbers(attack: str, folders: dict[str, Path], tmp_path: Path) -> None:
    edit, reason = SAMPLES[attack]
    folder, witness = copied(folders["onnx"], tmp_path / "copy"), tmp_path / "witness"
    edit(folder, witness)
    reseal(folder)
    with pytest.raises(ExportRequestError, match=reason):
        check_directory(folder)
    assert not witness.exists()


def linked(folder: Path, _: Path) -> None:
    path = the_file(folder)
    real = folder.parent / "elsewhere"
    path.rename(real)
    path.symlink_to(real)


def pipe(folder: Path, _: Path) -> None:
    the_file(folder).unlink()
    os.mkfifo(the_file(folder))


def renamed(name: str) -> Edit:
    def edit(folder: Path, _: Path) -> None:
        path = folder / "manifest.json"
        manifest = json.loads(path.read_text())
        manifest["models"][0]["file"] = name
        path.write_text(json.dumps(manifest))

    return edit


def text(content: str) -> Edit:
    return lambda folder, _: (folder / "manifest.json").write_text(content) and None


PLACES: dict[str, tuple[Edit, str]] = {
    "link": (linked, "is a link to another folder"),
    "pipe": (pipe, "is no file"),
    "above": (renamed("../elsewhere"), "the name of a file in the same folder"),
    "absolute": (renamed("/etc/passwd"), "the name of a file in the same folder"),
    "folder": (renamed(".."), "the name of a file in the same folder"),
    "long": (renamed("x" * 5000), "the name of a file in the same folder"),
    "nul": (renamed("a\0b"), "the name of a file in the same folder"),
    "deep": (text("[" * 10_000 + "]" * 10_000), "manifest.json: the file: Invalid JSON: recursion limit"),
    "number": (text('{"models": [{"trial": ' + "9" * 5000 + "}]}"), r"manifest.json: "),
    "list": (text("[]"), "valid dictionary|object"),
    "many": (text(json.dumps({"models": [{}] * 1000})), r"and \d+ more"),
}


@pytest.mark.parametrize("attack", PLACES)
def test_names_stay_in_the_folder(attack: str, folders: dict[str, Path], tmp_path: Path) -> None:
    edit, reason = PLACES[attack]
    folder = copied(folders["onnx"], tmp_path / "copy")
    edit(folder, tmp_path / "witness")
    with pytest.raises(ExportRequestError, match=reason) as found:
        check_directory(folder)
    assert len(str(found.value)) < 5000


@pytest.mark.parametrize("name", ["onnx", "qonnx", "pt2"])
def test_damaged_files_are_refused(name: str, folders: dict[str, Path]) -> None:
    """Cut off at a hundred places, and with random bytes at a hundred others: refused, or as good as new."""
    data = the_file(folders[name]).read_bytes()
    draw = np.random.default_rng(1)
    cut = [data[: len(data) * part // 100] for part in range(100)]
    altered = []
    for _ in range(100):
        some = np.frombuffer(data, np.uint8).copy()
        some[draw.integers(len(some), size=8)] = draw.integers(256, size=8, dtype=np.uint8)
        altered.append(some.tobytes())
    refused = 0
    for each in (*cut[:: 4 if name == "pt2" else 1], *altered[:: 4 if name == "pt2" else 1]):
        try:
            FORMATS[name].open(each)
        except ExportRequestError:
            refused += 1
    assert refused >= (24 if name == "pt2" else 90)
