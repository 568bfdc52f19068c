"""Bounds on counts, and what counts as a word, a sentence, a paragraph."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from deemster.errors import InputError
from deemster.judges.verifier.base import Finding

Relation = Literal["at least", "at most", "less than", "more than", "exactly"]

_WORD = re.compile(r"\w+(?:['\u2019-]\w+)*")
_TOKEN = re.compile(r"\w+")
_STOPS = r".!?\u2026"
_CLOSERS = r"\"'\u201d\u2019)\]*_"
_SENTENCE_END = re.compile(
    rf"(?<![{_STOPS}])[{_STOPS}]++[{_CLOSERS}]*+(?=\s|$)"
    r"|[\u3002\uff01\uff1f]+[\u300d\u300f\u201d\u2019]*|\n\s*\n"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|st|sr|jr|vs|etc|e\.g|i\.e|cf|al|inc|ltd|co|no|vol|fig|dept|gen|gov"
    r"|sen|rep|capt|col|lt|rev|hon|approx|est|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec"
    r"|u\.s|u\.k|a\.m|p\.m|p\.s|p\.p\.s|(?-i:[A-Z]))|^\s*\d{1,3})\.$",
    re.IGNORECASE | re.MULTILINE,
)
_LOOK_BACK = 16
"""Characters before a full stop that are searched for an abbreviation."""


@dataclass(frozen=True)
class Bound:
    """A count and how it relates: `Bound("at least", 3)`."""

    relation: Relation
    count: int

    def __post_init__(self) -> None:
        if self.relation not in get_args(Relation):
            raise InputError(
                f"relation {self.relation!r}; allowed: {', '.join(get_args(Relation))}"
            )
        if type(self.count) is not int or self.count < 0:
            raise InputError(f"a count must be a whole number >= 0, got {self.count!r}")

    def __str__(self) -> str:
        return f"{self.relation} {self.count}"

    def allows(self, count: int) -> bool:
        """Whether a count is within the bound."""
        return {
            "at least": count >= self.count,
            "at most": count <= self.count,
            "less than": count < self.count,
            "more than": count > self.count,
            "exactly": count == self.count,
        }[self.relation]

    def finding(self, count: int, what: str) -> Finding:
        """The finding for a count of something."""
        return Finding.of(self.allows(count), f"{count} {what}; wanted {self}")


def words(text: str) -> list[str]:
    """Runs of letters, digits and underscores; apostrophes and hyphens inside a word join it."""
    return _WORD.findall(text)


def tokens(text: str) -> list[str]:
    """Runs of letters, digits and underscores only: `don't` is two. IFEval counts these."""
    return _TOKEN.findall(text)


def sentences(text: str) -> list[str]:
    """Pieces that end in `.`, `!`, `?` before white space, in their CJK forms, or at a blank line.

    Common abbreviations, initials and list numbers ("1.") do not end a sentence. Pieces without
    a letter or digit do not count.
    """
    found, start = [], 0
    for match in _SENTENCE_END.finditer(text):
        before = text[max(start, match.end() - _LOOK_BACK) : match.end()]
        if match[0] == "." and _ABBREVIATION.search(before):
            continue
        found.append(text[start : match.end()])
        start = match.end()
    found.append(text[start:])
    return [piece.strip() for piece in found if re.search(r"[^\W_]", piece)]


def paragraphs(text: str) -> list[str]:
    """Blocks between blank lines; blank blocks do not count."""
    return [part.strip() for part in re.split(r"\n[ \t]*\n", text) if part.strip()]


def divided(text: str, divider: str) -> list[str] | None:
    """Parts between dividers, or None if a part inside is blank; blank first and last drop out."""
    parts = [part.strip() for part in text.split(divider)]
    inner = parts[1:-1]
    if not all(inner):
        return None
    return [part for part in parts if part]
