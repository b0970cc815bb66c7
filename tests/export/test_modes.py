"""Verification and evaluation look at a network and leave it as it was."""

import torch
from torch import nn

from ana_search.ana import quantise
from ana_search.data import load_dataset
from ana_search.export.verify import trained_codes
from ana_search.plan import DataPlan
from ana_search.training import evaluate


def test_every_module_keeps_its_mode() -> None:
    network = quantise(
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Hardtanh(), nn.Flatten(), nn.Linear(72, 10))
    ).train()
    network.get_submodule("1").eval()  # as when batch norm is frozen
    modes = [module.training for module in network.modules()]
    logits, codes = trained_codes(network, torch.randn(3, 1, 8, 8))
    assert not logits.requires_grad
    assert codes["2"].shape == (3, 2, 6, 6)
    assert [module.training for module in network.modules()] == modes
    evaluate(network, load_dataset(DataPlan("digits", train_size=100)))
    assert [module.training for module in network.modules()] == modes
