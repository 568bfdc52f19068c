"""Parts of a completion between marks: `[The Begin of X] … [The End of X]`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deemster.dialects.criteria import read_principles
from deemster.errors import ParseError
from deemster.prompts.normal_form import fold
from deemster.schemas import Critique, Principle

# BR-RM's first turn leaves out "The Begin of".
_MARK = re.compile(
    r"\[(?!\[)[ ]{0,4}(?:(?:the[ ]{1,4})?(?P<kind>begin|end)[ ]{1,4}of[ ]{1,4}"
    r"|(?=quality[ ](?:assessment|analysis)))(?P<label>[^\[\]\n]{1,80})\]",
    re.IGNORECASE | re.ASCII,
)
_ABOUT = re.compile(r"analysis (?:on|of|for) response ([0-9]{1,4})", re.ASCII)
_MOST = 256


@dataclass(frozen=True)
class Marked:
    """A part and its label, in lower case."""

    label: str
    text: str


def marked(text: str) -> tuple[Marked, ...]:
    """The parts in order; one that is not closed ends where the next begins.

    Raises:
        ParseError: there are more than 256.
    """
    folded = fold(text)
    found: list[Marked] = []
    label: str | None = None
    start = 0
    for mark in _MARK.finditer(folded):
        if len(found) == _MOST:
            raise ParseError(f"more than {_MOST} marked parts")
        if label is not None:
            found.append(Marked(label, text[start : mark.start()].strip(" \t\r\n*")))
        closes = (mark["kind"] or "").lower() == "end"
        label = None if closes else " ".join(mark["label"].lower().split())
        start = mark.end()
    if label is not None:
        found.append(Marked(label, text[start:].strip(" \t\r\n*")))
    return tuple(found)


def critiques_of(parts: tuple[Marked, ...], n: int) -> tuple[Critique, ...]:
    """One critique per response that the parts `Analysis on Response i` are about."""
    texts: dict[int, list[str]] = {}
    for part in parts:
        about = _ABOUT.search(part.label)
        if about and 1 <= int(about[1]) <= n and part.text:
            texts.setdefault(int(about[1]) - 1, []).append(part.text)
    return tuple(
        Critique(response=response, text="\n\n".join(pieces))
        for response, pieces in sorted(texts.items())
    )


def principles_of(parts: tuple[Marked, ...]) -> tuple[Principle, ...]:
    """The criteria of the parts that list them."""
    listed = (part.text for part in parts if "criteria" in part.label)
    return read_principles("\n".join(listed))
