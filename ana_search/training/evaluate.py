"""The accuracy of a network on one part of a data set, without noise."""

import torch
from torch import Tensor, nn

from ana_search.ana.evaluation import evaluating
from ana_search.data import Dataset, Part

__all__ = ["evaluate"]

_BATCH = 512


def evaluate(network: nn.Module, dataset: Dataset, part: Part = "validation") -> tuple[float, Tensor]:
    """Return the fraction of images classified correctly and the predicted classes (int64 [N], on the CPU).

    The network runs in evaluation mode, as the exact stair network, and every module is left in the mode it was in.
    """
    with evaluating(network), torch.no_grad():
        found = [
            (network(dataset.encode(images)).argmax(dim=1), labels) for images, labels in dataset.batches(part, _BATCH)
        ]
    predictions = torch.cat([prediction for prediction, _ in found])
    labels = torch.cat([label for _, label in found])
    return (predictions == labels).double().mean().item(), predictions.cpu()
