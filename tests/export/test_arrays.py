"""Tables and signals: from a study's data to an exported file and what it reads."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from ana_search.ana.annealer import LayerSchedule
from ana_search.data import load_dataset
from ana_search.export import TrainedModel, export_models
from ana_search.networks import count_layers
from ana_search.plan import DataPlan, LayerPlan, NetworkPlan, TrainingPlan, TrainingSettings
from ana_search.training import train


@pytest.mark.parametrize("shape", [(16,), (2, 20)])
def test_a_network_on_arrays_is_exported_with_its_scaling(shape: tuple[int, ...], tmp_path: Path) -> None:
    """Numbers scaled as the manifest says give, in the file, the predictions of the trained network."""
    draw = np.random.default_rng(0)
    y = np.arange(400) % 2
    x = draw.normal(size=(400, *shape)).astype(np.float32) + y.reshape(-1, *[1] * len(shape))
    np.savez(tmp_path / "data.npz", x=x, y=y)
    data_plan = DataPlan("arrays", root=str(tmp_path / "data.npz"))
    data = load_dataset(data_plan)
    network = NetworkPlan("mlp", 8)
    layer = LayerPlan("ternary", "ternary", *[LayerSchedule(backward="static")] * 2)
    layers = (layer,) * count_layers(network, shape, 2)
    plan = TrainingPlan(data_plan, network, layers, TrainingSettings(epochs=6, batch_size=32), seed=1)
    result = train(plan, dataset=data)
    assert result.accuracy > 0.7  # chance is 0.5
    model = TrainedModel("arrays", 0, plan, result.network, result.accuracy)
    (entry,) = export_models([model], tmp_path / "out").models
    assert entry.verified
    assert entry.accuracy.frozen == result.accuracy
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    scaling = {name: np.array(values) for name, values in manifest["models"][0]["input_scaling"].items()}
    channel = (-1, *[1] * (len(shape) - 1))
    pixels = ((x - scaling["low"].reshape(channel)) / scaling["step"].reshape(channel)).round().clip(0, 255)
    session = onnxruntime.InferenceSession(tmp_path / "out" / entry.file)
    (logits,) = session.run(["logits"], {session.get_inputs()[0].name: pixels.astype(np.uint8)})
    with torch.no_grad():
        trained = result.network(data.encode(torch.from_numpy(pixels.astype(np.uint8))))
    assert np.array_equal(logits.argmax(axis=1), trained.argmax(dim=1).numpy())
    assert (data.images[:] == torch.from_numpy(pixels)[search_first(data.labels, y)]).double().mean() > 0.99


def search_first(labels: torch.Tensor, y: np.ndarray) -> torch.Tensor:
    """Return the order of the data set: the examples for search, then those for the test."""
    from ana_search.data.split import held_out

    order = torch.cat(held_out(torch.from_numpy(y)))
    assert torch.equal(torch.from_numpy(y)[order], labels)
    return order
