"""All that a network holds."""

from torch import Tensor, nn


def tensors_of(network: nn.Module) -> dict[str, Tensor]:
    """Return parameters, buffers and plain attributes of all modules by their names."""
    plain = {
        f"{path}.{name}": value
        for path, module in network.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, Tensor)
    }
    return dict(network.named_parameters()) | dict(network.named_buffers()) | plain
