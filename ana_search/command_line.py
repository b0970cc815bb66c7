"""Command lines that messages, reports and notes show: what is printed can be typed."""

import os
import shlex
from pathlib import Path

__all__ = ["RUNS_VARIABLE", "command_line"]

RUNS_VARIABLE = "ANA_SEARCH_RUNS"


def command_line(*words: object, storage: str | None = None, runs: str | Path | None = None) -> str:
    """Return ``ana-search WORDS`` as a shell wants it, with the options that find the same study again.

    ``--storage`` and ``--runs`` are added where they are neither the default nor the environment's. A password in a
    storage's URL is masked: such a URL belongs into the environment.

    >>> command_line("launch", "my study.toml", runs="elsewhere")
    "ana-search launch 'my study.toml' --runs elsewhere"
    >>> command_line("status", "quickstart", runs="runs")
    'ana-search status quickstart'
    """
    # Optuna comes along, which `ana-search --help` need not wait for.
    from ana_search.storage import DEFAULT_RUNS, hide_password
    from ana_search.storage.urls import STORAGE_VARIABLE

    typed = ["ana-search", *map(str, words)]
    if storage is not None and storage != os.environ.get(STORAGE_VARIABLE):
        typed += ["--storage", hide_password(storage)]
    if runs is not None and str(runs) not in (str(DEFAULT_RUNS), os.environ.get(RUNS_VARIABLE)):
        typed += ["--runs", str(runs)]
    return shlex.join(typed)
