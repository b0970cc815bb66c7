"""The answer in words, and the tables of the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ana_search.verdict_file import DifferenceEntry
from analysis.attribution import Attribution, points_of
from analysis.costs import SAFE_POINTS
from analysis.factors import SHAPE, SYNCHRONISATION
from analysis.results import GroupShare, NoiseFloor, Share
from analysis.verdict import DELTA, RHO

__all__ = [
    "TextTable",
    "answer",
    "best_table",
    "check_table",
    "cost_sentences",
    "cost_table",
    "count_table",
    "difference_table",
    "loss_table",
    "method_text",
    "sentence",
    "share_table",
]


@dataclass(frozen=True)
class TextTable:
    """A table of the report: the names of its columns, its rows as texts, and what is to be said below it."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


ANSWERS: Mapping[str, str] = {
    SYNCHRONISATION: "Synchronisation drives accuracy",
    SHAPE: "The shape of the regularisation drives accuracy",
    "both": "Synchronisation and shape both drive accuracy",
    "neither": "Neither synchronisation nor shape drives accuracy",
    "inconclusive": "Inconclusive",
}
BEST = 10
MOST_SAFE = 8
MOST_COLUMNS = 12


def answer(found: Attribution) -> str:
    """Return the verdict as a headline."""
    return ANSWERS[found.verdict]


def percent(share: float | None) -> str:
    """Write a share as a percentage."""
    return "not known" if share is None or not np.isfinite(share) else f"{100 * share:.1f} %"


def sentence(found: Attribution) -> str:
    """Return the two shares with their intervals in one sentence."""
    said = []
    for group in (SYNCHRONISATION, SHAPE):
        entry = found.groups.get(group)
        if entry is not None and np.isfinite(entry.share):
            said.append(f"{group} {percent(entry.share)} ({percent(entry.ci_low)} to {percent(entry.ci_high)})")
    if not said:
        return "No share could be measured."
    noise = percent(found.noise_floor.share)
    ungated = ""
    if found.verdict == "inconclusive" and found.verdict_ungated != "inconclusive":
        ungated = f" Taken at face value the numbers would say {found.verdict_ungated}, but they cannot be trusted."
    return (
        f"Share of one run's variance, with {found.level:.0%} intervals: " + ", ".join(said)
        + f"; {'the seed alone' if found.noise_floor.source == 'replicates' else 'what the factors do not explain'}"
        f" {noise}.{ungated}"
    )  # fmt: skip


def share_table(found: Attribution) -> TextTable:
    """Return the table of shares: one row per group, then the interaction and the seed."""
    unit = "points" if points_of(found.sample.outcome) == 100.0 else "units"
    head = ["source", "share", "low", "high", f"deviation ({unit})", f"range ({unit})", "columns"]
    rows = []
    for name, entry in found.groups.items():
        columns = ", ".join(entry.columns[:MOST_COLUMNS]) + (" …" if len(entry.columns) > MOST_COLUMNS else "")
        rows.append([name, *_interval(entry), _number(entry.sd_points), _number(entry.range_points), columns])
    crossed, noise = found.interaction, found.noise_floor
    rows.append(["interaction (split above)", *_interval(crossed), "", "", ""])
    source = "seed alone" if noise.source == "replicates" else "unexplained"
    rows.append([source, *_interval(noise), _number(noise.sd_points), "", f"{noise.df} degrees of freedom"])
    return TextTable(head, rows)


def _interval(share: Share | GroupShare | NoiseFloor) -> list[str]:
    """Return a share and the two ends of its interval as percentages."""
    return [percent(share.share), percent(share.ci_low), percent(share.ci_high)]


def cost_table(found: Attribution) -> TextTable:
    """Return the table of what a decision costs: one row per level of every column and group, the cheapest first."""
    unit = "points" if points_of(found.sample.outcome) == 100.0 else "units"
    head = ["held", f"{unit} lost at best", "low", "high", f"chance of less than {SAFE_POINTS:g}"]
    rows = [
        [f"{column} = {level}", f"{cost.points:.1f}", f"{cost.ci_low:.1f}", f"{cost.ci_high:.1f}", f"{cost.safe:.0%}"]
        for column, levels in found.costs.items()
        for level, cost in sorted(levels.items(), key=lambda item: (item[1].points, -item[1].safe))
    ]
    return TextTable(head, rows)


