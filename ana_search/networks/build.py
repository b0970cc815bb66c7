"""Finding a network by its name and building it."""

import inspect
import warnings
from collections.abc import Callable, Iterable
from importlib.metadata import entry_points

import torch
from torch import nn

from ana_search.ana import FloatPartWarning, quantise, quantised_layers
from ana_search.errors import NetworkError
from ana_search.networks import zoo
from ana_search.networks.cnv import cnv
from ana_search.networks.digits_cnn import digits_cnn
from ana_search.networks.mlp import autoencoder, mlp
from ana_search.networks.resnet import resnet8, resnet14, resnet20, resnet32, resnet56
from ana_search.networks.resnet18 import resnet18
from ana_search.networks.separable import ds_cnn, mobilenet_v1
from ana_search.networks.user_code import is_file_name, user_function
from ana_search.networks.vgg import vgg8, vgg9, vgg_small
from ana_search.plan import Argument, NetworkPlan

__all__ = [
    "ENTRY_POINTS",
    "NETWORKS",
    "argument_problems",
    "arguments_of",
    "build_network",
    "check_outputs",
    "count_layers",
    "find_network",
    "is_known_code",
    "is_network_name",
    "layer_names",
    "network_names",
]

ENTRY_POINTS = "ana_search.networks"

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "digits_cnn": digits_cnn,
    "vgg8": vgg8,
    "vgg9": vgg9,
    "vgg_small": vgg_small,
    "resnet8": resnet8,
    "resnet14": resnet14,
    "resnet20": resnet20,
    "resnet32": resnet32,
    "resnet56": resnet56,
    "resnet18": resnet18,
    "mobilenet_v1": mobilenet_v1,
    "ds_cnn": ds_cnn,
    "cnv": cnv,
    "mlp": mlp,
    "autoencoder": autoencoder,
}


def build_network(plan: NetworkPlan, *, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return the plan's network in floating point, for examples of a shape and so many classes.

    Raises:
        NetworkError: no network of that name, or it cannot be built for such examples or with such arguments.
    """
    make = find_network(plan.name)
    if plan.width is not None and plan.width < 1:
        raise NetworkError(f"network.width: got {plan.width}; allowed: 1 or more")
    problems = argument_problems(plan)
    if problems:
        raise NetworkError("; ".join(problems))
    try:
        network = make(input_shape, classes, **_options(plan))
    except NetworkError:
        raise
    except Exception as error:  # the code of whoever wrote the network: anything may be raised
        if plan.name in NETWORKS:
            raise
        raise NetworkError(
            f"network {plan.name!r} cannot be built for examples of shape {list(input_shape)} and {classes} classes "
            f"({type(error).__name__}: {str(error)[:300]})"
        ) from error
    if not isinstance(network, nn.Module):
        raise NetworkError(f"network {plan.name!r} made a {type(network).__name__}; a torch.nn.Module is needed")
    return network


def _options(plan: NetworkPlan) -> dict[str, Argument]:
    width: dict[str, Argument] = {} if plan.width is None else {"width": plan.width}
    return width | dict(plan.arguments)


def arguments_of(name: str) -> list[str]:
    """Return the names of the arguments that a network's function takes besides the input's shape and the classes.

    Raises `NetworkError` for a network that is not known.
    """
    try:
        return list(inspect.signature(find_network(name)).parameters)[2:]
    except (TypeError, ValueError):  # some built-in functions have no signature
        return []


def argument_problems(plan: NetworkPlan) -> list[str]:
    """Return what is wrong with the keys of ``[network]`` that the network's function is to be called with.

    Raises `NetworkError` for a network that is not known.
    """
    make = find_network(plan.name)
    try:
        signature = inspect.signature(make)
    except (TypeError, ValueError):  # some built-in functions have none
        return []
    options = _options(plan)
    names = list(signature.parameters)
    takes_any = any(each.kind is inspect.Parameter.VAR_KEYWORD for each in signature.parameters.values())
    unknown = [] if takes_any else [name for name in options if name not in names[2:]]
    if unknown:
        allowed = ", ".join(names[2:]) or "none"
        return [f"network.{name}: network {plan.name!r} takes no such argument; allowed: {allowed}" for name in unknown]
    try:
        signature.bind((1, 8, 8), 10, **options)
    except TypeError as error:
        return [
            f"network {plan.name!r} has the signature {signature} ({error}); allowed: a function that is called as "
            f"make(input_shape, classes{''.join(f', {name}={value!r}' for name, value in options.items())})"
        ]
    return []


def count_layers(plan: NetworkPlan, input_shape: tuple[int, ...], classes: int) -> int:
    """Return the number of quantised layers of the plan's network (see `layer_names`)."""
    return len(layer_names(plan, input_shape, classes))


def layer_names(plan: NetworkPlan, input_shape: tuple[int, ...], classes: int) -> tuple[str, ...]:
    """Return the names of the quantised maps of the plan's network, in order; no memory is taken for its weights.

    Raises `NetworkError` as `build_network` does, and where the network has not one output for each class.
    """
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FloatPartWarning)  # a dry run says what stays in floating point
        network = build_network(plan, input_shape=input_shape, classes=classes)
        if plan.name not in NETWORKS:  # those are held to it by tests, and a first run without data takes seconds
            _check_outputs(plan.name, network, input_shape, classes)
        quantised = quantise(network, keep_first=plan.keep_first, keep_last=plan.keep_last, reset=False)
        return tuple(layer.name for layer in quantised_layers(quantised))


