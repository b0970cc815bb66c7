"""Exporting a quantised network that a loop of the user's own has trained."""

import copy
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ana_search.errors import ExportRequestError
from ana_search.export.formats import get_format
from ana_search.export.freeze import freeze
from ana_search.export.verify import verify as verify_all
from ana_search.files import new_file

__all__ = ["ExportedNetwork", "export_network"]

_OFFSET = 128  # from a pixel, 0 to 255, to its code, -128 to 127


@dataclass(frozen=True)
class ExportedNetwork:
    """What was written: the files, the first of which is the one to open, and the class of each example.

    ``verified`` says whether the file's runtime was there to compute the examples; ``note`` why it was not.
    """

    files: tuple[Path, ...]
    predictions: NDArray[np.int64]
    verified: bool
    note: str | None = None


def export_network(
    network: nn.Module, example: Tensor, path: str | Path, format: str = "onnx", *, scale: float = 1 / 128
) -> ExportedNetwork:
    """Write a quantised network, as it evaluates, into a file of integers that computes exactly what it does.

    The file takes uint8 pixels; a pixel ``p`` enters the network as ``(p - 128) * scale``, which is what it must have
    been trained on. Network and file are compared on all of ``example``, and nothing is written if they differ. The
    network itself is left as it is.

    Args:
        network: made by `ana_search.ana.quantise`, trained in any way, on any device.
        example: what it may be given, [N, C, ...]: uint8 pixels, or the floating-point values of such pixels.
        path: the file, with the format's ending; more files of the format are written beside it.
        format: ``"onnx"``, ``"qdq"``, ``"qonnx"``, ``"pt2"`` or ``"c"``.
        scale: the distance between two input values, a power of two.

    Raises:
        ExportRequestError: the network has no integer form, an example is no pixel, or the format cannot hold it.
        ExportMismatchError: the file does not compute what the network computes.
    """
    chosen, path = get_format(format), Path(path)
    if not path.name.endswith(chosen.suffix) or path.name == chosen.suffix:
        raise ExportRequestError(f"path {str(path)!r}: format {format!r} has files that end in {chosen.suffix}")
    if not np.log2(scale).is_integer():
        raise ExportRequestError(f"scale: got {scale}; allowed: a power of two, such as 1/128")
    pixels = _pixels(example.detach().cpu(), scale)
    trained = copy.deepcopy(network).cpu().eval()
    codes = torch.arange(256) - _OFFSET
    table = codes.to(torch.int8).repeat(pixels.shape[1], 1)
    frozen = freeze(trained, table, scale, tuple(pixels.shape[1:]))
    stem = path.name.removesuffix(chosen.suffix)
    made = chosen.files(frozen, {}, stem=stem, pixels=pixels)
    missing = chosen.missing()
    predictions = verify_all(
        frozen,
        pixels,
        network=trained,
        encode=lambda batch: (batch.float() - _OFFSET) * scale,
        runner=None if missing is not None else chosen.open(made.content[chosen.suffix]),
        file_format=chosen,
    )
    files = tuple(path.with_name(f"{stem}{suffix}") for suffix in made.content)
    with ExitStack() as unfinished:
        for file, content in zip(files, made.content.values(), strict=True):
            unfinished.enter_context(new_file(file)).write_bytes(content)
    return ExportedNetwork(files, predictions, missing is None, missing)


def _pixels(example: Tensor, scale: float) -> Tensor:
    """Return the uint8 pixels of examples that are pixels already or the network's input values."""
    if example.dim() < 2 or not len(example):
        raise ExportRequestError(f"example: got shape {list(example.shape)}; allowed: [N, C, ...] with N of at least 1")
    if example.dtype == torch.uint8:
        return example
    pixels = example.double() / scale + _OFFSET
    wrong = ~((pixels == pixels.round()) & (pixels >= 0) & (pixels <= 255))
    if wrong.any():
        raise ExportRequestError(
            f"example: got {example[wrong][0].item()!r}; allowed: uint8 pixels, or multiples of scale = {scale:g} from "
            f"{-_OFFSET * scale:g} to {(_OFFSET - 1) * scale:g}"
        )
    return pixels.to(torch.uint8)