def cost_sentences(found: Attribution) -> list[str]:
    """Say which levels are safe to fix and which cost most; empty where no cost is known."""
    levels = [(f"{c} = {n}", cost) for c, entries in found.costs.items() for n, cost in entries.items()]
    if not levels:
        return []
    said = []
    safe = [name for name, cost in levels if cost.safe >= found.level]
    if safe:
        said.append(
            f"Safe to fix (less than half a point, {found.level:.0%} sure): {', '.join(safe[:MOST_SAFE])}"
            + (f" and {len(safe) - MOST_SAFE} more." if len(safe) > MOST_SAFE else ".")
        )
    name, worst = max(levels, key=lambda item: item[1].points)
    unit = "points" if points_of(found.sample.outcome) == 100.0 else "units"
    said.append(
        f"Dearest: {name} costs {worst.points:.1f} {unit} ({worst.ci_low:.1f} to {worst.ci_high:.1f}) at best, with"
        " everything else tuned."
    )
    return said


def difference_table(differences: Mapping[str, Mapping[str, DifferenceEntry]]) -> TextTable:
    """Return the table of how far the first study's shares differ from the others'."""
    head = ["share", "difference", "low", "high", "differs"]
    rows = [
        [f"{name}, {pair}", *(f"{100 * x:+.1f} %" for x in (entry["difference"], entry["ci_low"], entry["ci_high"])),
         "yes" if entry["differs"] else "not shown"]
        for pair, entries in differences.items()
        for name, entry in entries.items()
    ]  # fmt: skip
    return TextTable(head, rows)


def _number(value: object) -> str:
    if value is None or (isinstance(value, float | np.floating) and not np.isfinite(value)):
        return ""
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)


def best_table(frame: pd.DataFrame, found: Attribution, outcome: str) -> TextTable:
    """Return the table of the best trials: number, outcome, seed and the factors."""
    sample = found.sample
    rows = frame.loc[sample.rows.index].assign(__o=sample.outcome).sort_values("__o", ascending=False, kind="stable")
    factors = [factor.name for factor in sample.factors][:MOST_COLUMNS]
    columns = [c for c in ("number", outcome, "seed", *factors) if c in rows.columns]
    table = [[_number(value) for value in row] for row in rows[columns].head(BEST).itertuples(index=False)]
    return TextTable(columns, table)


def count_table(found: Attribution) -> TextTable:
    """Return the table of how many trials were used, pruned, lost and unfinished."""
    names = {
        "used": "used", "pruned": "pruned (left out)", "failed": "failed (left out)",
        "retried": "failed and tried again (the retry counts)", "unfinished": "not finished yet (left out)",
        "outside": "outside the full crossing (reference only)", "cells": "cells of the crossing",
        "replicates": "fewest runs in a cell",
    }  # fmt: skip
    return TextTable(["what", "number"], [[text, str(found.n[key])] for key, text in names.items()])


def loss_table(frame: pd.DataFrame) -> TextTable:
    """Return the reasons of failed and pruned trials with their numbers."""
    head = ["state and reason", "trials"]
    if "state" not in frame.columns or "reason" not in frame.columns:
        return TextTable(head, [])
    lost = frame[frame["state"].astype(str).isin(["FAIL", "PRUNED"])]
    reason = lost["reason"].map(
        lambda text: str(text).splitlines()[0][:160] if pd.notna(text) and str(text) else "no reason"
    )
    counts = (lost["state"].astype(str) + ": " + reason).value_counts().head(BEST)
    return TextTable(head, [[str(text), str(count)] for text, count in counts.items()])


def method_text(found: Attribution) -> str:
    """Say how the shares and the verdict were computed."""
    if found.method == "factorial":
        how = (
            "The trials form a crossing of the groups' levels. Shares are unbiased variance components of the cell"
            " means; their confidence distribution comes from non-central chi-squared distributions, an interaction is"
            " split evenly between its groups, and the seed's part is measured from replicates."
        )
    else:
        how = (
            "The trials sample the space. Shares are sums of squared coefficients of a Bayesian analysis of variance on"
            " an orthonormal basis with all pairs of factors; what it does not explain counts as noise."
        )
    return (
        f"{how} Neither: both shares below {DELTA:.0%}. One group: its share is more than {RHO:.2f} times the other's."
        f" Both: otherwise. A verdict is the region that holds the two shares with a probability of at least"
        f" {found.level:.0%}. Counting lost trials at chance instead of dropping them gives:"
        f" {found.sensitivity['failed_chance']}."
    )


def check_table(found: Attribution) -> TextTable:
    """Return the table of the cross-checks, one row per method and group, with what each can be trusted for."""
    rows, notes = [], []
    for name, check in found.cross_checks.items():
        notes.append(f"{name}: {check['note']}.")
        for group, value in check["groups"].items():
            figure = (
                f"first order {percent(value['first_order'])}, total {percent(value['total'])}"
                if isinstance(value, dict)
                else percent(value)
            )
            rows.append([f"{name}, {group}", figure])
    for changed, entry in found.matched_pairs.items():
        rows.append([f"matched pairs, only {changed} changed", f"median difference {entry.median_points:.3g} points"])
    return TextTable(["method and group", "share or difference"], rows, notes)
