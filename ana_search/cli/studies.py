"""`ana-search studies`: the study files that come with the package."""

from ana_search.cli.options import Format, FormatOption

__all__ = ["EXAMPLE", "NAME", "run"]

NAME = "studies"
EXAMPLE = "ana-search studies"


def run(output: FormatOption = Format.table) -> None:
    """List the shipped studies, each with what it asks."""
    from ana_search.cli import tables
    from ana_search.shipped import shipped_studies

    tables.print_studies(shipped_studies(), output)
