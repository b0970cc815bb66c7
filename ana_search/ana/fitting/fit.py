"""Fitting a quantised network to the trained one in floating point whose weights it has."""

import copy
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ana_search.ana.evaluation import evaluating
from ana_search.ana.fitting.compensate import compensated
from ana_search.ana.fitting.rows import input_rows, output_rows, spread
from ana_search.ana.fitting.scales import Replaced, fit_activation_scale, fit_weight_scale
from ana_search.ana.layers import QuantActivation, QuantisedLayer, QuantMap
from ana_search.ana.recalibrate import averaging
from ana_search.ana.scale import Scale
from ana_search.errors import NetworkError

__all__ = ["fit", "fit_weights"]

_VALUES = 1 << 16  # of one activation, that its scale is fitted to


def fit_weights(layers: Sequence[QuantisedLayer]) -> None:
    """Fit the scales of all weights to the weights alone: what can be done without examples."""
    with torch.no_grad():
        for layer in layers:
            fit_weight_scale(layer.map.weight_quantiser, layer.map.weight.flatten(1))


def fit(network: nn.Module, layers: Sequence[QuantisedLayer], inputs: tuple[Any, ...]) -> None:
    """Fit scales, weights, biases and batch norm to the network in floating point, on some of its inputs.

    1. The network in floating point, with the weights and the activation functions that were replaced, computes the
       inputs. What every map gives, and every activation, is noted.
    2. The scale of each activation is the one with the least squared error of its values.
    3. The quantised network computes the inputs, once. When a map is reached, what it reads has gone through all the
       quantised layers before it: its weights become those that come closest, on this, to what the map gives in
       floating point (see `compensated`), its scale the one that represents them best, its bias what is then missing on
       average. Errors do not add up so (Nagel et al., ICML 2019, section 4.2, correct biases likewise).
    4. Meanwhile the statistics of batch norm are measured on the quantised network.

    Modes are left as they are. Weights that several maps share stay as they are.

    Args:
        network: made by `quantise` with the weights of the network in floating point, and scales.
        layers: its quantised layers.
        inputs: arguments of the network: a thousand examples or more, in one batch.

    Raises:
        NetworkError: the network fails on the inputs.
    """
    reference = _in_floating_point(network)
    names = {part: name for name, part in network.named_modules()}
    outputs: dict[str, Tensor] = {}
    maps = {name: part for name, part in reference.named_modules() if isinstance(part, QuantMap)}
    _compute(reference, inputs, [_note_outputs(part, outputs, name) for name, part in maps.items()])
    functions = {name: part.quantiser for name, part in reference.named_modules() if isinstance(part, QuantActivation)}
    replaced = {name: part.noted for name, part in functions.items() if isinstance(part, _Function) and part.noted}
    del reference, maps, functions
    _fit_activations(layers, names, replaced)
    uses = Counter(id(layer.map.weight) for layer in layers)
    tied = {layer.map for layer in layers if uses[id(layer.map.weight)] > 1}
    handles = [_fit_when_reached(layer.map, outputs, names[layer.map], adapt=layer.map not in tied) for layer in layers]
    _compute(network, inputs, handles)


def _in_floating_point(network: nn.Module) -> nn.Module:
    """Return a copy that computes what the network did before it was quantised."""
    reference = copy.deepcopy(network)
    for part in reference.modules():
        if isinstance(part, QuantMap):
            part.weight_quantiser = _Unquantised()  # type: ignore[assignment]  # has what a map asks of it
        elif isinstance(part, QuantActivation):
            part.quantiser = _Function(part)  # type: ignore[assignment]  # likewise
    return reference


class _Unquantised(nn.Module):
    """In the place of a weight's quantiser: the weight itself."""

    def parts(self, x: Tensor) -> tuple[Tensor, None]:
        """Return the weight, without a scale."""
        return x, None


class _Function(nn.Module):
    """In the place of an activation's quantiser: the function that it has replaced, or nothing where there was none."""

    def __init__(self, activation: QuantActivation) -> None:
        super().__init__()
        self._stair, self._replaces = activation.stair, activation.replaces
        owner = getattr(activation.replaces, "__self__", None)
        self.owner = owner if isinstance(owner, nn.Module) else None  # whose parameters follow the network's device
        self.noted: Replaced | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return what the network in floating point had here, and note some of it the first time."""
        read = _some(x)
        result = x if self._replaces is None else self._replaces(x)  # which may change x
        if self.noted is None:
            self.noted = Replaced(read, _some(result), self._stair)
        return result


def _compute(network: nn.Module, inputs: tuple[Any, ...], handles: Sequence[RemovableHandle]) -> None:
    """Run the network once, exact and with the statistics of these inputs in batch norm; remove the hooks then."""
    with ExitStack() as stack, torch.no_grad():
        stack.enter_context(evaluating(network))
        stack.enter_context(averaging(network))
        for handle in handles:
            stack.callback(handle.remove)
        try:
            network(*inputs)
        except NetworkError:
            raise
        except Exception as error:  # the code of whoever wrote the network: anything may be raised
            raise NetworkError(
                f"the network cannot be fitted to the example ({type(error).__name__}: "
                f"{str(error)[:300]}); allowed: a batch of the network's inputs, best of a thousand or more"
            ) from error


def _note_outputs(map_: QuantMap, into: dict[str, Tensor], name: str) -> RemovableHandle:
    """Note some of what a map gives; where it is used several times, the first time."""

    def keep(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        if name not in into:
            into[name] = output_rows(map_, output).clone()

    return map_.register_forward_hook(keep)


def _some(values: Tensor) -> Tensor:
    """Return a copy of some of many values, from all over them, as one row."""
    flat = values.flatten()
    return flat[spread(len(flat), _VALUES).to(flat.device)]


def _fit_activations(
    layers: Sequence[QuantisedLayer], names: dict[nn.Module, str], replaced: dict[str, Replaced]
) -> None:
    sharing: dict[Scale, list[Replaced]] = {}
    for activation in (each for layer in layers for each in layer.activations):
        if activation.quantiser.scale is not None and names[activation] in replaced:
            sharing.setdefault(activation.quantiser.scale, []).append(replaced[names[activation]])
    for scale, found in sharing.items():
        fit_activation_scale(scale, found)


def _fit_when_reached(map_: QuantMap, outputs: dict[str, Tensor], name: str, *, adapt: bool) -> RemovableHandle:
    """Fit a map when it is about to compute for the first time."""

    def reached(_module: nn.Module, arguments: tuple[Any, ...]) -> None:
        if name in outputs:
            _fit_map(map_, arguments[0], outputs.pop(name), adapt)

    return map_.register_forward_pre_hook(reached)


def _fit_map(map_: QuantMap, inputs: Tensor, outputs: Tensor, adapt: bool) -> None:
    read = input_rows(map_, inputs)  # [rows, groups, inputs of an output]
    groups = read.shape[1]
    weight = map_.weight.detach().flatten(1)
    grouped = weight.reshape(groups, -1, weight.shape[1])
    solved, importance = compensated(grouped, read, outputs.reshape(len(outputs), groups, -1))
    if adapt:
        weight = solved.reshape(weight.shape)
        map_.weight.copy_(weight.reshape(map_.weight.shape))
    fit_weight_scale(map_.weight_quantiser, weight, importance.repeat_interleave(grouped.shape[1], dim=0))
    bias = getattr(map_, "bias", None)
    if bias is not None:
        codes = map_.quantised_weight().flatten(1).reshape(grouped.shape)
        given = torch.einsum("gi,goi->go", read.mean(dim=0), codes).flatten()
        bias.copy_(outputs.mean(dim=0) - given)
