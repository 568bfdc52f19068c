"""How long a response is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from deemster.errors import InputError
from deemster.judges.verifier.base import Finding, TextCheck
from deemster.judges.verifier.constraints.counting import (
    Bound,
    divided,
    paragraphs,
    sentences,
    tokens,
    words,
)

Unit = Literal["words", "tokens", "sentences", "paragraphs", "divided paragraphs", "characters"]
_COUNT = {"words": words, "tokens": tokens, "sentences": sentences, "paragraphs": paragraphs}


@dataclass(frozen=True)
class Length(TextCheck):
    """The response has a given number of words, sentences, paragraphs or characters.

    Attributes:
        unit: what is counted; see `counting`. `divided paragraphs` are those between `***`.
            Characters are Unicode code points without outer white space.
        bound: how many.
    """

    unit: Unit
    bound: Bound

    def __post_init__(self) -> None:
        if self.unit not in get_args(Unit):
            raise InputError(f"unit {self.unit!r}; allowed: {', '.join(get_args(Unit))}")

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return f"{self.bound} {self.unit}"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        if self.unit == "characters":
            return self.bound.finding(len(response.strip()), self.unit)
        if self.unit == "divided paragraphs":
            parts = divided(response, "***")
            if parts is None:
                return Finding(0.0, "a paragraph between '***' is blank")
            return self.bound.finding(len(parts), self.unit)
        return self.bound.finding(len(_COUNT[self.unit](response)), self.unit)


@dataclass(frozen=True)
class ParagraphStartsWith(TextCheck):
    """There is an exact number of paragraphs, and one of them starts with a given word.

    Attributes:
        paragraphs: how many, >= 1.
        nth: which one, from 1.
        word: its first word; case and punctuation around it do not matter.
    """

    paragraphs: int
    nth: int
    word: str

    def __post_init__(self) -> None:
        if not 1 <= self.nth <= self.paragraphs:
            raise InputError(
                f"paragraph number {self.nth!r} must be from 1 to the {self.paragraphs!r} asked for"
            )

    @property
    def name(self) -> str:
        """See `Check.name`."""
        return f"{self.paragraphs} paragraphs, number {self.nth} starts with {self.word!r}"

    def examine(self, response: str) -> Finding:
        """See `Check.run`."""
        found = paragraphs(response)
        if len(found) != self.paragraphs:
            return Finding(0.0, f"{len(found)} paragraphs; wanted exactly {self.paragraphs}")
        first = next(iter(words(found[self.nth - 1])), "")
        passed = first.casefold() == self.word.strip().casefold()
        return Finding.of(passed, f"paragraph {self.nth} starts with {first!r}")
