"""A copy of a network whose parameters are plain tensors: no parametrisations, no masks, nothing lazy."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize, prune, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from ana_search.ana.conversion.floating import FloatPart
from ana_search.ana.evaluation import evaluating
from ana_search.errors import NetworkError

__all__ = ["plain_copy"]


def plain_copy(module: nn.Module, example: Any = None) -> tuple[nn.Module, list[FloatPart]]:
    """Return a copy that shares nothing with ``module``, and what was given up to make its parameters plain.

    ``example`` is an input of the network (or a tuple of inputs), which lazy modules take their sizes from.

    Raises:
        NetworkError: a lazy module without an example, or one that the example does not reach.
    """
    network = copy.deepcopy(module, _memo(module))
    _fill_lazy(network, example)
    given_up = []
    for name, part in network.named_modules():
        for what in _materialise(part):
            reason = f"its {what} is applied once and then given up: the result is what is trained"
            given_up.append(FloatPart(name, type(part).__name__, reason))
    return network, given_up


def _memo(module: nn.Module) -> dict[int, Any]:
    """Return copies of tensors that PyTorch does not copy: those which hooks compute from parameters."""
    computed: dict[int, Any] = {}
    for part in module.modules():
        for value in part.__dict__.values():
            if isinstance(value, Tensor) and not value.is_leaf:
                computed[id(value)] = value.detach().clone()
    return computed


def _fill_lazy(network: nn.Module, example: Any) -> None:
    lazy = [name for name, part in network.named_modules() if _is_lazy(part)]
    if not lazy:
        return
    if example is None:
        raise NetworkError(
            f"{lazy[0]} is lazy: its sizes are not known before it has seen an input; "
            "give quantise(..., example=an input), or run the network once before"
        )
    inputs = example if isinstance(example, tuple) else (example,)
    with torch.no_grad(), evaluating(network):
        network(*inputs)
    left = [name for name, part in network.named_modules() if _is_lazy(part)]
    if left:
        raise NetworkError(f"{left[0]} is lazy and the example does not reach it; remove it, or give it its sizes")


def _is_lazy(part: nn.Module) -> bool:
    return isinstance(part, LazyModuleMixin) and any(is_lazy(p) for p in part._parameters.values() if p is not None)


def _materialise(part: nn.Module) -> list[str]:
    """Make the parameters of one module plain; return what was computed from them before, in words."""
    done = []
    if parametrize.is_parametrized(part):
        parametrised = part.parametrizations
        assert isinstance(parametrised, nn.ModuleDict)
        for tensor, by in list(parametrised.items()):
            kinds = ", ".join(type(each).__name__.lstrip("_") for each in by.children())
            parametrize.remove_parametrizations(part, tensor, leave_parametrized=True)
            done.append(f"parametrisation of {tensor} ({kinds})")
    for hook in list(part._forward_pre_hooks.values()):
        if isinstance(hook, WeightNorm):
            remove_weight_norm(part, hook.name)
            done.append(f"weight normalisation of {hook.name}")
        elif isinstance(hook, SpectralNorm):
            remove_spectral_norm(part, hook.name)
            done.append(f"spectral normalisation of {hook.name}")
        elif isinstance(hook, prune.BasePruningMethod):
            prune.remove(part, hook._tensor_name)  # type: ignore[no-untyped-call]  # PyTorch gives no types
            done.append(f"pruning mask of {hook._tensor_name}")
    return done
