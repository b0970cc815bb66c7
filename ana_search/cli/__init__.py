"""The command line: one file per command, all thin over the library."""

from ana_search.cli.main import main

__all__ = ["main"]
