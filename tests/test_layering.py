"""Imports point down only: the order of the layers, enforced over every file of both packages."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Lowest first; modules on one line do not know each other.
LAYERS = [
    [
        "ana_search.errors",
        "ana_search.passwords",
        "ana_search.files",
        "ana_search.history",
        "ana_search.objectives",
        "ana_search.verdict_file",
        "ana_search.wording",
    ],
    ["ana_search.decisions", "ana_search.reading", "ana_search.shares", "ana_search.url_checks"],
    ["ana_search.float_reference"],
    ["ana_search.ana"],
    ["ana_search.plan"],
    ["ana_search.data", "ana_search.networks"],
    ["ana_search.study_file"],
    ["ana_search.shipped"],
    ["ana_search.space"],
    ["ana_search.planner"],
    ["ana_search.training"],
    ["ana_search.export.integer"],
    ["ana_search.export.freeze"],
    ["ana_search.export.formats"],
    ["ana_search.hardware"],
    ["ana_search.estimate"],
    ["ana_search.storage", "ana_search.dispatch"],
    ["ana_search.command_line"],
    ["ana_search.results", "ana_search.runner", "ana_search.studies", "ana_search.testing"],
    ["ana_search.summary"],
    ["ana_search.confirm", "ana_search.rerun"],
    ["ana_search.export"],
    ["analysis"],
    ["ana_search.dashboard"],
    ["ana_search.cli"],
    ["ana_search.__main__"],
]
RANK = {module: rank for rank, modules in enumerate(LAYERS) for module in modules}
# What needs neither a search nor a cluster must not load either.
BELOW_SEARCH = {"errors", "files", "ana", "plan", "data", "networks", "planner", "training"}


def _files() -> list[Path]:
    return sorted([*ROOT.glob("ana_search/**/*.py"), *ROOT.glob("analysis/**/*.py")])


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _layer(module: str) -> str | None:
    if module.split(".")[0] == "analysis":
        return "analysis"
    if module.startswith("ana_search."):
        parts = module.split(".")
        part = ".".join(parts[:3])  # a part of a package may have a place of its own, below the others
        return part if part in RANK else ".".join(parts[:2])
    return None


def _imports(path: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module == "ana_search":
                found += [(node.lineno, f"ana_search.{alias.name}") for alias in node.names]
            else:
                found.append((node.lineno, node.module))
    return found


@pytest.mark.parametrize("path", _files(), ids=_module)
def test_imports_point_down(path: Path) -> None:
    own = _layer(_module(path))
    if own is None:
        return  # the package's own __init__ re-exports public names from anywhere
    assert own in RANK, f"{own} has no place in LAYERS"
    wrong = []
    for line, name in _imports(path):
        layer = _layer(name)
        if layer is not None and layer in RANK and layer != own and RANK[layer] >= RANK[own]:
            wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", _files(), ids=_module)
def test_training_needs_neither_optuna_nor_ray(path: Path) -> None:
    parts = _module(path).split(".")
    if parts[0] != "ana_search" or len(parts) < 2 or parts[1] not in BELOW_SEARCH:
        return
    assert not [name for _, name in _imports(path) if name.split(".")[0] in ("optuna", "ray")]


def test_no_file_is_long() -> None:
    long = {str(path): n for path in _files() if (n := len(path.read_text(encoding="utf-8").splitlines())) > 400}
    assert not long
