"""The design that would decide: what to run next, in words, numbers and as a study file."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ana_search.verdict_file import DecisionChance, DesignEntry, MissingCell
from analysis.collapse import ENOUGH_RUNS
from analysis.factors import SHAPE, SYNCHRONISATION
from analysis.gates import FEWEST_BLOCKS, SMALLEST_RESIDUAL_DF
from analysis.layout import Layout
from analysis.ranges import PICK_FREEZE
from analysis.sample import Sample

__all__ = ["NextDesign", "next_design", "study_toml"]

Kind = Literal["none", "replicates", "cells", "trials", "factorial", "random", "pick_freeze"]

FRESH_REPLICATES = 3
RANDOM_TRIALS = 200
PICK_FREEZE_TRIALS = 400
EXTENDED = ("random", "qmc", PICK_FREEZE)
"""Samplers of which more trials are more of the same sample."""
LARGEST_FACTORIAL = 200
MOST_LISTED = 200
CURED_BY_RUNS = {
    "empty_cell", "no_replicates", "too_few_residual_df", "too_few_trials", "failed", "collapsed_level",
}  # fmt: skip
"""What more runs of the same cells cure, however close the shares lie to a border."""
SELECTED = {"pruned", "not_uniform", "too_few_trials", "failed", "failure_depends_on_level"}


@dataclass(frozen=True)
class NextDesign:
    """The design to run next.

    ``kind``: ``none`` (decided), ``replicates`` and ``cells`` (more of the same factorial), ``trials`` (more of the
    same sample), or a study of its own: ``factorial``, ``random``, ``pick_freeze``. ``trials`` are those to run, of
    kind ``trials`` those of the study in all; None: no affordable number decides. ``missing`` lists the cells of an
    unfinished factorial, at most 200 of them, each with the runs it lacks.
    """

    kind: Kind
    text: str
    trials: int | None = None
    replicates: int | None = None
    cells: int | None = None
    missing: tuple[MissingCell, ...] = ()

    @property
    def runs(self) -> bool:
        """Whether there is anything to run."""
        if self.kind == "replicates":
            return self.replicates is not None
        return self.kind != "none" and (self.kind != "trials" or self.trials is not None)

    def to_dict(self) -> DesignEntry:
        """Return it as verdict.json has it."""
        found: DesignEntry = {"kind": self.kind, "text": self.text, "runs": self.runs}
        if self.trials is not None:
            found["trials"] = self.trials
        if self.replicates is not None or self.kind == "replicates":
            found["replicates"] = self.replicates
        if self.cells is not None:
            found["cells"] = self.cells
        if self.kind in ("replicates", "cells"):
            found["missing"] = list(self.missing)
        return found


def next_design(
    sample: Sample, layout: Layout | None, method: str, reasons: Sequence[str], power: DecisionChance
) -> NextDesign:
    """Return the design to run next, from what is wrong with this one and what it can decide."""
    if not reasons:
        return NextDesign("none", "The verdict is decided; nothing more needs to be run for it.")
    if set(reasons) & {"group_missing", "not_varied"}:
        return _vary(sample)
    if method == "factorial" and layout is not None and not set(reasons) & {"pruned", "not_uniform"}:
        return _complete(sample, layout, reasons, power)
    cells = _cells(sample)
    if cells is not None and cells <= LARGEST_FACTORIAL and method == "factorial":
        return _factorial(cells)
    if "lack_of_fit" in reasons and not set(reasons) & SELECTED - {"too_few_trials"}:
        return _pick_freeze()
    if sample.space.sampler in EXTENDED and set(reasons) <= {"undecided", "too_few_trials"}:
        return _more(sample, method, power)
    trials = power.get("trials_for_80_percent") or 0
    fresh = max(RANDOM_TRIALS, int(trials) if not set(reasons) & SELECTED else 0)
    text = (
        f'Run {fresh} trials with the random sampler and without pruning (a new study: sampler = "random", pruner ='
        f' "none", trials = {fresh}), then analyse that study.'
    )
    return NextDesign("random", text, trials=fresh)


def _pick_freeze() -> NextDesign:
    text = (
        f"The model of the accuracy does not fit, so run the design that needs none: {PICK_FREEZE_TRIALS} trials of a"
        f' pick-freeze design without pruning (a new study: sampler = "pick_freeze", pruner = "none", trials ='
        f" {PICK_FREEZE_TRIALS}), then analyse that study."
    )
    return NextDesign("pick_freeze", text, trials=PICK_FREEZE_TRIALS)


def _more(sample: Sample, method: str, power: DecisionChance) -> NextDesign:
    """More trials of the same sample."""
    run = sum(sample.counts[state] for state in ("used", "failed", "pruned"))
    smallest = 5 * FEWEST_BLOCKS if method == PICK_FREEZE else RANDOM_TRIALS
    wanted = int(power.get("trials_for_80_percent") or 0)
    beyond = power.get("probability_decided_with_this_design") is not None and not wanted
    if beyond:
        text = (
            "More than 3,200 trials would be needed: the shares lie close to a border between two verdicts. Report the"
            " shares with their intervals rather than a verdict."
        )
        return NextDesign("trials", text)
    total = max(smallest, wanted + run - len(sample.rows), math.ceil(1.25 * run) if run >= smallest else 0)
    total = -(-total // 5) * 5
    text = (
        f"Run {total - run} more trials of the same study ({total} in all: trials = {total}), with the same sampler,"
        " then analyse it again."
    )
    return NextDesign("trials", text, trials=total)


def _vary(sample: Sample) -> NextDesign:
    varied = {factor.group for factor in sample.factors}
    missing = [group for group in (SYNCHRONISATION, SHAPE) if group not in varied]
    text = (
        f"Vary {' and '.join(missing)}: give at least two levels to a parameter of each (such as `interval` and"
        f" `noise`), cross them fully, and run each cell {FRESH_REPLICATES} times."
    )
    return NextDesign("factorial", text, replicates=FRESH_REPLICATES)


def _cells(sample: Sample) -> int | None:
    if any(factor.kind == "continuous" for factor in sample.factors):
        return None
    return int(np.prod([float(len(factor.levels)) for factor in sample.factors]))


def _enough(cells: int) -> int:
    """The fewest replicates worth running: three, or more where few cells leave too few residual degrees of freedom."""
    return max(FRESH_REPLICATES, 1 - (-SMALLEST_RESIDUAL_DF // max(cells - 1, 1)))


def _factorial(cells: int) -> NextDesign:
    replicates = _enough(cells)
    trials = cells * replicates
    text = (
        f"Run the full factorial: {cells} cells, {replicates} replicates, {trials} trials, without pruning (a new"
        f' study: sampler = "grid", seeds = {replicates}, pruner = "none").'
    )
    return NextDesign("factorial", text, cells=cells, replicates=replicates, trials=trials)


def _complete(sample: Sample, layout: Layout, reasons: Sequence[str], power: DecisionChance) -> NextDesign:
    """More of the same factorial: the missing cells first, then more replicates."""
    have = int(layout.counts.max()) if layout.counts.size else 0
    wanted = have
    if "empty_cell" not in reasons:
        wanted = max(int(power.get("replicates_for_80_percent") or 0), have + 1, _enough(layout.cells))
    elif have < 2:
        wanted = _enough(layout.cells)
    if "collapsed_level" in reasons:
        wanted = max(wanted, -(-ENOUGH_RUNS * max(layout.counts.shape) // layout.cells))
    beyond = power.get("probability_decided_with_this_design") is not None and not power.get(
        "replicates_for_80_percent"
    )
    if beyond and not set(reasons) & CURED_BY_RUNS:
        text = (
            "More than 20 replicates of each cell would be needed: the shares lie close to a border between two"
            " verdicts. Report the shares with their intervals rather than a verdict."
        )
        return NextDesign("replicates", text, cells=layout.cells)
    lacking = np.maximum(wanted - layout.counts, 0)
    trials = int(lacking.sum())
    unfinished = int((layout.counts < have).sum())
    what = f"{unfinished} cells that lack runs" if "empty_cell" in reasons else f"each of the {layout.cells} cells"
    text = f"Bring {what} to {wanted} replicates: {trials} more trials of the same factorial."
    empty = "empty_cell" in reasons
    return NextDesign(
        "cells" if empty else "replicates",
        text,
        cells=layout.cells,
        replicates=wanted,
        trials=trials,
        missing=tuple(_missing(sample, layout, lacking)) if empty else (),
    )


def _missing(sample: Sample, layout: Layout, lacking: np.ndarray) -> list[MissingCell]:
    labels = {group: _level_labels(sample, layout, group) for group in layout.codes}
    found: list[MissingCell] = []
    for index in np.argwhere(lacking > 0)[:MOST_LISTED]:
        cell: dict[str, str] = {}
        for group, code in zip(layout.codes, index, strict=True):
            cell |= labels[group][int(code)]
        found.append({"cell": cell, "runs": int(lacking[tuple(index)])})
    return found


def _level_labels(sample: Sample, layout: Layout, group: str) -> dict[int, dict[str, str]]:
    """The columns' levels behind each level number of a group."""
    rows = np.flatnonzero(layout.inside)
    first = {int(code): rows[place] for place, code in reversed(list(enumerate(layout.codes[group])))}
    columns = [f for f in sample.factors if f.name in layout.groups[group] and f.codes is not None]
    return {
        code: {f.name: f.levels[int(f.codes[row])] for f in columns if f.codes is not None}
        for code, row in first.items()
    }


