"""The shares of the variance that verdict.json states, by the names that users read."""

from collections.abc import Mapping
from typing import Any

__all__ = ["shares_by_name"]


def shares_by_name(verdict: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the entry of every group, the interaction and the rest, those without a share left out.

    The rest is the seed's where replicates tell, and what the factors do not explain where none do.
    """
    noise = verdict.get("noise_floor") or {}
    rest = "unexplained" if noise.get("source") == "residual" else "seed alone"
    entries = {**(verdict.get("groups") or {}), "interaction": verdict.get("interaction"), rest: noise}
    return {name: entry for name, entry in entries.items() if entry and entry.get("share") is not None}
