"""Exporting trained networks: freeze, write, verify, and only then let the file appear."""

import copy
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ana_search.ana import float_parts
from ana_search.data import Dataset, load_dataset
from ana_search.errors import ExportRequestError
from ana_search.export.formats import get_format
from ana_search.export.formats.base import FileFormat
from ana_search.export.formats.onnx.floating import float_bytes
from ana_search.export.freeze import freeze
from ana_search.export.integer import FrozenNetwork
from ana_search.export.manifest import (
    MANIFEST,
    Accuracies,
    Bits,
    Manifest,
    ManifestEntry,
    read_manifest,
    sha256,
    versions_of,
)
from ana_search.export.verify import frozen_predictions
from ana_search.export.verify import verify as verify_all
from ana_search.files import new_file
from ana_search.plan import DataPlan, TrainingPlan

__all__ = ["TrainedModel", "export_models", "freeze_trained", "frozen_accuracy"]

SAMPLE = 256


@dataclass(frozen=True)
class TrainedModel:
    """A trained network and where it comes from.

    ``accuracy`` is the validation accuracy at the end of training; ``test`` is what a confirmation found, if there was
    one (``{"mean": ..., "low": ..., "high": ..., "accuracies": [...]}``). ``infeasible`` says which of the study's
    constraints it breaks.
    """

    study: str
    trial: int
    plan: TrainingPlan
    network: nn.Module
    accuracy: float
    params: Mapping[str, object] = field(default_factory=dict)
    test: Mapping[str, object] | None = None
    infeasible: str | None = None


def export_models(
    models: Sequence[TrainedModel],
    out: Path,
    *,
    file_format: str = "onnx",
    verify: bool = True,
    datasets: Mapping[DataPlan, Dataset] | None = None,
) -> Manifest:
    """Write one file a model into ``out``, with a validation sample each and a manifest; return the manifest.

    A file appears under its name only once it is complete and, with ``verify``, once its runtime has computed the
    same codes and predictions as the trained network on the whole validation set. Files of the same study that are
    already in the folder stay in its manifest. ``datasets`` are data sets that are already loaded.

    Raises:
        ExportRequestError: the network, its data or the format cannot be exported, or ``out`` belongs to another study.
        ExportMismatchError: a file does not compute what the network computes; it is not left behind.
    """
    chosen = get_format(file_format)
    if not models:
        raise ExportRequestError("there is no trial to export: none of those asked for is complete")
    loaded = dict(datasets or {})
    old = _earlier(out, {model.study for model in models})
    out.mkdir(parents=True, exist_ok=True)
    manifest = old or Manifest(models=[])
    for model in models:
        if model.plan.data.loaded not in loaded:
            loaded[model.plan.data.loaded] = load_dataset(model.plan.data.loaded)
        dataset = loaded[model.plan.data.loaded].to(torch.device("cpu"))
        entry = _export(model, out, file_format, chosen, verify, dataset)
        manifest = manifest.with_entry(entry)
        manifest.write(out)
    return manifest


def freeze_trained(network: nn.Module, dataset: Dataset) -> FrozenNetwork:
    """Return a trained network in integer arithmetic, with its data set's input coding.

    Raises:
        ExportRequestError: the inputs are in floating point, or the network has no integer form.
    """
    coding = dataset.coding
    if coding.table is None:
        raise ExportRequestError(
            "a network with floating-point inputs cannot be exported: quantiser.input_bits is 'float'; allowed is 8"
        )
    return freeze(network, coding.table, coding.scale, tuple(dataset.input_shape))


def frozen_accuracy(frozen: FrozenNetwork, dataset: Dataset) -> float:
    """Return the accuracy of a frozen network on the validation images."""
    predictions = frozen_predictions(frozen, dataset.images[dataset.validation])
    return _accuracy(predictions, dataset.labels[dataset.validation].numpy())


def _export(
    model: TrainedModel, out: Path, name: str, chosen: FileFormat, verify: bool, dataset: Dataset
) -> ManifestEntry:
    network = copy.deepcopy(model.network).cpu()
    frozen = freeze_trained(network, dataset)
    pixels, labels = dataset.images[dataset.validation], dataset.labels[dataset.validation].numpy()
    stem = f"trial-{model.trial:04d}"
    path = out / f"{stem}{chosen.suffix}"
    sample = out / f"{path.name}.validation.npz"
    metadata = {
        "ana_search.study": model.study,
        "ana_search.trial": str(model.trial),
        "ana_search.plan_hash": model.plan.hash,
    }
    made = chosen.files(frozen, metadata, stem=stem, pixels=pixels)
    data = made.content[chosen.suffix]
    missing = chosen.missing() if verify else None
    latency = None
    if verify and missing is None:
        runner = chosen.open(data)
        predictions = verify_all(
            frozen, pixels, network=network, encode=dataset.encode, runner=runner, file_format=chosen
        )
        latency = runner.milliseconds(chosen.inputs(pixels[:1].numpy()))
    elif verify:
        predictions = verify_all(frozen, pixels, network=network, encode=dataset.encode)
    else:
        predictions = frozen_predictions(frozen, pixels)
    inputs = chosen.inputs(pixels[:SAMPLE].numpy())
    with ExitStack() as unfinished:
        for suffix, content in made.content.items():
            unfinished.enter_context(new_file(out / f"{stem}{suffix}")).write_bytes(content)
        np.savez_compressed(unfinished.enter_context(new_file(sample)), inputs=inputs, predictions=predictions[:SAMPLE])
    return ManifestEntry(
        study=model.study,
        trial=model.trial,
        params=dict(model.params),
        plan_hash=model.plan.hash,
        format=name,
        file=path.name,
        sha256=sha256(data),
        bytes=len(data),
        float_bytes=float_bytes(frozen),
        accuracy=Accuracies(
            validation=model.accuracy,
            frozen=_accuracy(predictions, labels),
            test=dict(model.test) if model.test is not None else None,
        ),
        bits=Bits(
            weights=[layer.weight_bits for layer in model.plan.layers],
            activations=[layer.activation_bits for layer in model.plan.layers],
            input=model.plan.data.input_bits,
            stored=frozen.bits,
        ),
        validation_sample=sample.name,
        validation_sample_sha256=sha256(sample.read_bytes()),
        validation_images=len(pixels),
        verified=verify and missing is None,
        versions=versions_of(chosen.versions),
        latency_ms=latency,
        operations=frozen.multiplications,
        floating=[str(part) for part in float_parts(network)],
        ram_bytes=made.ram_bytes,
        flash_bytes=made.flash_bytes,
        files={f"{stem}{suffix}": sha256(each) for suffix, each in made.content.items() if suffix != chosen.suffix},
        input_scaling=_scaling(dataset),
        needs=chosen.needs,
        infeasible=model.infeasible,
        note=None if missing is None else f"not verified: {missing}",
    )


def _scaling(dataset: Dataset) -> dict[str, list[float]] | None:
    scaling = dataset.coding.scaling
    return None if scaling is None else {"low": list(scaling.lows), "step": list(scaling.steps)}


def _earlier(out: Path, studies: set[str]) -> Manifest | None:
    if not (out / MANIFEST).exists():
        return None
    manifest = read_manifest(out)
    others = {entry.study for entry in manifest.models} - studies
    if others:
        raise ExportRequestError(
            f"{out} holds models of study {', '.join(sorted(others))}; "
            f"give another --out for {', '.join(sorted(studies))}"
        )
    return manifest


def _accuracy(predictions: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    return float((predictions == labels).mean())
