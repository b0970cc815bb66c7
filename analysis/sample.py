"""The sample: which rows of a table of trials an analysis uses, and what became of the others."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ana_search.errors import FrameError
from analysis.factors import SHAPE, SYNCHRONISATION, Factor, check_groups, default_groups, read_factor
from analysis.nesting import find_nests
from analysis.ranges import PICK_FREEZE, KnownSpace, read_known_space

__all__ = ["Sample", "make_sample", "points_of"]

STATES = ("COMPLETE", "PRUNED", "FAIL", "INTERRUPTED", "INFEASIBLE", "RUNNING", "WAITING")
OUTCOME, REPLICATE = "__outcome__", "__replicate__"
BLOCK, REDRAWN = "__block__", "__redrawn__"
"""A trial's place in a pick-freeze design, from the columns ``block`` and ``redrawn``."""


@dataclass(frozen=True)
class Sample:
    """The rows an analysis uses.

    ``rows`` has one row per used trial, indexed by its place in the table: the factor columns, ``__outcome__`` and
    ``__replicate__``. ``lost`` has
    the factor columns of trials that failed, diverged or were pruned. ``factors`` are the columns with at least
    two levels among the used rows, in the order of ``groups``; ``fixed`` are the others.
    """

    rows: pd.DataFrame
    lost: pd.DataFrame
    groups: dict[str, list[str]]
    factors: tuple[Factor, ...]
    fixed: tuple[str, ...]
    replicates: bool
    counts: dict[str, int]
    notes: tuple[str, ...] = field(default=())
    space: KnownSpace = field(default_factory=KnownSpace)

    def with_lost(self, value: float) -> "Sample":
        """The same sample with every lost trial counted as a finished one of outcome `value`."""
        columns = _needed_columns(self.groups, self.space)
        lost = self.lost.assign(**{OUTCOME: value})[list(self.rows.columns)]
        rows = pd.concat([self.rows, lost]).reset_index(drop=True)
        nests = find_nests(rows, columns, self.space)
        lacking = [
            rows[c].isna() & (nests[c].exists if c in nests else True)
            for c in columns
            if self._continuous(c) or c in nests
        ]
        if lacking:
            rows = rows[~np.logical_or.reduce(lacking)].reset_index(drop=True)
        factors = _read_factors(self.groups, rows, rows, self._categorical(), self.space)[0]
        return dataclasses.replace(self, rows=rows, factors=factors)

    def _continuous(self, column: str) -> bool:
        return any(f.name == column and f.kind == "continuous" for f in self.factors)

    def _categorical(self) -> set[str]:
        return {f.name for f in self.factors if f.kind == "categorical"} | set(self.fixed)

    @property
    def outcome(self) -> np.ndarray:
        """The used rows' outcomes, in the outcome's own unit."""
        return self.rows[OUTCOME].to_numpy(dtype=float)

    @property
    def independent(self) -> np.ndarray:
        """Which rows are independent draws of the space: not a point run again, nor one that shares a group of another.

        Points of categories alone may be equal by chance, and all count.
        """
        columns = [c for names in self.groups.values() for c in names]
        first = ~self.rows[columns].astype(str).duplicated().to_numpy()
        if BLOCK in self.rows.columns:
            again = self.rows.duplicated([BLOCK, REDRAWN]).to_numpy()
            return np.asarray(~again & self.rows[REDRAWN].isin(["none", "all"]).to_numpy())
        continuous = any(f.kind == "continuous" and f.nest is None for f in self.factors)
        return np.asarray(first) if continuous else np.ones(len(self.rows), dtype=bool)


def _states(column: pd.Series) -> pd.Series:
    names = column.map(lambda s: str(getattr(s, "name", s)).upper().rsplit(".", 1)[-1])
    names = names.replace({"FAILED": "FAIL", "COMPLETED": "COMPLETE"})
    unknown = sorted(set(names) - set(STATES))
    if unknown:
        raise FrameError(f"state column {column.name!r}: unknown {unknown[0]!r}; allowed: {', '.join(STATES)}")
    return names


def _outcomes(column: pd.Series, finished: pd.Series) -> pd.Series:
    if pd.api.types.is_bool_dtype(column):
        raise FrameError(f"outcome column {column.name!r} holds truth values; numbers are needed")
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    lost = numbers.isna() & column.notna() & finished
    if lost.any():
        raise FrameError(f"outcome column {column.name!r}: {column[lost].iloc[0]!r} is not a number")
    return numbers


