"""Notes on the dashboard's pages: the question with its answer so far, and why a trial is notable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pandas as pd
from optuna_dashboard import get_note, save_note

from ana_search.command_line import command_line
from ana_search.decisions import SHARES_DEPEND, cost_rows
from ana_search.objectives import ACCURACY, OBJECTIVES, parse_constraint
from ana_search.shares import shares_by_name
from ana_search.storage.private import storage_of
from ana_search.verdict_file import VerdictDocument

__all__ = ["QUESTION", "StudyFacts", "save", "study_note", "trial_notes"]

QUESTION = "Is it the shape of the regularisation or the synchronisation of the layers that drives accuracy?"
_OWN = "\n\n---\n*What you write below this line stays when the note above is renewed.*\n"
_MOST_COSTS = 20
_NOTABLE = 200  # trials with a note; failures beyond that are counted in the study's note


@dataclass(frozen=True)
class StudyFacts:
    """What the note of a study says: names, counts, and the attribution or why there is none.

    ``attribution`` is verdict.json (the keys of the analysis' document); ``problem`` says why it is missing.
    ``storage`` and ``runs`` are what a command must name to find the study (None: what it finds by itself).
    """

    name: str
    requested: int | None
    metrics: Sequence[str]
    maximise: Sequence[bool]
    attribution: VerdictDocument | None = None
    problem: str | None = None
    storage: str | None = None
    runs: Path | None = None
    constraints: Sequence[str] = ()

    def command(self, verb: str, *words: str) -> str:
        """Return a command about the study as it is typed."""
        return command_line(verb, self.name, *words, storage=self.storage, runs=self.runs)


def study_note(facts: StudyFacts, frame: pd.DataFrame) -> str:
    """Return the study's note (Markdown): the question, the answer so far, its numbers, the best trial.

    ``frame`` has one row a trial with ``number``, ``state`` and ``value``.
    """
    parts = [
        f"# {facts.name}",
        *_costs(facts.attribution),
        f"**Question.** {_question(facts)}",
        _answer(facts),
        *_shares(facts.attribution),
    ]
    parts += [_progress(facts, frame), *_best(facts, frame)]
    parts.append(
        "Files and figures: see the study's page *History*. The whole report: "
        f"`{facts.command('analyse', '--out', f'results/{facts.name}')}`; the best network as a file: "
        f"`{facts.command('export', '--out', f'results/{facts.name}/models')}`."
    )
    parts.append(
        "*Hyperparameter Importance* on that page is Optuna's: it knows neither the seed's share nor how trials were "
        "chosen, and is no answer to the question."
    )
    return "\n\n".join(parts)


_ENDED = {
    "FAIL": "Failed",
    "INTERRUPTED": "Interrupted, to be run again",
    "INFEASIBLE": "Infeasible, not trained",
    "PRUNED": "Pruned",
}


def trial_notes(facts: StudyFacts, frame: pd.DataFrame) -> dict[int, str]:
    """Return the notes of notable trials by number: the best, the failed with their reason, the retried."""
    notes: dict[int, list[str]] = {}
    best = _best_row(facts, frame)
    if best is not None:
        told = ", ".join([f"{facts.metrics[0]} {best['value']:.4f}", *_figures(facts, best)])
        breaks = f" It breaks a constraint: {_plain(str(best['infeasible']))}" if _known(best.get("infeasible")) else ""
        notes[int(best["number"])] = [f"**Best so far**: {told}.{breaks}"]
    for row in frame[frame["state"].isin(list(_ENDED))].to_dict("records"):
        reason = row.get("reason")
        if _known(reason):
            ended = _ENDED[row["state"]]
            notes.setdefault(int(row["number"]), []).append(f"**{ended}**: {_plain(str(reason))}")
    if "retry_of" in frame:
        for row in frame[frame["retry_of"].notna()].to_dict("records"):
            again, first = int(row["number"]), int(row["retry_of"])
            attempt = f", attempt {int(row['attempt'])}" if _known(row.get("attempt")) else ""
            notes.setdefault(again, []).append(f"**Retry** of trial {first}{attempt}.")
            notes.setdefault(first, []).append(f"**Retried** as trial {again}.")
    return {number: "\n\n".join(lines) for number, lines in list(notes.items())[:_NOTABLE]}


def save(study: optuna.Study, body: str, trial_id: int | None = None) -> bool:
    """Write a note of the study, or of the trial with this identifier; return whether anything changed.

    Notes live among the study's attributes, so that finished trials can have one. What a person wrote below
    the dividing line is kept.
    """
    target: Any = study
    if trial_id is not None:
        # `save_note` reads these three attributes of a trial. A real `Trial` would run the sampler when it is made.
        target = SimpleNamespace(storage=storage_of(study), study=study, _trial_id=trial_id)
    before = get_note(target)
    own = before.split(_OWN, 1)[1] if _OWN in before else ""
    after = body + _OWN + own
    if after == before:
        return False
    save_note(target, after)
    return True


def _question(facts: StudyFacts) -> str:
    return QUESTION if facts.attribution is None else str(facts.attribution.get("question") or QUESTION)


def _answer(facts: StudyFacts) -> str:
    found = facts.attribution
    if found is None:
        return f"**Answer so far.** None yet: {facts.problem or 'no trial has finished'}."
    text = f"**Answer so far: {found['verdict']}.**"
    reasons = found.get("explanations") or found.get("reasons") or []
    if reasons:
        text += "".join(f"\n- {' '.join(str(reason).split())}" for reason in reasons)
    return text


def _costs(found: VerdictDocument | None) -> list[str]:
    """Return the table of what decisions cost, and why it comes before the shares."""
    rows = [] if found is None else cost_rows(found, _MOST_COSTS)
    if not rows:
        return []
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    lines += ["| " + " | ".join(row.values()) + " |" for row in rows]
    return ["**What a decision costs**, when it is held and everything else is tuned:", "\n".join(lines), SHARES_DEPEND]


def _shares(found: VerdictDocument | None) -> list[str]:
    """Return the table of shares of the variance of a single run's accuracy, with their intervals."""
    if found is None or not found.get("groups"):
        return []
    level = f"{found.get('level', 0.95):.0%}"
    lines = [f"| group | share of the variance | {level} interval |", "|---|---|---|"]
    for name, share in shares_by_name(found).items():
        interval = f"{_percent(share.ci_low)} to {_percent(share.ci_high)}"
        lines.append(f"| {name} | {_percent(share.share)} | {interval} |")
    counts = found.get("n") or {}
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    caption = f"Method: {found.get('method', '?')}" + (f"; {said}." if said else ".")
    return ["\n".join(lines), caption] if len(lines) > 2 else []


def _progress(facts: StudyFacts, frame: pd.DataFrame) -> str:
    counts = frame["state"].value_counts()
    finished = int(sum(counts.get(state, 0) for state in ("COMPLETE", "PRUNED", "INFEASIBLE")))
    text = f"**Trials.** {finished} finished" + (f" of {facts.requested}" if facts.requested else "")
    others = {
        "PRUNED": "of them pruned",
        "INFEASIBLE": "of them infeasible and not trained",
        "FAIL": "failed",
        "RUNNING": "running",
    }
    return text + "".join(f", {counts[state]} {word}" for state, word in others.items() if counts.get(state)) + "."


def _best(facts: StudyFacts, frame: pd.DataFrame) -> list[str]:
    row = _best_row(facts, frame)
    if row is None:
        return []
    parts = [f"{facts.metrics[0]} {row['value']:.4f}", *_figures(facts, row)]
    text = f"**Best.** {', '.join(parts)} in trial {int(row['number'])}."
    if facts.constraints:
        text += f" Constraints: {', '.join(facts.constraints)}."
    if _known(row.get("infeasible")):
        text += f" **No complete trial meets them**; this one does not: {_plain(str(row['infeasible']))}"
    return [text]


def _figures(facts: StudyFacts, row: Mapping[Any, Any]) -> list[str]:
    """Return what a trial's network costs, of the objectives and of what constraints limit."""
    limited = [parse_constraint(text).objective for text in facts.constraints]
    wanted = [name for name in dict.fromkeys([*facts.metrics, *limited]) if name in OBJECTIVES and name != ACCURACY]
    values = {name: row.get(OBJECTIVES[name].column) for name in wanted}
    return [OBJECTIVES[name].shown(float(str(value))) for name, value in values.items() if _known(value)]


def _best_row(facts: StudyFacts, frame: pd.DataFrame) -> Mapping[Any, Any] | None:
    """Return the best complete trial; one that breaks a constraint only where no other is complete."""
    done = frame[(frame["state"] == "COMPLETE") & frame["value"].notna()].to_dict("records")
    if not done:
        return None
    sign = 1.0 if facts.maximise[0] else -1.0
    return max(
        done,
        key=lambda row: (not _known(row.get("infeasible")), sign * float(row["value"]), -int(row["number"])),
    )


def _known(value: Any) -> bool:
    return value is not None and not pd.isna(value) and value != ""


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{100 * share:.1f} %"


def _plain(text: str) -> str:
    """Return a reason as one line that Markdown shows literally."""
    line = " ".join(text.split())
    return line if "`" in line else f"`{line}`"
