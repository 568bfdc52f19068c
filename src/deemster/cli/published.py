"""Shows figures computed by another tool's rule in a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deemster.cli.render import console, show_facts
from deemster.suites.summaries import published_tables


def show_published(figures: Mapping[str, float], out: Console | None = None) -> None:
    """Print figures by name: those of the whole log line by line, those of its parts as tables.

    A name `PART/FIGURE` is of a part; parts with the same figures share a table.
    """
    if not figures:
        return
    out = out or console()
    out.print("\npublished figures: the whole log by its own tool's rule", style="italic")
    for parts in published_tables(figures):
        if "" in parts:
            show_facts(parts[""], out)
        else:
            out.print(_table(parts))


def _table(parts: Mapping[str, Mapping[str, float]]) -> Table:
    """Names wrap between words, never within one; where space is short, parts give way."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("\npart", overflow="fold")
    columns = tuple(next(iter(parts.values())))
    rows = [[f"{found[column]:.4g}" for column in columns] for found in parts.values()]
    for position, column in enumerate(columns):
        words = column.split("_")
        width = max(map(len, [*words, *(row[position] for row in rows)]))
        table.add_column("\n" + " ".join(words), justify="right", width=width)
    for part, row in zip(parts, rows, strict=True):
        table.add_row(Text(part), *row)
    return table


__all__ = ["show_published"]
