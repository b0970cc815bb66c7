"""The C file: clean under every warning and sanitiser, exact on all images, and never run where it is not trusted."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ana_search.ana import StairFunction, quantise
from ana_search.errors import ExportMismatchError, ExportRequestError
from ana_search.export import FrozenNetwork, TrainedModel, check_directory, export_models, freeze, freeze_trained
from ana_search.export.formats.c import CFormat, to_c
from ana_search.export.formats.c.arena import Buffer, plan
from ana_search.export.formats.c.head import integer_head
from ana_search.export.integer.operations import Classifier, Rescale
from ana_search.networks import build_network
from ana_search.plan import NetworkPlan
from tests.export import computing
from tests.export.test_handlers import CODING
from tests.export.training import make_plan, trained

STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror"]
COMPILERS = ["gcc", "clang"]


def compile_with(name: str, *words: str | Path) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run([name, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def frozen(bits: int | str = "ternary") -> tuple[FrozenNetwork, torch.Tensor, computing.Computed]:
    network, dataset, _ = trained(make_plan(bits))
    pixels = dataset.images[dataset.validation]
    return freeze_trained(network, dataset), pixels, computing.trained(network, dataset.encode, pixels, 64)


def residual(bits: int | str) -> tuple[FrozenNetwork, torch.Tensor, computing.Computed]:
    """Return a narrow ResNet-20 whose batch norms know its images."""
    torch.manual_seed(1)
    stair = StairFunction.for_network(bits)
    network = quantise(build_network(NetworkPlan("resnet20", 4), input_shape=(2, 8, 8), classes=5), stair, stair)
    pixels = torch.randint(0, 256, (32, 2, 8, 8), dtype=torch.uint8)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        network.train()(CODING(pixels))
    assert CODING.table is not None
    wanted = computing.trained(network.eval(), CODING, pixels, 32)
    return freeze(network, CODING.table, CODING.scale, (2, 8, 8)), pixels, wanted


NETWORKS = {"digits_cnn": lambda: frozen(), "digits_cnn, 8 bits": lambda: frozen(8), "resnet20": lambda: residual(4)}


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_strict_and_sanitised(name: str, compiler: str, tmp_path: Path) -> None:
    """No warning, no undefined behaviour, no byte outside an array; and the classes of the trained network."""
    network, pixels, wanted = NETWORKS[name]()
    made = to_c(network, "a net", {"study": "*/ ??/ \\"}, pixels)
    (tmp_path / "net.c").write_text(made.source)
    sanitised = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    program = tmp_path / "a.out"
    for options in (["-O2"], ["-O3"], ["-Os"], sanitised):
        compile_with(compiler, *STRICT, *options, tmp_path / "net.c", "-o", program)
    done = subprocess.run([program], input=pixels.numpy().tobytes(), capture_output=True, check=True)
    assert [int(line) for line in done.stdout.split()] == wanted.predictions.tolist()
    assert not done.stderr
    computing.assert_same_codes(computing.in_c(network, pixels), wanted, name)


@pytest.mark.parametrize("language", ["c", "c++"])
def test_called_from_another_program(language: str, tmp_path: Path) -> None:
    network, pixels, wanted = frozen()
    made = to_c(network, "trial-0007", {}, pixels)
    (tmp_path / "net.c").write_text(made.source)
    (tmp_path / "net.h").write_text(made.header)
    (tmp_path / "own.c").write_text(
        '#include "net.h"\n#include <stdio.h>\n'
        "int main(void) { static uint8_t image[TRIAL_0007_PIXELS]; int32_t sum = 0;\n"
        "  while (fread(image, 1, sizeof image, stdin) == sizeof image)\n"
        "    sum = sum * 3 % 10007 + trial_0007_class(image);\n"
        '  printf("%d %d\\n", (int)sum, TRIAL_0007_CLASSES); return 0; }\n'
    )
    net, own = tmp_path / "net.o", tmp_path / "own.o"
    compile_with("gcc", *STRICT, "-DTRIAL_0007_LIBRARY", "-c", tmp_path / "net.c", "-o", net)
    compile_with("gcc", "-x", language, "-Wall", "-Werror", "-c", tmp_path / "own.c", "-o", own)
    compile_with("gcc", own, net, "-o", tmp_path / "own")
    done = subprocess.run([tmp_path / "own"], input=pixels.numpy().tobytes(), capture_output=True, check=True)
    expected = 0
    for each in wanted.predictions.tolist():
        expected = expected * 3 % 10007 + each
    assert done.stdout.split() == [str(expected).encode(), b"10"]
    symbols = subprocess.run(["nm", "-u", net], capture_output=True, text=True, check=True).stdout
    assert not symbols.strip(), "the network itself needs no library"


def test_digits_cnn_is_small(tmp_path: Path) -> None:
    """At width 16, ternary: 16 kB of constants and code, 3 kB of memory."""
    torch.manual_seed(0)
    network = quantise(build_network(NetworkPlan("digits_cnn", 16), input_shape=(2, 8, 8), classes=10))
    assert CODING.table is not None
    integers = freeze(network.eval(), CODING.table, CODING.scale, (2, 8, 8))
    made = to_c(integers, "net")
    (tmp_path / "net.c").write_text(made.source)
    compile_with("gcc", *STRICT, "-Os", "-DNET_LIBRARY", "-c", tmp_path / "net.c", "-o", tmp_path / "net.o")
    sizes = subprocess.run(["size", tmp_path / "net.o"], capture_output=True, text=True, check=True).stdout.split()[6:9]
    text, data, bss = map(int, sizes)
    assert (text + data, data + bss) <= (16 * 1024, 3 * 1024)
    assert text + data <= 16 * 1024
    assert data + bss <= 3 * 1024
    assert made.flash_bytes <= text <= made.flash_bytes + 4096
    assert bss <= made.ram_bytes + 64


def test_the_manifest_states_what_it_needs(tmp_path: Path) -> None:
    plan_ = make_plan("ternary")
    network, dataset, accuracy = trained(plan_)
    model = TrainedModel("mine", 7, plan_, network, accuracy)
    (entry,) = export_models([model], tmp_path, file_format="c").models
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "manifest.json",
        "trial-0007.c",
        "trial-0007.c.validation.npz",
        "trial-0007.h",
    ]
    assert entry.verified
    assert entry.ram_bytes is not None
    assert entry.flash_bytes is not None
    # Nine taps a convolution, on 64, 64, 16 and 16 positions, then two linear maps.
    assert entry.operations == 9 * (4 * 64 + 16 * 64 + 32 * 16 + 64 * 16) + 32 * 32 + 320
    assert list(entry.files) == ["trial-0007.h"]
    assert check_directory(tmp_path).models == [entry]
    done = subprocess.run(
        ["sh", "-c", "cc -std=c99 trial-0007.c && ./a.out"],
        cwd=tmp_path,
        input=dataset.images[dataset.validation].numpy().tobytes(),
        capture_output=True,
        check=True,
    )
    with np.load(tmp_path / "trial-0007.c.validation.npz") as sample:
        assert [int(line) for line in done.stdout.split()] == sample["predictions"].tolist()


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.delenv("CC", raising=False)


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_the_manifest_says_unverified(tmp_path: Path) -> None:
    plan_ = make_plan("ternary")
    network, _, accuracy = trained(plan_)
    (entry,) = export_models([TrainedModel("mine", 7, plan_, network, accuracy)], tmp_path, file_format="c").models
    assert entry.verified is False
    assert entry.note is not None
    assert "not verified: there is no C compiler here" in entry.note


def test_a_program_from_elsewhere_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan_ = make_plan("ternary")
    network, _, accuracy = trained(plan_)
    export_models([TrainedModel("mine", 7, plan_, network, accuracy)], tmp_path, file_format="c", verify=False)
    monkeypatch.setattr(CFormat, "open", lambda *_: pytest.fail("it was compiled"))
    check_directory(tmp_path)
    with (tmp_path / "trial-0007.h").open("a") as file:
        file.write("#error\n")
    with pytest.raises(ExportRequestError, match=r"its file trial-0007\.h was altered"):
        check_directory(tmp_path)


def test_a_file_that_computes_something_else_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = CFormat.files

    def wrong(self: CFormat, *given: Any, **options: Any) -> Any:
        made = files(self, *given, **options)
        source = made.content[".c"].decode().replace("sum += factor[kx] *", "sum += 1 + factor[kx] *")
        return type(made)({".c": source.encode(), ".h": b""})

    monkeypatch.setattr(CFormat, "files", wrong)
    plan_ = make_plan("ternary")
    network, _, accuracy = trained(plan_)
    with pytest.raises(ExportMismatchError, match="the file does not compute what the frozen network computes"):
        export_models([TrainedModel("mine", 7, plan_, network, accuracy)], tmp_path / "out", file_format="c")
    assert not list((tmp_path / "out").iterdir())


@given(st.lists(st.tuples(st.integers(1, 100), st.integers(0, 20), st.integers(0, 5)), max_size=20))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_what_lives_together_lies_apart(drawn: list[tuple[int, int, int]]) -> None:
    buffers = {n: Buffer(size, born, born + length) for n, (size, born, length) in enumerate(drawn)}
    offsets, size = plan(buffers)
    for n, buffer in buffers.items():
        assert offsets[n] + buffer.size <= size
        for other, another in buffers.items():
            together = buffer.born <= another.dies and another.born <= buffer.dies
            if n != other and together:
                assert offsets[n] + buffer.size <= offsets[other] or offsets[other] + another.size <= offsets[n]
    assert size <= sum(buffer.size for buffer in buffers.values())


def test_the_head_takes_more_bits_where_a_prediction_needs_them() -> None:
    network, pixels, _ = frozen()
    assert integer_head(network, pixels).bits == 16
    last = network.steps[-1].operation
    assert isinstance(last, Classifier)
    # Two classes that differ by less than 16 bits hold.
    last.weight[1] = last.weight[0]
    last.bias[1] = last.bias[0] + 4e-6
    last.bias[:2] += 10
    assert (network(pixels).argmax(1) == 1).all()
    found = integer_head(network, pixels)
    assert found.bits == 32
    assert (computing.in_c(network, pixels).predictions == 1).all()


def test_a_network_that_ends_in_a_quantised_map() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Hardtanh(), nn.Flatten(), nn.Linear(144, 5), nn.BatchNorm1d(5))
    network = quantise(plain, keep_last=False).eval()
    assert CODING.table is not None
    integers = freeze(network, CODING.table, CODING.scale, (2, 8, 8))
    assert isinstance(integers.steps[-1].operation, Rescale)
    pixels = torch.randint(0, 256, (64, 2, 8, 8), dtype=torch.uint8)
    wanted = computing.trained(network, CODING, pixels, 64)
    computing.assert_same_codes(computing.in_c(integers, pixels), wanted, "C")


def test_what_has_no_loop_is_refused() -> None:
    plain = nn.Sequential(nn.Conv3d(1, 2, 3), nn.Hardtanh(), nn.Flatten(), nn.Linear(2, 3))
    network = quantise(plain).eval()
    integers = freeze(network, torch.arange(-128, 128).clamp(min=-127).reshape(1, 256), 1.0, (1, 3, 3, 3))
    with pytest.raises(ExportRequestError, match="over 3 dimensions; allowed in C are 2"):
        to_c(integers)


def test_the_description_is_read_without_running_anything() -> None:
    network, _, _ = frozen()
    metadata = {"ana_search.study": "*/ #error ??/", "x": json.dumps("\\")}
    data = CFormat().files(network, metadata).content[".c"]
    assert CFormat().metadata(data) == metadata
    for damaged in (data[5:], b"", b"/* ana-search {} */\n", b"\xff" + data):
        with pytest.raises(ExportRequestError, match="its first line does not say what it is"):
            CFormat().metadata(damaged)
