"""The page of methods lists every one, with its source, its file and its kind of scale."""

import re
from pathlib import Path

from ana_search.ana.methods import METHODS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
SCALES = {"fixed": "fixed", "learned": "learned", "power_of_two": "a learned power of two"}


def test_every_method_has_its_row() -> None:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith("| `")]
    assert sorted(cells[0].strip("`") for cells in rows) == sorted(METHODS)
    for name, _value, _gradient, scale, source, file in rows:
        assert scale == SCALES[METHODS[name.strip("`")].scale], name
        assert re.search(r"\d{4}|the same", source), name
        assert (ROOT / "ana_search" / "ana" / file.strip("`")).is_file(), name
