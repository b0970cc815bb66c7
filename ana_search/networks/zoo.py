"""torchvision's networks by name, ``torchvision:mobilenet_v2``: without trained weights, for the data at hand."""

import difflib
from collections.abc import Callable

from torch import nn

from ana_search.errors import NetworkError
from ana_search.networks.sizes import image_shape

__all__ = ["PREFIX", "torchvision_network"]

PREFIX = "torchvision:"
# These have further classifiers for training, and initial weights that take minutes.
_SETTINGS: dict[str, dict[str, bool]] = {
    "googlenet": {"aux_logits": False, "init_weights": False},
    "inception_v3": {"aux_logits": False, "init_weights": False},
}


def torchvision_network(name: str) -> Callable[..., nn.Module]:
    """Return the function that makes torchvision's classifier of this name (``torchvision:NAME``).

    It takes the input's shape, the number of classes, and the keyword arguments of torchvision's own function. The
    first convolution reads as many channels as the data have. Raises `NetworkError` for a name that is no classifier.
    """
    import torchvision  # takes seconds that a study without it need not wait for

    plain = name.removeprefix(PREFIX)
    known = torchvision.models.list_models(module=torchvision.models)
    if plain not in known:
        close = difflib.get_close_matches(plain, known, n=3)
        hint = f" (did you mean {', '.join(PREFIX + each for each in close)}?)" if close else ""
        raise NetworkError(
            f"network.name: torchvision has no classifier {plain!r}{hint}; allowed: {PREFIX}NAME with a NAME of "
            "torchvision.models.list_models(module=torchvision.models)"
        )

    def make(input_shape: tuple[int, ...], classes: int, **arguments: object) -> nn.Module:
        channels, *_ = image_shape(name, input_shape)
        options = _SETTINGS.get(plain, {}) | arguments
        network: nn.Module = torchvision.models.get_model(plain, weights=None, num_classes=classes, **options)
        return network if channels == 3 else _reading(network, channels)

    return make


def _reading(network: nn.Module, channels: int) -> nn.Module:
    """Give the network's first convolution so many input channels."""
    for parent in network.modules():
        for name, child in parent.named_children():
            if isinstance(child, nn.Conv2d):
                if child.in_channels != channels:
                    setattr(parent, name, _with_channels(child, channels))
                return network
    return network


def _with_channels(old: nn.Conv2d, channels: int) -> nn.Conv2d:
    return nn.Conv2d(
        channels,
        old.out_channels,
        kernel_size=old.kernel_size,  # type: ignore[arg-type]  # a pair, which PyTorch keeps as a longer tuple
        stride=old.stride,  # type: ignore[arg-type]  # likewise
        padding=old.padding,  # type: ignore[arg-type]  # likewise
        dilation=old.dilation,  # type: ignore[arg-type]  # likewise
        bias=old.bias is not None,
    )
