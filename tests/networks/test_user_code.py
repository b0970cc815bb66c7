"""A network in a file of the user's own: imported on purpose, with its arguments, and with the faults of users."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ana_search import load_study_file, make_plan, train
from ana_search.errors import NetworkError, RequestError, StudyFileError
from ana_search.networks import absolute_name, build_network, import_code, imported, install_code
from ana_search.plan import NetworkPlan
from ana_search.space import layer_count, searched
from ana_search.space.walk import walk
from ana_search.study_file import groups_of

CODE = """\
from torch import nn

from my_blocks import block


def make(input_shape, classes, width=4, depth=1, norm=True):
    modules = [nn.Flatten()]
    size = input_shape[0] * input_shape[1] * input_shape[2]
    for _ in range(depth):
        modules += block(size, width, norm)
        size = width
    return nn.Sequential(*modules, nn.Linear(size, classes))


def wrong_signature(width):
    return make((1, 8, 8), 10, width)


def raises(input_shape, classes):
    raise RuntimeError("no such thing")


def no_module(input_shape, classes):
    return "a network"


def three_outputs(input_shape, classes):
    return make(input_shape, 3)
"""
BLOCKS = """\
from torch import nn


def block(inputs, outputs, norm):
    return [nn.Linear(inputs, outputs), *([nn.BatchNorm1d(outputs)] if norm else []), nn.Hardtanh()]
"""
STUDY = """\
[study]
name = "own"
sampler = "random"
[data]
name = "digits"
train_size = 200
[network]
name = "nets/my_net.py:make"
[training]
epochs = 1
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a study file whose network lies in a folder beside it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "my_blocks", raising=False)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "my_net.py").write_text(CODE)
    (tmp_path / "nets" / "my_blocks.py").write_text(BLOCKS)
    (tmp_path / "study.toml").write_text(STUDY)
    return tmp_path / "study.toml"


def changed(study: Path, old: str, new: str) -> Path:
    study.write_text(study.read_text().replace(old, new))
    return study


def test_a_study_file_alone_imports_nothing(study: Path) -> None:
    with pytest.raises(StudyFileError, match=r"1 mistake\n.*a study file alone imports nothing; allowed: .*--import"):
        load_study_file(study)
    assert imported(absolute_name("nets/my_net.py:make", study.parent)) is None


def test_its_arguments_are_keys_of_the_network(study: Path) -> None:
    spec = load_study_file(changed(study, ':make"', ':make"\ndepth = 3\nnorm = false\nwidth = 5'), allow_import=True)
    plan = make_plan(spec, {}, seed=1)
    assert plan.network.arguments == (("depth", 3), ("norm", False))
    assert len(plan.layers) == 3
    assert type(plan).from_json(plan.to_json()) == plan
    assert type(spec).from_json(spec.to_json()) == spec
    result = train(plan)
    shapes = [tuple(value.shape) for name, value in result.network.named_parameters() if name.endswith("weight")]
    assert shapes == [(5, 64), (5, 5), (5, 5), (10, 5)]


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (':make"', ':mak"', r"has no function 'mak'; it has block, make"),
        ("my_net.py:", "no_net.py:", r"no_net\.py does not exist; the path is relative to the study file"),
        (':make"', ':make"\ndepht = 3', r"network\.depht: .*takes no such argument \(did you mean 'depth'\?\)"),
        (':make"', ':make"\ndepth = [[1]]', r"network\.depth\[0\]: got \[1\]"),
        (':make"', ':wrong_signature"', r"has the signature \(width\) .*called as make\(input_shape, classes\)"),
        (':make"', ':raises"', r"cannot be built for examples of shape \[1, 8, 8\] .*RuntimeError: no such thing"),
        (':make"', ':no_module"', "made a str"),
        (':make"', ':three_outputs"', "gives 3 outputs; the data have 10 classes"),
        ('"nets/my_net.py:make"', '"torchvision:resnet19"', "did you mean .*torchvision:resnet1"),
        ('"nets/my_net.py:make"', '"torchvision:resnet18"\nwidth = 3', "resnet18"),
        ('"nets/my_net.py:make"', '"digits_cnn"\nwidht = 3', r"network\.widht: .*\(did you mean 'width'\?\)"),
        ('"nets/my_net.py:make"', '"my_net.py"', r"network\.name: got 'my_net\.py'.*FILE\.py:FUNCTION"),
    ],
)
def test_what_is_not_usable_is_refused(study: Path, old: str, new: str, named: str) -> None:
    with pytest.raises(StudyFileError, match=named):
        load_study_file(changed(study, old, new), allow_import=True)


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("def make(:\n", r"my_net\.py, line 1 cannot be imported \(SyntaxError"),
        (
            "import os\n\nimport no_such_package\n",
            r"line 3 cannot be imported \(ModuleNotFoundError: .*no_such_package",
        ),
        ("raise SystemExit(3)\n", r"line 1 cannot be imported \(SystemExit: 3"),
        ("make = 3\n", r"has no function 'make'"),
    ],
)
def test_files_that_cannot_be_imported(study: Path, code: str, named: str) -> None:
    (study.parent / "nets" / "my_net.py").write_text(code)
    with pytest.raises(StudyFileError, match=named):
        load_study_file(study, allow_import=True)


