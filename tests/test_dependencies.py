"""Every package that the code imports is declared in pyproject.toml: nothing comes along with another by chance."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
OWN = {"ana_search", "analysis"}


def declared(*extras: str) -> set[str]:
    """Return the normalised names of the dependencies, and of those of these extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(one for extra in extras for one in project["optional-dependencies"][extra])]
    return {normal(re.split(r"[\[<>=!~; ]", one, maxsplit=1)[0]) for one in wanted}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imports() -> Iterator[tuple[str, str]]:
    """Yield the top-level name of every import of the packages, with its place."""
    for path in sorted([*ROOT.glob("ana_search/**/*.py"), *ROOT.glob("analysis/**/*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            for name in names:
                yield name.split(".")[0], f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"


def test_every_import_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = declared(*(name for name in project["optional-dependencies"] if name not in ("dev", "benchmarks")))
    homes = packages_distributions()
    missing = {
        f"{place}: {name}"
        for name, place in imports()
        if name not in OWN and name not in sys.stdlib_module_names and name != "_typeshed"
        # A package that is not installed here is an extra's, and has the name that it is imported by.
        if not known & {normal(home) for home in homes.get(name, [name])}
    }
    assert not missing, "\n".join(sorted(missing))


def test_every_dependency_has_a_range() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert [one for one in project["dependencies"] if ">=" not in one] == []


def private_imports() -> dict[str, set[str]]:
    """Return the packages of which private modules are imported, each with the places."""
    found: dict[str, set[str]] = {}
    for path in sorted([*ROOT.glob("ana_search/**/*.py"), *ROOT.glob("analysis/**/*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in names:
                first, *rest = name.split(".")
                if first not in OWN and any(part.startswith("_") and not part.startswith("__") for part in rest):
                    found.setdefault(first, set()).add(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}")
    return found


# What is relied on without an import that shows it.
RELIED_ON = {
    "optuna-dashboard": {"ana_search/dashboard/publish.py: the keys under which a study's graphs are kept",
                         "ana_search/dashboard/notes.py: what `save_note` reads of a trial"},
}  # fmt: skip


def test_what_has_its_private_parts_touched_has_an_upper_bound_that_was_tried() -> None:
    """A newer version than those tried may have moved them: then this test fails, before a study does."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = {one.name: one for one in map(Requirement, project["dependencies"])}
    touched = private_imports() | RELIED_ON
    assert {"optuna", "ray"} <= set(touched)
    for package, places in touched.items():
        specifier = requirements[package].specifier
        where = ", ".join(sorted(places))
        assert any(one.operator in ("<", "<=", "==", "~=") for one in specifier), f"{package}: no bound ({where})"
        assert specifier.contains(version(package)), (
            f"{package} {version(package)} is not in {specifier}: look whether its private parts are as they were "
            f"({where}), run the tests, and raise the bound in pyproject.toml"
        )
