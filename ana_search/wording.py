"""Parameters of a trial in words."""

from collections.abc import Mapping

__all__ = ["describe_params"]


def describe_params(params: Mapping[str, object], most: int | None = None) -> str:
    """Return parameters in words, in order; one that is the same in every layer is said once.

    With ``most``, further parameters than so many are only counted.

    >>> describe_params({"noise.0": "normal", "noise.1": "normal", "offset.0": 0.1, "offset.1": 0.25, "alpha": 1})
    'noise = normal in every layer, offset = 0.1 | 0.25 by layer, alpha = 1'
    >>> describe_params({"noise": "normal", "alpha": 1, "spread": 0.5}, most=1)
    'noise = normal, and 2 more'
    >>> describe_params({})
    'every parameter is fixed'
    """
    layers: dict[str, list[str]] = {}
    for name, value in params.items():
        layers.setdefault(name.split(".")[0], []).append(f"{value:.4g}" if isinstance(value, float) else str(value))
    said = []
    for name, values in layers.items():
        if name in params:
            said.append(f"{name} = {values[0]}")
        elif len(set(values)) == 1:
            said.append(f"{name} = {values[0]} in every layer")
        else:
            said.append(f"{name} = {' | '.join(values)} by layer")
    shown = len(said) if most is None else most
    more = [f"and {len(said) - shown} more"] if len(said) > shown else []
    return ", ".join(said[:shown] + more) or "every parameter is fixed"
