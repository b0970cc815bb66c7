"""Finding a network by its name and building it."""

from collections.abc import Callable
from importlib.metadata import entry_points

import torch
from torch import nn

from ana_search.ana import quantise, quantised_layers
from ana_search.errors import NetworkError
from ana_search.networks.digits_cnn import digits_cnn
from ana_search.networks.resnet20 import resnet20
from ana_search.networks.vgg import vgg8, vgg9
from ana_search.plan import NetworkPlan

__all__ = ["ENTRY_POINTS", "NETWORKS", "build_network", "count_layers"]

ENTRY_POINTS = "ana_search.networks"

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "digits_cnn": digits_cnn,
    "vgg8": vgg8,
    "vgg9": vgg9,
    "resnet20": resnet20,
}


def build_network(plan: NetworkPlan, *, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Return the plan's network in floating point, for images (channels, height, width) and so many classes.

    Raises:
        NetworkError: no network of that name, or it cannot be built for such images.
    """
    make = _find(plan.name)
    if plan.width is not None and plan.width < 1:
        raise NetworkError(f"network.width: got {plan.width}; allowed: 1 or more")
    options = {} if plan.width is None else {"width": plan.width}
    network = make(input_shape, classes, **options)
    if not isinstance(network, nn.Module):
        raise NetworkError(f"network {plan.name!r} made a {type(network).__name__}; a torch.nn.Module is needed")
    return network


def count_layers(plan: NetworkPlan, input_shape: tuple[int, int, int], classes: int) -> int:
    """Return the number of quantised layers of the plan's network; no memory is taken for its weights.

    Raises `NetworkError` as `build_network` does, and where the network has not one output for each class.
    """
    with torch.device("meta"):
        network = build_network(plan, input_shape=input_shape, classes=classes)
        if plan.name not in NETWORKS:  # those are held to it by tests, and a first run without data takes seconds
            _check_outputs(plan.name, network, input_shape, classes)
        return len(quantised_layers(quantise(network, reset=False)))


def _check_outputs(name: str, network: nn.Module, input_shape: tuple[int, int, int], classes: int) -> None:
    """Raise `NetworkError` where the network does not give one number for each class.

    It is run without data. A network that cannot be run so (because what it does depends on values) is not judged.
    """
    training = network.training
    try:
        with torch.no_grad():
            outputs = network.eval()(torch.empty(2, *input_shape))
    except Exception:  # the code of whoever wrote the network: anything may be raised
        return
    finally:
        network.train(training)
    if not isinstance(outputs, torch.Tensor):
        raise NetworkError(f"network {name!r} gives a {type(outputs).__name__}; a tensor [images, classes] is needed")
    if outputs.ndim != 2 or outputs.shape[1] != classes:
        gives = f"{outputs.shape[1]} outputs" if outputs.ndim == 2 else f"outputs of shape {tuple(outputs.shape[1:])}"
        raise NetworkError(f"network {name!r} gives {gives}; the data have {classes} classes")


def _find(name: str) -> Callable[..., nn.Module]:
    if name in NETWORKS:
        return NETWORKS[name]
    installed = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in installed:
        raise NetworkError(
            f"unknown network {name!r}; allowed: {', '.join([*NETWORKS, *sorted(installed)])} "
            f"(or an installed one of the entry point group {ENTRY_POINTS})"
        )
    try:
        made: Callable[..., nn.Module] = installed[name].load()
    except (ImportError, AttributeError) as error:
        raise NetworkError(
            f"network {name!r}: its entry point {installed[name].value!r} cannot be loaded ({error})"
        ) from error
    return made
