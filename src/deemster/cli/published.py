"""Shows figures computed by another tool's rule in a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deemster.cli.render import console, show_facts


def show_published(figures: Mapping[str, float], out: Console | None = None) -> None:
    """Print figures by name: those of the whole log line by line, those of its parts as tables.

    A name `PART/FIGURE` is of a part; parts with the same figures share a table.
    """
    if not figures:
        return
    out = out or console()
    parts: dict[str, dict[str, float]] = {}
    for name, value in figures.items():
        part, _, figure = name.rpartition("/")
        parts.setdefault(part, {})[figure] = value
    out.print("\npublished figures: the whole log by its own tool's rule", style="italic")
    show_facts(parts.pop("", {}), out)
    for columns in dict.fromkeys(map(tuple, parts.values())):
        alike = {part: found for part, found in parts.items() if tuple(found) == columns}
        out.print(_table(columns, alike))


def _table(columns: tuple[str, ...], parts: Mapping[str, Mapping[str, float]]) -> Table:
    """Names wrap between words, never within one; where space is short, parts give way."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("\npart", overflow="fold")
    rows = [[f"{found[column]:.4g}" for column in columns] for found in parts.values()]
    for position, column in enumerate(columns):
        words = column.split("_")
        width = max(map(len, [*words, *(row[position] for row in rows)]))
        table.add_column("\n" + " ".join(words), justify="right", width=width)
    for part, row in zip(parts, rows, strict=True):
        table.add_row(Text(part), *row)
    return table


__all__ = ["show_published"]
