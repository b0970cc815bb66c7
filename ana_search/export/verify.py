"""Verification: a file, run in its runtime over images, against the network that it was made from."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ana_search.ana import QuantActivation
from ana_search.ana.evaluation import evaluating
from ana_search.errors import ExportMismatchError
from ana_search.export.formats.base import FileFormat, Runner
from ana_search.export.integer import FrozenNetwork, layer_name

__all__ = ["LOGIT_TOLERANCE", "Difference", "frozen_predictions", "trained_codes", "verify"]

LOGIT_TOLERANCE = 1e-5
_BATCH = 64


@torch.no_grad()
def frozen_predictions(frozen: FrozenNetwork, pixels: Tensor) -> NDArray[np.int64]:
    """Return the class that the frozen network gives each of the images, int64 [N]."""
    found = [frozen(batch).argmax(dim=1) for batch in torch.split(pixels, _BATCH)]
    return torch.cat(found).numpy()


@torch.no_grad()
def verify(
    frozen: FrozenNetwork,
    pixels: Tensor,
    *,
    network: nn.Module | None = None,
    encode: Callable[[Tensor], Tensor] | None = None,
    runner: Runner | None = None,
    file_format: FileFormat | None = None,
) -> NDArray[np.int64]:
    """Check a trained network and a file against the frozen network; return the frozen network's predictions.

    Args:
        frozen: the frozen network.
        pixels: uint8 images [N, C, H, W].
        network: the trained network, which is evaluated on the CPU on ``encode(pixels)``.
        encode: what the trained network sees of uint8 images.
        runner: an opened file of ``file_format``.
        file_format: gives the inputs that the file wants.

    Raises:
        ExportMismatchError: codes of a quantised layer or predictions differ anywhere, or logits differ by more than
            1e-5.
    """
    trained = Difference("the frozen network", "the trained network")
    in_file = Difference("the file", "the frozen network")
    predictions = []
    for batch in torch.split(pixels, _BATCH):
        tensor, codes = frozen.logits_and_codes(batch)
        logits = tensor.numpy()
        predictions.append(logits.argmax(axis=1))
        if network is not None and encode is not None:
            float_logits, float_codes = trained_codes(network, encode(batch))
            trained.add(codes, logits, float_codes, float_logits.numpy())
        if runner is not None and file_format is not None:
            inputs = file_format.inputs(batch.numpy())
            parts = [inputs[start : start + runner.batch] for start in range(0, len(inputs), runner.batch)]
            pieces = [runner.codes(part) for part in parts]
            found = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
            in_file.add(
                found, np.concatenate([runner.logits(part) for part in parts]), codes, logits, runner.exact_logits
            )
    trained.raise_if_any()
    in_file.raise_if_any()
    return np.concatenate(predictions)


@torch.no_grad()
def trained_codes(network: nn.Module, encoded: Tensor) -> tuple[Tensor, dict[str, NDArray[Any]]]:
    """Return the logits of a trained network in evaluation mode, and the integer codes of its quantised layers."""
    codes: dict[str, NDArray[Any]] = {}
    with _hooks(network, codes):
        logits: Tensor = network(encoded)
    return logits, codes


@contextmanager
def _hooks(network: nn.Module, codes: dict[str, NDArray[Any]]) -> Iterator[None]:
    calls: Counter[str] = Counter()

    def hook_for(name: str, module: QuantActivation) -> Any:
        def hook(_: nn.Module, __: Any, output: Tensor) -> None:
            calls[name] += 1
            codes[layer_name(name, calls[name])] = (output / module.quantum).round().numpy().astype(np.int64)

        return module.register_forward_hook(hook)

    modules = [(name, module) for name, module in network.named_modules() if isinstance(module, QuantActivation)]
    handles = [hook_for(name, module) for name, module in modules]
    try:
        with evaluating(network):
            yield
    finally:
        for handle in handles:
            handle.remove()


@dataclass
class Difference:
    """Counts what differs between two ways to compute a network."""

    found_name: str
    wanted_name: str

    def __post_init__(self) -> None:
        self.images = 0
        self.codes: Counter[str] = Counter()
        self.elements: Counter[str] = Counter()
        self.predictions = 0
        self.logit = 0.0
        self.far = 0

    def add(
        self,
        found: dict[str, Any],
        found_logits: NDArray[Any],
        wanted: dict[str, Any],
        wanted_logits: NDArray[Any],
        exact: bool = True,
    ) -> None:
        """Compare one batch; its logits themselves only if they are ``exact``, else their order."""
        self.images += len(wanted_logits)
        for name, codes in wanted.items():
            same = name in found and found[name].shape == codes.shape
            self.codes[name] += int((found[name] != codes).sum()) if same else codes.size
            self.elements[name] += codes.size
        self.predictions += int((found_logits.argmax(axis=1) != wanted_logits.argmax(axis=1)).sum())
        if not exact:
            return
        apart = np.abs(found_logits.astype(np.float64) - wanted_logits)
        self.logit = max(self.logit, float(apart.max(initial=0)))
        # A float32 logit is only known to some units of its last place: large ones are compared relatively.
        limit = LOGIT_TOLERANCE * np.maximum(1, np.abs(wanted_logits))
        self.far += int((~(apart <= limit)).any(axis=1).sum())

    def raise_if_any(self) -> None:
        """Raise an error that says all that differs."""
        parts = [
            f"{count} of {self.elements[name]} codes of layer {name} differ"
            for name, count in self.codes.items()
            if count
        ]
        if self.predictions:
            parts.append(f"{self.predictions} of {self.images} predictions differ")
        if self.far:
            parts.append(
                f"the logits of {self.far} images differ by more than {LOGIT_TOLERANCE:g} (by up to {self.logit:.3g})"
            )
        if parts:
            raise ExportMismatchError(
                f"{self.found_name} does not compute what {self.wanted_name} computes: {'; '.join(parts)}"
            )