def test_who_only_reads_a_study_need_not_run_its_code(study: Path) -> None:
    """The number of layers is kept with the study; whatever builds the network still asks."""
    path = changed(study, ':make"', ':make"\ndepth = 2')
    spec = load_study_file(path, allow_import=True)
    text = spec.to_json().replace("my_net.py", "elsewhere.py")
    read = type(spec).from_json(text)
    assert read.layers == layer_count(read) == len(make_plan(read, {}, seed=1).layers) == 2
    with pytest.raises(NetworkError, match="--import"):
        train(make_plan(read, {}, seed=1))


def test_what_it_imports_from_its_folder_belongs_to_it(study: Path) -> None:
    name = absolute_name("nets/my_net.py:make", study.parent)
    code = import_code(name)
    assert [file for file, _ in code.texts] == ["my_blocks.py", "my_net.py"]
    assert import_code(name) is code
    (study.parent / "nets" / "my_blocks.py").write_text(BLOCKS.replace("Hardtanh", "ReLU"))
    again = import_code(name)
    assert {file for file, hashed in again.hashes.items() if hashed != code.hashes[file]} == {"my_blocks.py"}
    network = build_network(NetworkPlan(name), input_shape=(1, 8, 8), classes=10)
    assert any(isinstance(module, torch.nn.ReLU) for module in network.modules())


def test_another_process_runs_the_text_that_was_read(study: Path, tmp_path: Path) -> None:
    """A worker elsewhere has neither the file nor its folder, or has another one in its place."""
    name = absolute_name("nets/my_net.py:make", study.parent)
    code = import_code(name)
    elsewhere = replace(code, file="/no/such/folder/my_net.py")
    script = (
        "import pickle, sys\n"
        "from ana_search.networks import install_code, build_network\n"
        "from ana_search.plan import NetworkPlan\n"
        "code = pickle.loads(sys.stdin.buffer.read())\n"
        "install_code(code)\n"
        "plan = NetworkPlan(code.file + ':make', 7, arguments=(('depth', 2),))\n"
        "print(len(build_network(plan, input_shape=(1, 8, 8), classes=10)))\n"
    )
    import pickle

    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, [Path(__file__).parents[2], *sys.path[:0]]))}
    for sent in (code, elsewhere):
        (study.parent / "nets" / "my_blocks.py").write_text("raise SystemExit\n")
        done = subprocess.run(
            [sys.executable, "-c", script],
            input=pickle.dumps(sent),
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            timeout=200,
            check=False,
        )
        assert done.stdout == b"8\n", done.stderr.decode()


