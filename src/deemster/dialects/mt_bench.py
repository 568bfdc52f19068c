"""MT-bench's verdicts: `[[A]]`, `[[B]]`, `[[C]]` for a pair, `[[7]]` for a single response.

Tools disagree on what counts when a text holds two verdicts. FastChat takes the first; others
take the last. Here two different ones are ambiguous; the rules `first` and `last` read logs of
those tools as they did, and no other spellings than they do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from deemster.dialects.base import OUT_OF, Dialect, Parsed, T, number, settle, tail, with_scale
from deemster.dialects.reasoning import strip_reasoning
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Scale

_RULES = ("strict", "first", "last")
_LETTER = re.compile(
    r"\[\[(?!\[)[ *_\"']{0,4}(?:(?:assistant|response|answer)[ ]{1,4}(?=[AB]))?"
    r"([ABC])[ *_\"']{0,4}\]\]",
    re.IGNORECASE | re.ASCII,
)
_THEIR_LETTER = re.compile(r"\[\[[ ]{0,4}([ABCabc])[ ]{0,4}\]\]")
# Numbers only: other double brackets are links or lists, not ratings.
_NUMBER = r"[+-]?[0-9]{1,12}(?:\.[0-9]{0,12})?"
_NAME = (
    r"(?:(?:overall |final )?(?:rating|score)|평점|점수|评分|得分|note|puntuación|bewertung)"
    r"[ *_]{0,4}:[ *_]{0,4}"
)
_RATING = re.compile(
    rf"\[\[(?!\[)[ *_]{{0,4}}(?:{_NAME})?({_NUMBER}(?:[ ]?/[ ]?10)?)[ *_]{{0,4}}\]\]{OUT_OF}",
    re.IGNORECASE,
)
_THEIR_RATINGS = {
    "first": re.compile(rf"\[\[[ ]{{0,4}}({_NUMBER})[ ]{{0,4}}\]\]"),
    # The tool's Korean judges write the name into the brackets.
    "last": re.compile(rf"\[\[[ ]{{0,4}}(?:{_NAME})?({_NUMBER})[ ]{{0,4}}\]\]", re.IGNORECASE),
}
_SCORES = {"A": (1.0, 0.0), "B": (0.0, 1.0), "C": (0.5, 0.5)}


@dataclass(frozen=True)
class MtBenchPair(Dialect):
    """Two responses; A, B or C for a tie."""

    name = "mt-bench-pair"
    scale = Scale(low=0, high=1, integer=False)
    rules: ClassVar[tuple[str, ...]] = _RULES
    min_responses = 2
    max_responses = 2

    def parse(self, completion: Completion, *, n: int) -> Parsed:  # noqa: ARG002 - n is 2
        """Read the letter; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        scores = _decide(
            self.rule,
            _LETTER.findall(fold(text)) if self.rule == "strict" else _THEIR_LETTER.findall(text),
            lambda letter: _SCORES[letter.upper()],
            missing=f"no [[A]], [[B]] or [[C]] in text ending {tail(text)}",
        )
        return Parsed(scores, analysis=text.strip())


@dataclass(frozen=True)
class MtBenchSingle(Dialect):
    """One response, rated 1 to 10; fractions are ratings too."""

    name = "mt-bench-single"
    scale = Scale(low=1, high=10, integer=False)
    rules: ClassVar[tuple[str, ...]] = _RULES
    max_responses = 1

    def parse(self, completion: Completion, *, n: int) -> Parsed:  # noqa: ARG002 - n is 1
        """Read the rating; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        return Parsed((read_rating(text, self.scale, self.rule),), analysis=text.strip())


def read_rating(text: str, scale: Scale, rule: str = "strict") -> float:
    """The rating in double brackets of a text without reasoning.

    Raises:
        ParseError: there is none.
        AmbiguousError: there are two different ones.
    """
    theirs = _THEIR_RATINGS.get(rule)
    return _decide(
        rule,
        theirs.findall(fold(text))
        if theirs
        else [with_scale(*found) for found in _RATING.findall(fold(text))],
        lambda rating: number(rating.removesuffix("."), scale),
        missing=f"no [[rating]] in text ending {tail(text)}",
    )


def _decide(rule: str, findings: Sequence[str], read: Callable[[str], T], *, missing: str) -> T:
    chosen = {"first": findings[:1], "last": findings[-1:]}.get(rule, findings)
    return settle(chosen, read, missing=missing)