def _without_copies(frame: pd.DataFrame) -> pd.DataFrame:
    """Drop rows that repeat another in every column, its number included: the same trial read twice.

    Without numbers no row is dropped: outcomes of few values repeat by chance.
    """
    if "number" not in frame.columns or not frame["number"].astype(str).duplicated().any():
        return frame
    return frame[~frame.astype(str).duplicated()]


def _without_repeats(rows: pd.DataFrame) -> pd.DataFrame:
    """Drop trials of the same factors and replicate as another where all such agree in their outcome to the last bit.

    The same seed then gives the same run, which says nothing new. Where some of them differ they are runs of their own.
    """
    again = rows.drop(columns=OUTCOME).astype(str).duplicated()
    if not again.any():
        return rows
    same = rows.astype(str).duplicated()
    return rows[~again] if bool(same[again].all()) else rows


def _superseded(frame: pd.DataFrame, state: pd.Series) -> pd.Series:
    """Failed trials that were tried again under another number: the retry stands for them."""
    if "retry_of" not in frame.columns or "number" not in frame.columns:
        return pd.Series(False, index=frame.index)
    retried = pd.to_numeric(frame["retry_of"], errors="coerce").dropna().unique()
    return state.isin(["FAIL", "INTERRUPTED"]) & pd.to_numeric(frame["number"], errors="coerce").isin(retried)


def _needed_columns(groups: Mapping[str, Sequence[str]], space: KnownSpace) -> list[str]:
    """The factors' columns, and those that decide where a factor exists."""
    members = [name for names in groups.values() for name in names]
    above = [parent for pairs in space.conditions.values() for parent, _ in pairs]
    return list(dict.fromkeys([*members, *above]))


def _read_factors(
    groups: Mapping[str, Sequence[str]],
    rows: pd.DataFrame,
    every: pd.DataFrame,
    categorical: Collection[str],
    space: KnownSpace,
) -> tuple[tuple[Factor, ...], tuple[str, ...]]:
    """The factors that vary among `rows`, and the names of the columns that do not."""
    found, fixed = [], []
    nests = find_nests(rows, _needed_columns(groups, space), space)
    for group, names in groups.items():
        for name in names:
            factor = read_factor(
                rows[name], group, rows[OUTCOME], categorical,
                reference=every[name], space=space, nest=nests.get(name),
            )  # fmt: skip
            if factor.kind == "continuous" or len(factor.levels) > 1:
                found.append(factor)
            else:
                fixed.append(name)
    return tuple(found), tuple(fixed)


def _design(
    frame: pd.DataFrame, space: KnownSpace, groups: Mapping[str, Sequence[str]]
) -> tuple[pd.DataFrame, pd.Series]:
    """The table with the places of a pick-freeze design, and which rows have one; other tables as they are."""
    everything = pd.Series(True, index=frame.index)
    if space.sampler != PICK_FREEZE:
        return frame, everything
    missing = [c for c in ("block", "redrawn") if c not in frame.columns]
    if missing:
        raise FrameError(f"a pick-freeze design needs the columns 'block' and 'redrawn'; {missing[0]!r} is not there")
    placed = frame["block"].notna() & frame["redrawn"].notna()
    allowed = ["none", "all", SYNCHRONISATION, SHAPE]
    unknown = frame.loc[placed & ~frame["redrawn"].isin(allowed), "redrawn"]
    if len(unknown):
        raise FrameError(f"column 'redrawn': unknown {unknown.iloc[0]!r}; allowed: {', '.join(allowed)}")
    return frame.assign(**{BLOCK: frame["block"], REDRAWN: frame["redrawn"]}), placed


def _guess_notes(factors: Sequence[Factor], space: KnownSpace) -> list[str]:
    """What was guessed from the sample because neither the study nor the caller says it."""
    scales = [f"{f.name} {'logarithmic' if f.scale.log else 'linear'}" for f in factors if f.guessed and f.scale]
    nested = [f"{f.name} under {', '.join(sorted(f.nest.ancestors))}" for f in factors if f.nest and f.nest.guessed]
    notes = []
    if scales:
        notes.append(f"scales and bounds that `ranges` does not name were guessed from the sample: {', '.join(scales)}")
    if nested:
        notes.append(f"conditions that nobody named were guessed from the missing values: {', '.join(nested)}")
    return notes