def _check_outputs(name: str, network: nn.Module, input_shape: tuple[int, ...], classes: int) -> None:
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
    check_outputs(name, outputs, classes)


def check_outputs(name: str, outputs: object, classes: int) -> None:
    """Raise `NetworkError` unless what a network gives for some examples is a tensor [examples, classes]."""
    if not isinstance(outputs, torch.Tensor):
        raise NetworkError(f"network {name!r} gives a {type(outputs).__name__}; a tensor [images, classes] is needed")
    if outputs.ndim != 2 or outputs.shape[1] != classes:
        gives = f"{outputs.shape[1]} outputs" if outputs.ndim == 2 else f"outputs of shape {tuple(outputs.shape[1:])}"
        raise NetworkError(f"network {name!r} gives {gives}; the data have {classes} classes")


def is_network_name(name: str) -> bool:
    """Return whether the name leads to a network without looking into a file: ours, installed, or torchvision's."""
    return name in NETWORKS or name.startswith(zoo.PREFIX) or name in _installed()


def is_known_code(name: str) -> bool:
    """Return whether a network's code is ours or torchvision's, and not that of a file or of an installed package."""
    return name in NETWORKS or name.startswith(zoo.PREFIX)


def network_names() -> list[str]:
    """Return the names of our own networks and of the installed ones."""
    return [*NETWORKS, *sorted(_installed())]


def _installed() -> Iterable[str]:
    return [point.name for point in entry_points(group=ENTRY_POINTS)]


def find_network(name: str) -> Callable[..., nn.Module]:
    """Return the function that makes a network, by its name. Raises `NetworkError` where there is none."""
    if name in NETWORKS:
        return NETWORKS[name]
    if name.startswith(zoo.PREFIX):
        return zoo.torchvision_network(name)
    if is_file_name(name):
        return user_function(name)
    installed = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in installed:
        raise NetworkError(
            f"unknown network {name!r}; allowed: {', '.join([*NETWORKS, *sorted(installed)])}, torchvision:NAME, "
            f"FILE.py:FUNCTION (or an installed one of the entry point group {ENTRY_POINTS})"
        )
    try:
        made: Callable[..., nn.Module] = installed[name].load()
    except (ImportError, AttributeError) as error:
        raise NetworkError(
            f"network {name!r}: its entry point {installed[name].value!r} cannot be loaded ({error})"
        ) from error
    return made
