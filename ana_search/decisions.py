"""What decisions cost, as verdict.json states it: rows for the command line and the dashboard."""

from ana_search.verdict_file import VerdictDocument

__all__ = ["SHARES_DEPEND", "cost_rows"]

SHARES_DEPEND = (
    "Shares of variance depend on which levels were studied: one bad level more makes its group's share larger and all "
    "others smaller. What a decision costs does not."
)
"""The sentence that stands between what decisions cost and the shares."""


def cost_rows(verdict: VerdictDocument, most: int | None = None) -> list[dict[str, str]]:
    """Return one row per level: what is held, the points lost at best, their interval, the chance of less than half.

    Of every column and group the cheapest level first; `most` limits the rows, and leaves out combinations of levels
    before single ones.
    """
    costs = verdict.get("costs") or {}
    groups = set(verdict.get("groups") or {})
    columns = [name for name in costs if name not in groups or len((verdict["groups"][name] or {})["columns"]) < 2]
    ordered = [*columns, *(name for name in costs if name not in columns)]
    rows = [
        {
            "held": f"{column} = {level}",
            "points lost at best": f"{cost['points']:.1f}",
            "interval": f"{cost['ci_low']:.1f} to {cost['ci_high']:.1f}",
            "chance of less than 0.5": f"{cost['safe']:.0%}",
        }
        for column in ordered
        for level, cost in sorted(costs[column].items(), key=lambda item: (item[1]["points"], -item[1]["safe"]))
    ]
    return rows if most is None else rows[:most]