def make_sample(
    frame: pd.DataFrame,
    groups: Mapping[str, Sequence[str]] | None,
    *,
    outcome: str,
    state: str,
    replicate: str,
    categorical: Collection[str] = (),
    ranges: Mapping[str, Sequence[object]] | None = None,
    conditions: Mapping[str, Sequence[object]] | None = None,
    sampler: str | None = None,
) -> Sample:
    """Return the sample of a table of trials, or raise `FrameError` where the table cannot be read.

    A trial is *used* when it is complete and its outcome finite; a complete trial without a finite outcome has
    failed.
    """
    if not isinstance(frame, pd.DataFrame):
        raise FrameError(f"a pandas DataFrame is needed, got {type(frame).__name__}")
    if frame.empty:
        raise FrameError("the table has no rows: no trial has been run")
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise FrameError(f"column {twice!r} appears twice in the table")
    frame = frame.rename(columns=str)
    missing = [c for c in (outcome,) if c not in frame.columns]
    missing += [c for c, default in ((state, "state"), (replicate, "seed")) if c not in frame.columns and c != default]
    if missing:
        raise FrameError(f"column {missing[0]!r} is not in the table, which has {', '.join(map(repr, frame.columns))}")
    named = default_groups(frame) if groups is None else groups
    reserved = {outcome: "outcome", state: "state", replicate: "replicate"}
    members = check_groups(named, set(frame.columns), reserved)
    space = read_known_space(set(frame.columns), ranges, conditions, sampler)

    notes: list[str] = []
    copies = len(frame)
    frame = _without_copies(frame.reset_index(drop=True))
    states = _states(frame[state]) if state in frame.columns else pd.Series("COMPLETE", index=frame.index)
    retried = _superseded(frame, states)
    frame, states = frame[~retried], states[~retried]
    values = _outcomes(frame[outcome], states.eq("COMPLETE"))
    used = states.eq("COMPLETE") & np.isfinite(values)
    failed = states.eq("FAIL") | (states.eq("COMPLETE") & ~used)
    pruned = states.eq("PRUNED")
    if copies > len(frame) + int(retried.sum()):
        notes.append("rows that repeat another in every column were left out")

    columns = _needed_columns(members, space)
    frame, in_design = _design(frame, space, members)
    used, failed, pruned = used & in_design, failed & in_design, pruned & in_design
    rows = frame.loc[used, [*columns, *(c for c in (BLOCK, REDRAWN) if c in frame.columns)]].copy()
    rows[OUTCOME] = values[used]
    has_replicates = replicate in frame.columns
    rows[REPLICATE] = frame.loc[used, replicate].astype(str) if has_replicates else ""
    if has_replicates:
        once = _without_repeats(rows)
        if len(once) < len(rows):
            repeats = len(rows) - len(once)
            notes.append(f"{repeats} trials repeat another's factors, seed and outcome and count once")
            rows = once
    if not has_replicates:
        notes.append(f"no column {replicate!r}: rows of one cell count as independent replicates")

    every = frame.loc[used | failed | pruned]
    factors, fixed = _read_factors(members, rows, every, categorical, space)
    lost = frame.loc[failed | pruned, [c for c in frame.columns if c in rows.columns]].assign(**{REPLICATE: ""})
    if has_replicates:
        lost[REPLICATE] = frame.loc[failed | pruned, replicate].astype(str)
    counts = {
        "used": len(rows),
        "pruned": int(pruned.sum()),
        "failed": int(failed.sum()),
        "unfinished": int(states.isin(["RUNNING", "WAITING", "INTERRUPTED"]).sum()),
        "retried": int(retried.sum()),
    }
    infeasible = int((states == "INFEASIBLE").sum())
    if infeasible:
        counts["infeasible"] = infeasible
        notes.append(
            f"{infeasible} trials broke a constraint and were not trained: what is said holds for what meets them"
        )
    return Sample(
        rows=rows,
        lost=lost,
        groups=members,
        factors=factors,
        fixed=fixed,
        replicates=has_replicates,
        counts=counts,
        notes=(*notes, *_guess_notes(factors, space)),
        space=space,
    )


def points_of(outcome: np.ndarray) -> float:
    """How many percentage points one unit of outcome is: 100 for fractions, 1 for anything else."""
    return 100.0 if outcome.size and float(np.abs(outcome).max()) <= 1.0 else 1.0