def study_toml(spec: Mapping[str, Any], design: DesignEntry, command: str | None = None) -> str:
    """Return the study file that runs `design`, made from the study `spec` (the JSON of a study file).

    For more replicates it is the same study with more seeds, which runs what is missing; for a new design a study of
    its own, named after the old one, with a seed of its own. The file opens with the command that runs it, where that
    is given.
    """
    study = dict(spec["study"])
    name = study["name"]
    if design["kind"] == "trials":
        study["trials"] = design.get("trials") or study.get("trials")
    elif design["kind"] in ("replicates", "cells", "none"):
        replicates = design.get("replicates")
        if replicates:
            folds = (
                (spec["data"].get("validation") or {}) if isinstance(spec["data"].get("validation"), Mapping) else {}
            )
            turns = int(folds.get("folds", 1)) if folds.get("fold") is None else 1
            study["seeds"] = max(int(study["seeds"]), -(-replicates // turns))
        if study.get("trials"):  # a limit set before must not keep out what is missing
            study["trials"] = None if study["sampler"] == "grid" else study["trials"] + (design.get("trials") or 0)
    else:
        sampler = "grid" if design["kind"] == "factorial" else design["kind"]
        study |= {"name": f"{name[:55]}-design", "sampler": sampler, "pruner": "none", "seed": int(study["seed"]) + 1}
        study["trials"] = None if sampler == "grid" else design["trials"]
        study["seeds"] = int(design.get("replicates") or 1)
    opening = [] if command is None else [f"# {command}", "#"]
    lines = [*opening, *(f"# {line}" for line in _fold(design["text"])), ""]
    study["objective"] = study["objective"][0] if len(study["objective"]) == 1 else study["objective"]
    if study["sampler"] == "pick_freeze":  # its blocks are run whole or not at all
        study.pop("constraints", None)
    lines += _section("study", {k: v for k, v in study.items() if k != "storage" and v != []})
    for section in ("data", "network", "quantiser", "training"):
        lines += _section(section, _given(section, spec[section]))
    space = spec["space"]
    lines += _section("space", {name: _parameter(p) for name, p in space["parameters"].items()})
    for rule in space.get("exclude", ()) if study["sampler"] == "grid" else ():
        lines += ["[[space.exclude]]", f"when = {_value(rule['when'])}", f"unless = {_value(rule['unless'])}", ""]
    return "\n".join(lines + _section("resources", spec["resources"]))


def _fold(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, 110)


def _section(name: str, values: Mapping[str, object]) -> list[str]:
    return [f"[{name}]", *(f"{key} = {_value(value)}" for key, value in values.items() if value is not None), ""]


def _given(section: str, values: Mapping[str, object]) -> dict[str, object]:
    """Leave out what a section has by default: another key may switch it off, and it must not be named then."""
    from ana_search.study_file import StudySpec

    model: Any = StudySpec.model_fields[section].annotation
    defaults = {name: field.default for name, field in model.model_fields.items() if not field.is_required()}
    return {key: value for key, value in values.items() if key not in defaults or value != defaults[key]}


def _parameter(given: object) -> object:
    """Return a parameter of ``[space]``, as JSON has it, as it is written in a study file."""
    from pydantic import TypeAdapter

    from ana_search.study_file import Choice, Fixed, Parameter, PerLayer

    parameter: Parameter = TypeAdapter(Parameter).validate_python(given)
    if isinstance(parameter, Fixed):
        return parameter.value
    if isinstance(parameter, PerLayer):
        return {"layers": parameter.values}
    scope = {} if parameter.scope == "network" else {"scope": parameter.scope}
    if isinstance(parameter, Choice):
        return {"choices": parameter.choices, **scope} if scope else parameter.choices
    written: dict[str, object] = {"low": parameter.low, "high": parameter.high}
    if parameter.step is not None:
        written["step"] = parameter.step
    return written | ({"log": True} if parameter.log else {}) | scope


def _value(value: object) -> str:
    """Write a value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, Mapping):
        inside = ", ".join(f"{key} = {_value(item)}" for key, item in value.items() if item is not None)
        return "{" + inside + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return repr(value)
