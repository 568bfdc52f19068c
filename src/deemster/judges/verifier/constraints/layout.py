"""Which marks structure a response."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deemster.errors import InputError
from deemster.judges.verifier.base import Finding, TextCheck
from deemster.judges.verifier.constraints.counting import Bound, divided

_BULLET = re.compile(r"^[ \t]*(?:[*](?![*])|-(?!-)|[•+])[ \t]*\S", re.MULTILINE)
_NUMBERED = re.compile(r"^[ \t]*\d{1,4}[.)][ \t]+\S", re.MULTILINE)
_DOUBLE = re.compile(r"\*\*([^\n*]+)\*\*")
_SINGLE = re.compile(r"\*([^\n*]+)\*")
_TITLE = re.compile(r"<<([^\n<>]+)>>")
_PLACEHOLDER = re.compile(r"\[[^\[\]\n]+\]")


@dataclass(frozen=True)
class HasBullets(TextCheck):
    """A given number of lines are bullet points (`*`, `-`, `+` or `•` and text)."""

    bound: Bound

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return f"{self.bound} bullet points"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        return self.bound.finding(len(_BULLET.findall(response)), "bullet points")


@dataclass(frozen=True)
class HasNumberedList(TextCheck):
    """A given number of lines are numbered items (`1.` or `1)` and text)."""

    bound: Bound

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return f"{self.bound} numbered items"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        return self.bound.finding(len(_NUMBERED.findall(response)), "numbered items")


@dataclass(frozen=True)
class HasHighlights(TextCheck):
    """A given number of pieces are highlighted as `*this*` or `**this**`, each within a line."""

    bound: Bound

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return f"{self.bound} highlighted sections"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        double = [found for found in _DOUBLE.findall(response) if found.strip()]
        rest = _DOUBLE.sub(" ", response)
        # A bullet's star at the start of a line is not the start of a highlight.
        rest = re.sub(r"^[ \t]*\*[ \t]+", "", rest, flags=re.MULTILINE)
        single = [found for found in _SINGLE.findall(rest) if found.strip()]
        return self.bound.finding(len(double) + len(single), "highlighted sections")


@dataclass(frozen=True)
class HasTitle(TextCheck):
    """There is a title in double angular brackets, `<<title>>`."""

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return "has a <<title>>"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        titles = [found.strip() for found in _TITLE.findall(response) if found.strip()]
        return Finding.of(bool(titles), f"title {titles[0]!r}" if titles else "no title")


@dataclass(frozen=True)
class HasSections(TextCheck):
    """A given number of sections begin with a word and a number: `Section 1`, `PART 2`."""

    word: str
    bound: Bound

    def __post_init__(self) -> None:
        if not self.word.strip():
            raise InputError(f"the word that begins a section is blank: {self.word!r}")

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return f"{self.bound} sections marked {self.word.strip()!r}"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        mark = re.compile(rf"(?<!\w){re.escape(self.word.strip())}\s?\d+")
        return self.bound.finding(len(mark.findall(response)), "sections")


@dataclass(frozen=True)
class HasPostscript(TextCheck):
    """A line begins with a postscript's marker (`P.S.`, `P.P.S`), spaces in it allowed."""

    marker: str = "P.S."

    def __post_init__(self) -> None:
        if not self.marker.strip():
            raise InputError(f"the marker of a postscript is blank: {self.marker!r}")

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return f"has a postscript {self.marker.strip()!r}"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        letters = [re.escape(char) for char in "".join(self.marker.split()).rstrip(".")]
        mark = rf"^[ \t*_>]*{r'[ ]?'.join(letters)}"
        found = re.search(mark, response, re.IGNORECASE | re.MULTILINE)
        return Finding.of(found is not None, "it has" if found else "no line begins with it")


@dataclass(frozen=True)
class HasPlaceholders(TextCheck):
    """A given number of placeholders are in square brackets, `[address]`."""

    bound: Bound

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return f"{self.bound} placeholders"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        return self.bound.finding(len(_PLACEHOLDER.findall(response)), "placeholders")


@dataclass(frozen=True)
class IsQuoted(TextCheck):
    """The response is in double quotation marks."""

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return "in double quotation marks"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        text = response.strip()
        passed = len(text) > 1 and text[0] in '"“' and text[-1] in '"”'
        return Finding.of(passed, f"it begins {text[:20]!r} and ends {text[-20:]!r}")


@dataclass(frozen=True)
class TwoResponses(TextCheck):
    """There are exactly two different answers, separated by six stars, `******`."""

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return "two answers parted by ******"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        parts = divided(response, "******")
        if parts is None or len(parts) != 2:
            return Finding(0.0, f"{0 if parts is None else len(parts)} answers; wanted exactly 2")
        return Finding.of(parts[0] != parts[1], "two answers" if parts[0] != parts[1] else "equal")
