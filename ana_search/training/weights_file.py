"""A file of weights that a network starts from: a state dict of PyTorch's, or safetensors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ana_search.errors import DamagedFileError, NetworkError
from ana_search.reading import parse_safetensors, parse_saved, read_file

__all__ = ["load_weights"]

_INSIDE = ("state_dict", "model_state_dict", "model", "network", "net")
"""Under which of these a checkpoint holds the state dict, besides the optimiser's state and the like."""
_PREFIXES = ("module.", "_orig_mod.")
"""What `torch.nn.DataParallel` and `torch.compile` put before the names."""
_NOT_NEEDED = "num_batches_tracked"  # of batch norm: old files lack it, and nothing is computed from it
_SHOWN = 3


def load_weights(network: nn.Module, path: str | Path) -> None:
    """Give a network in floating point the weights that a file holds.

    The file is a state dict as ``torch.save(network.state_dict(), path)`` writes it, a checkpoint with one inside
    (``state_dict``, ``model`` and the like), or ``.safetensors``. Nothing in it is run.

    Raises:
        NetworkError: there is no such file, it is damaged or holds no named tensors, or they are not the network's:
            other names or shapes, or numbers that are not finite.
    """
    path = Path(path)
    where = f"training.start: {path}"
    state = _named_tensors(path, where)
    own = network.state_dict()
    missing = [name for name in own if name not in state and not name.endswith(_NOT_NEEDED)]
    unknown = [name for name in state if name not in own]
    wrong = [
        f"{name} has the shape {list(state[name].shape)}, in the network {list(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    problems = [*_listed("lacks", missing), *_listed("has, and the network has not,", unknown), *wrong[:_SHOWN]]
    if problems:
        raise NetworkError(
            f"{where} does not fit the network in floating point: it {'; '.join(problems)}; allowed: the state dict of "
            "the network of [network], with its width and arguments, before it is quantised"
        )
    infinite = [name for name in own if name in state and not bool(state[name].isfinite().all())]
    if infinite:
        raise NetworkError(f"{where}: {infinite[0]} holds numbers that are not finite; allowed: weights of a network")
    network.load_state_dict({name: state.get(name, tensor) for name, tensor in own.items()})


def _named_tensors(path: Path, where: str) -> dict[str, Tensor]:
    try:
        content = read_file(path)
    except FileNotFoundError:
        raise NetworkError(f"{where} does not exist; every worker must see it") from None
    except DamagedFileError as error:
        raise NetworkError(f"training.start: {error}") from None
    try:
        if path.suffix == ".safetensors":
            return parse_safetensors(content, path)
        found: Any = parse_saved(content, path)
    except DamagedFileError as error:
        raise NetworkError(
            f"training.start: {error}; allowed: torch.save(network.state_dict(), ...), and not the network itself, "
            "or safetensors"
        ) from None
    inside = [found[key] for key in _INSIDE if isinstance(found, Mapping) and isinstance(found.get(key), Mapping)]
    return _plain(inside[0] if inside else found, where)


def _plain(found: object, where: str) -> dict[str, Tensor]:
    """Return named tensors without the prefixes that wrappers give them."""
    if not isinstance(found, Mapping) or not all(isinstance(each, Tensor) for each in found.values()) or not found:
        raise NetworkError(
            f"{where} holds a {type(found).__name__} that is no state dict; allowed: names and tensors, as "
            "torch.save(network.state_dict(), ...) writes them"
        )
    tensors = {str(name): tensor for name, tensor in found.items()}
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def _listed(verb: str, names: list[str]) -> list[str]:
    """Return ``verb`` and the first of the names; nothing where there are none."""
    if not names:
        return []
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"{verb} {', '.join(names[:_SHOWN])}{more}"]
