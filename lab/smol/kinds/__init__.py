"""Kinds of tasks: a module per family, registered here."""

from lab.smol.item import Kind
from lab.smol.kinds import (
    calendar,
    clock,
    compare,
    contradiction,
    instructions,
    knowledge,
    language,
    logic,
    measures,
    numbers,
    offers,
    parts,
    reading,
    sense,
    stories,
    wording,
    writing,
)

FAMILIES = (
    *(numbers, measures, stories, parts, compare, offers, calendar, clock, logic, instructions),
    *(wording, language, sense, writing, contradiction, reading, knowledge),
)
"""Modules whose `KINDS` are drawn from."""
KINDS: dict[str, Kind] = {name: kind for one in FAMILIES for name, kind in one.KINDS.items()}
"""All kinds by name."""

__all__ = ["FAMILIES", "KINDS"]
