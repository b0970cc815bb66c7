"""The way of a study's network, from its first batch to the exported file, walked once before anything is trained.

The network is built on the CPU, one batch of random examples goes forward and backward, and what comes out is frozen to
integers, untrained. What would fail after the search fails here, with the module that it comes from.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from ana_search.ana import Annealer
from ana_search.data import InputStatistics, check_augmentations, dataset_info, names_of
from ana_search.data.coding import InputCoding, make_coding
from ana_search.data.load import coding_of
from ana_search.errors import ExportRequestError, NetworkError
from ana_search.estimate import example_plan, images_in_memory
from ana_search.export.freeze import freeze
from ana_search.networks import check_outputs
from ana_search.plan import TrainingPlan
from ana_search.study_file import StudySpec
from ana_search.training import build

__all__ = ["dry_run"]

_BATCH = 4
_SHOWN = 300  # characters of somebody else's error
_UNQUANTISED = "reads floating-point values"


def dry_run(spec: StudySpec) -> list[str]:
    """Try the study's network, and return, one line each, what a user should know of it.

    The accuracy of an untrained network means nothing: what is tried is that it can be trained, and exported unless the
    study says ``export = false`` or has an input in floating point.

    Raises:
        NetworkError: the network cannot be built, or its forward or backward pass fails, or it has not one output for
            each class.
        ExportRequestError: it could not be exported.
        DataError: the examples are too large for the memory, or cannot be augmented as the study says.
    """
    plan = example_plan(spec)
    shape, classes = dataset_info(plan.data)
    batch = min(_BATCH, images_in_memory(plan))
    check_augmentations(names_of(spec.data.augment), shape)
    coding = make_coding(
        plan.data, InputStatistics.of_pixels([0.5] * shape[0], [0.25] * shape[0]), coding_of(plan.data)
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        network, annealer = build(plan, shape, classes)
        notes = _train_once(plan, network, annealer, _examples(batch, shape, coding), classes)
        if spec.study.export and coding.table is not None:
            _freeze(plan.network.name, network, coding, shape)
    said = [str(each.message) for each in caught if issubclass(each.category, UserWarning)]
    return list(dict.fromkeys([*said, *notes]))


def _examples(batch: int, shape: tuple[int, ...], coding: InputCoding) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return coding(torch.randint(0, 256, (batch, *shape), dtype=torch.uint8, generator=generator))


def _train_once(plan: TrainingPlan, network: nn.Module, annealer: Annealer, inputs: Tensor, classes: int) -> list[str]:
    """Run one batch forward and backward; return a note for the weights that it does not reach."""
    name = plan.network.name
    annealer.set(0.0)
    network.train()
    with torch.random.fork_rng(devices=[]), _named(name, network, inputs):
        outputs = network(inputs)
        check_outputs(name, outputs, classes)
        loss = functional.cross_entropy(outputs.float(), torch.arange(len(inputs)) % classes)
        torch.autograd.backward(loss)
    idle = [path for path, value in network.named_parameters() if value.requires_grad and value.grad is None]
    network.zero_grad(set_to_none=True)
    if not idle:
        return []
    return [f"network {name!r}: {len(idle)} parameters have no part in its output ({', '.join(idle[:3])})"]


@contextmanager
def _named(name: str, network: nn.Module, inputs: Tensor) -> Iterator[None]:
    """Turn what a network raises into a `NetworkError` that says in which of its modules."""
    inside: list[str] = []
    handles = []

    def leave(*_: object) -> None:
        inside.pop()

    for path, module in network.named_modules():
        if path:
            handles.append(module.register_forward_pre_hook(lambda *_, path=path: inside.append(path)))
            handles.append(module.register_forward_hook(leave))
    try:
        yield
    except NetworkError:
        raise
    except (Exception, SystemExit) as error:  # the code of whoever wrote the network: anything may be raised
        where = f", in {inside[-1]} ({type(network.get_submodule(inside[-1])).__name__})" if inside else ""
        raise NetworkError(
            f"network {name!r} fails on a batch of {len(inputs)} examples of shape {list(inputs.shape[1:])}{where}: "
            f"{type(error).__name__}: {str(error)[:_SHOWN]}"
        ) from error
    finally:
        for handle in handles:
            handle.remove()


def _freeze(name: str, network: nn.Module, coding: InputCoding, shape: tuple[int, ...]) -> None:
    assert coding.table is not None
    try:
        freeze(network.eval(), coding.table, coding.scale, shape)
    except ExportRequestError as error:
        remedy = ""
        if _UNQUANTISED in str(error):
            remedy = "; what it reads is not quantised: an activation module (nn.ReLU(), nn.Hardtanh()) before it is"
        raise ExportRequestError(
            f"network {name!r} could not be exported after the search: {error}{remedy}; or export = false in [study], "
            "for a study whose networks are not exported"
        ) from error
