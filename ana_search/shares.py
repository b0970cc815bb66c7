"""The shares of the variance that verdict.json states, by the names that users read."""

from dataclasses import dataclass
from typing import cast

from ana_search.verdict_file import GroupEntry, NoiseEntry, ShareEntry, VerdictDocument

__all__ = ["NamedShare", "shares_by_name"]


@dataclass(frozen=True)
class NamedShare:
    """A share with its interval (fractions), and the standard deviation that it stands for, where that is known."""

    share: float
    ci_low: float | None
    ci_high: float | None
    sd_points: float | None = None


def shares_by_name(verdict: VerdictDocument) -> dict[str, NamedShare]:
    """Return the share of every group, of the interaction and of the rest; those that are not known are left out.

    The rest is the seed's where replicates tell, and what the factors do not explain where none do.
    """
    noise = verdict.get("noise_floor")
    rest = "unexplained" if noise and noise.get("source") == "residual" else "seed alone"
    entries: dict[str, GroupEntry | NoiseEntry | ShareEntry | None] = {**(verdict.get("groups") or {})}
    entries |= {"interaction": verdict.get("interaction"), rest: noise}
    found = {}
    for name, entry in entries.items():
        share = entry.get("share") if entry else None
        if entry and share is not None:
            deviation = cast(GroupEntry, entry).get("sd_points")  # which the interaction does not have
            found[name] = NamedShare(share, entry.get("ci_low"), entry.get("ci_high"), deviation)
    return found
