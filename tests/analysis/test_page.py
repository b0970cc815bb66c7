"""The Python of docs/analysis.md, and what the page says of reasons and groups."""

import re
from pathlib import Path

from ana_search.study_file import KEYS, groups_of
from analysis.verdict import REASONS

PAGE = (Path(__file__).parents[2] / "docs" / "analysis.md").read_text(encoding="utf-8")


def test_the_snippet_runs(capsys):
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(block, "analysis.md", "exec"), {"__name__": "page"})
    assert capsys.readouterr().out.startswith("synchronisation 0.9")


def test_every_reason_is_explained():
    for name in REASONS:
        assert f"`{name}`" in PAGE


def test_every_key_is_listed_in_its_group():
    for group, names in groups_of(list(KEYS)).items():
        assert f"| `{group}` | {', '.join(f'`{name}`' for name in names)} |" in PAGE