SEARCHED = """
[space]
noise = ["uniform", "normal"]
"""


def test_its_arguments_may_be_searched(study: Path) -> None:
    """A trial's network has the arguments that were drawn, and as many layers as they make."""
    lines = ':make"\ndepth = [1, 3]\nwidth = { low = 4, high = 9 }\nnorm = true'
    spec = load_study_file(changed(study, ':make"', lines), allow_import=True)
    assert list(searched(spec)) == ["network_depth", "network_width"]
    assert groups_of(["network_depth", "epochs"]) == {"training": ["network_depth", "epochs"]}
    assert type(spec).from_json(spec.to_json()) == spec
    for depth, width in ((1, 5), (3, 9)):
        plan = make_plan(spec, {"network_depth": depth, "network_width": width}, seed=1)
        assert (plan.network.width, dict(plan.network.arguments)) == (width, {"depth": depth, "norm": True})
        assert len(plan.layers) == depth
        assert train(plan).network[1].weight.shape == (width, 64)
    with pytest.raises(RequestError, match=r"parameter network_depth: got None"):
        make_plan(spec, {"network_depth": None}, seed=1)  # type: ignore[dict-item]  # what is refused
    drawn = [walk(spec, lambda name, parameter: "drawn") for _ in range(2)]
    assert drawn[0] == {"network_depth": "drawn", "network_width": "drawn"}


@pytest.mark.parametrize(
    ("lines", "space", "named"),
    [
        ("depth = []", "", r"network\.depth: got \[\]; allowed: an array of at least one value"),
        ("depth = { low = 3 }", "", r"network\.depth\.high: missing"),
        ('depth = { low = 1, high = 2, scope = "layer" }', "", r"network\.depth\.scope: got 'layer'"),
        ("norm = [true, false]", "", r"network\.norm\[0\]: got True; allowed: a number or a text"),
        ("depht = [1, 2]", "", r"network\.depht: .*did you mean 'depth'"),
        (
            "depth = [1, 2]",
            "spread = { layers = [0.5] }",
            r"space\.spread: has a value for each layer.* of 1 to 2",
        ),
        ("depth = [1, 0]", "", "no linear map to quantise"),
    ],
)
def test_searched_arguments_that_are_wrong(study: Path, lines: str, space: str, named: str) -> None:
    path = changed(study, ':make"', f':make"\n{lines}')
    path.write_text(f"{path.read_text()}{SEARCHED}{space}\n")
    with pytest.raises(StudyFileError, match=named):
        load_study_file(path, allow_import=True)


def test_torchvisions_networks_read_the_channels_of_the_data() -> None:
    for name, shape in (("torchvision:mobilenet_v2", (1, 32, 32)), ("torchvision:resnet18", (3, 32, 32))):
        network = build_network(NetworkPlan(name), input_shape=shape, classes=7).eval()
        assert network(torch.zeros(2, *shape)).shape == (2, 7)
    with pytest.raises(NetworkError, match=r"torchvision:resnet18.* needs images"):
        build_network(NetworkPlan("torchvision:resnet18"), input_shape=(16,), classes=7)


@pytest.mark.parametrize("shape", [(16,), (2, 50)])
def test_tables_and_signals_reach_networks_as_they_are(shape: tuple[int, ...]) -> None:
    for name in ("mlp", "autoencoder"):
        network = build_network(NetworkPlan(name), input_shape=shape, classes=3)
        assert network(torch.zeros(2, *shape)).shape == (2, 3)
    with pytest.raises(NetworkError, match=r"network 'vgg8' needs images .* allowed: .*mlp"):
        build_network(NetworkPlan("vgg8"), input_shape=shape, classes=3)


def test_code_is_installed_once_for_a_name(study: Path) -> None:
    code = import_code(absolute_name("nets/my_net.py:make", study.parent))
    install_code(code)
    assert imported(f"{code.file}:make") == code
