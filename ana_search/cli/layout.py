"""How tables, labelled facts and running text are set: within the window's width, or within 80 columns."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ana_search.cli.console import format_value

__all__ = ["command", "facts_table", "fits", "indented", "prose", "rows_table", "write"]

_MOST_PROSE = 110  # columns; longer lines are hard to read however wide the window is


def rows_table(rows: Sequence[Mapping[str, object]], numbers: Sequence[str] = ()) -> Table:
    """Return one table line a row; the columns are the fields of all rows in order.

    Columns of numbers, and those named in ``numbers``, are set to the right.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for name in dict.fromkeys(name for row in rows for name in row):
        right = name in numbers or all(isinstance(row.get(name), (int, float, type(None))) for row in rows)
        table.add_column(name.replace("_", " "), justify="right" if right else "left", overflow="fold")
    names = list(dict.fromkeys(name for row in rows for name in row))
    for row in rows:
        table.add_row(*(Text(format_value(row.get(name))) for name in names))
    return table


def facts_table(facts: Mapping[str, RenderableType | None], title: str | None = None) -> Table:
    """Return labels and values without rules; facts that are None are left out."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    if title is not None:
        table.title = Text(title, style="bold")
        table.title_justify = "left"
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in facts.items():
        if value is not None:
            table.add_row(label, Text(value) if isinstance(value, str) else value)
    return table


def prose(text: str | Text, style: str = "") -> Text:
    """Return running text, which is wrapped between words."""
    return Text(text, style=style) if isinstance(text, str) else text


def command(text: str) -> Text:
    """Return a command or a path: never wrapped, so that it can be copied."""
    return Text(text, no_wrap=True)


def indented(part: RenderableType) -> RenderableType:
    """Return a part moved in under the line above it."""
    return part if isinstance(part, Text) and part.no_wrap else Padding(part, (0, 0, 0, 4))


def fits(table: Table, console: Console) -> bool:
    """Return whether a table can be shown without wrapping a cell."""
    return Measurement.get(console, console.options.update(max_width=10_000), table).maximum <= console.width


def write(console: Console, parts: Sequence[RenderableType]) -> str:
    """Return the parts as text for ``console``; outside a terminal no line ends in blanks."""
    with console.capture() as captured:
        for part in parts:
            if isinstance(part, Text) and part.no_wrap:
                console.print(part, soft_wrap=True)
            else:
                narrow = isinstance(part, (Text, Padding)) and console.width > _MOST_PROSE
                console.print(part, width=_MOST_PROSE if narrow else None)
    text = captured.get()
    if console.is_terminal:
        return text
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n") + "\n"
