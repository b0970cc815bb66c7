"""A network that a loop of the user's own has trained, as a file."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from ana_search import export_network
from ana_search.ana import Annealer, FloatPartWarning, LayerSchedule, StairFunction, quantise
from ana_search.errors import ExportRequestError

PIXELS = torch.randint(0, 256, (80, 2, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def trained(activation: nn.Module, steps: int = 4) -> nn.Module:
    """Return a network after some steps of a plain loop under noise."""
    torch.manual_seed(0)
    network = quantise(
        nn.Sequential(
            nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), activation, nn.Flatten(), nn.Linear(64, 8, bias=False),
            nn.BatchNorm1d(8), nn.Hardtanh(), nn.Linear(8, 3),
        ),
        weights=StairFunction.ternary(),
        activations=StairFunction.from_bits(2),
    )  # fmt: skip
    annealer = Annealer(network, [LayerSchedule(), LayerSchedule(start=0.5)])
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    for step in range(steps):
        annealer.set(step / steps)
        outputs = network((PIXELS.float() - 128) / 128)
        optimiser.zero_grad()
        torch.autograd.backward(nn.functional.cross_entropy(outputs, torch.arange(80) % 3))
        optimiser.step()
    return network.train()


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.Hardtanh()], ids=["relu", "hardtanh"])
@pytest.mark.parametrize("scale", [1 / 128, 1 / 32])
def test_the_file_predicts_what_the_network_does(activation: nn.Module, scale: float, tmp_path: Path) -> None:
    network = trained(activation)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    exported = export_network(network, PIXELS, tmp_path / "mine.onnx", scale=scale)
    assert exported.verified
    assert exported.files == (tmp_path / "mine.onnx",)
    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    with torch.no_grad():
        values = (PIXELS.float() - 128) * scale
        wanted = network.eval()(values).argmax(1).numpy()
    session = onnxruntime.InferenceSession((tmp_path / "mine.onnx").read_bytes())
    logits = session.run(None, {session.get_inputs()[0].name: PIXELS.numpy()})[0]
    assert np.array_equal(logits.argmax(1), wanted)
    assert np.array_equal(exported.predictions, wanted)
    again = export_network(network, values, tmp_path / "values.onnx", scale=scale)
    assert np.array_equal(again.predictions, wanted)


@pytest.mark.parametrize("format", ["qdq", "pt2", "c"])
def test_other_formats(format: str, tmp_path: Path) -> None:
    from ana_search.export import FORMATS

    path = tmp_path / f"mine{FORMATS[format].suffix}"
    assert export_network(trained(nn.ReLU()), PIXELS, path, format).files[0] == path
    assert path.stat().st_size > 0


def test_what_is_wrong_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    network = trained(nn.ReLU())
    for example, path, format, options, message in (
        (PIXELS, "mine.pt", "onnx", {}, "files that end in .onnx"),
        (PIXELS, "mine.onnx", "tflite", {}, "no format 'tflite'"),
        (PIXELS, "mine.onnx", "onnx", {"scale": 0.3}, "a power of two"),
        (PIXELS.float() / 255, "mine.onnx", "onnx", {}, "allowed: uint8 pixels, or multiples"),
        (PIXELS[:0], "mine.onnx", "onnx", {}, "at least 1"),
    ):
        with pytest.raises(ExportRequestError, match=message):
            export_network(network, example, tmp_path / path, format, **options)
    torch.manual_seed(0)
    with pytest.warns(FloatPartWarning):
        unready = quantise(
            nn.Sequential(nn.Conv2d(2, 3, 3), nn.LayerNorm([3, 4, 4]), nn.Hardtanh(), nn.Flatten(), nn.Linear(48, 2)),
            weights=StairFunction.ternary(), activations=StairFunction.ternary(),
        )  # fmt: skip
    with pytest.raises(ExportRequestError):
        export_network(unready, PIXELS, tmp_path / "mine.onnx")
    assert list(tmp_path.iterdir()) == []
