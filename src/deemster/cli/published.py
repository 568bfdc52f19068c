"""How the figures that another tool's rule gives look in a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console

from deemster.cli.render import console, show_facts, show_table


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
    out.print("\npublished figures (the whole log, by its own tool's rule)", style="italic")
    show_facts(parts.pop("", {}), out)
    for columns in dict.fromkeys(map(tuple, parts.values())):
        rows = [(part, *found.values()) for part, found in parts.items() if tuple(found) == columns]
        show_table("", ("part", *columns), rows, out)
