"""Only ``storage/`` knows Optuna's private parts and the names of stored attributes, held over every file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from ana_search.storage.record import TrialEnd, TrialRecord, TrialStart
from tests.test_layering import ROOT, _files, _module

# What reaches behind Optuna's public interface: identities in a storage, the storage itself, its cache.
PRIVATE = {"_storage", "_study_id", "_trial_id", "_backend", "_params", "_values", "_distributions"}
# Where attributes are read and written by name.
ATTRIBUTES = ("user_attrs", "system_attrs", "_user_attr", "_system_attr")
PRIVATE_MODULES = {"optuna", "sqlalchemy"}
# A sampler is Optuna's code, a layer below the storage: it looks whether a trial's parameters are given.
SAMPLERS = {"ana_search.space.known"}


def outside() -> list[Path]:
    return [path for path in _files() if not _module(path).startswith("ana_search.storage")]


def private_uses(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of everything in a file that only ``storage/`` may do."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            if node.attr.endswith(ATTRIBUTES) or (node.attr in PRIVATE and not own):
                yield node.lineno, f".{node.attr}"
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            parts = [*node.module.split("."), *(alias.name for alias in node.names)]
            if parts[0] in PRIVATE_MODULES and any(part.startswith("_") for part in parts):
                yield node.lineno, f"import of {node.module}"


@pytest.mark.parametrize("path", outside(), ids=_module)
def test_no_other_package_reaches_into_optuna(path: Path) -> None:
    if _module(path) in SAMPLERS:
        return
    uses = private_uses(ast.parse(path.read_text("utf-8")))
    found = [f"{path.relative_to(ROOT)}:{line} {what}" for line, what in uses]
    assert not found, "\n".join(found)


def test_what_is_looked_for_is_found() -> None:
    code = """
study._storage
trial.user_attrs["seed"]
storage.set_trial_user_attr(1, "a", 2)
from optuna.study._frozen import FrozenStudy
self._storage = 1
"""
    assert sorted(line for line, _ in private_uses(ast.parse(code))) == [2, 3, 4, 5]


def test_a_record_has_every_attribute_under_its_own_name() -> None:
    start = TrialStart(seed=7, replicate=0, plan_hash="ab", attempt=2, retry_of=3, root=1, began_with=4)
    end = TrialEnd(epochs=5, seconds=1.5, reason="interrupted", worker="0@here", retry="interrupted", device="cpu")
    stored = start.attributes() | end.attributes()
    assert stored == {
        "seed": 7, "replicate": 0, "plan_hash": "ab", "attempt": 2, "retry_of": 3, "root": 1, "began_with": 4,
        "epochs": 5, "seconds": 1.5, "reason": "interrupted", "worker": "0@here", "retry": "interrupted",
        "device": "cpu",
    }  # fmt: skip
    trial = create_trial(
        state=TrialState.FAIL, params={"alpha": 0.5}, distributions={"alpha": FloatDistribution(0, 1)},
        user_attrs=stored | {"of another program": 1},
    )  # fmt: skip
    record = TrialRecord.of(trial)
    assert record.attributes().items() >= stored.items()
    assert (record.params, record.first_attempt, record.shown_state) == ({"alpha": 0.5}, 1, "INTERRUPTED")
    assert not hasattr(record, "of another program")


@pytest.mark.parametrize(
    ("state", "retry", "attempt", "finished"),
    [
        (TrialState.COMPLETE, None, 1, True),
        (TrialState.PRUNED, None, 1, True),
        (TrialState.FAIL, None, 1, True),
        (TrialState.FAIL, "lost", 3, False),
        (TrialState.FAIL, "lost", 4, True),
        (TrialState.FAIL, "interrupted", 9, False),
        (TrialState.RUNNING, None, 1, False),
        (TrialState.WAITING, None, 1, False),
    ],
)
def test_what_counts_as_finished(state: TrialState, retry: str | None, attempt: int, finished: bool) -> None:
    attributes = {"attempt": attempt} | ({} if retry is None else {"retry": retry})
    value = 0.5 if state == TrialState.COMPLETE else None
    record = TrialRecord.of(create_trial(state=state, value=value, user_attrs=attributes))
    assert record.is_finished == finished
    foreign = TrialRecord.of(create_trial(state=state, value=value, user_attrs=attributes | {"left_out": "foreign"}))
    assert not foreign.is_finished
