"""The better of two as a letter: `<answer>[[A]]</answer>`, with or without its tags."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deemster.dialects.base import Dialect, Parsed, settle, tail
from deemster.dialects.reasoning import strip_reasoning
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Scale

_NAME = r"(?:(?:chatbot|assistant|response|answer)[ ]{1,4}(?=[AB]))?"
_LETTER = re.compile(
    rf"\[\[(?!\[)[ *_\"']{{0,4}}{_NAME}([AB])[ *_\"']{{0,4}}\]\]"
    rf"|<answer>[\s*]{{0,8}}{_NAME}([AB])[\s*.]{{0,8}}</answer>",
    re.IGNORECASE | re.ASCII,
)
SCORES = {"A": (1.0, 0.0), "B": (0.0, 1.0)}
"""Scores of the responses A and B by the letter of the better one."""


def read_letter(text: str) -> tuple[float, ...]:
    """The scores of two responses by a letter in double brackets or in an answer tag.

    Raises:
        ParseError: there is none.
        AmbiguousError: both letters are there.
    """
    return settle(
        (first or second for first, second in _LETTER.findall(fold(text))),
        lambda letter: SCORES[letter.upper()],
        missing=f"no [[A]] or [[B]] in text ending {tail(text)}",
    )


@dataclass(frozen=True)
class LetterPair(Dialect):
    """The better of two responses as a letter; there is no tie."""

    scale = Scale(low=0, high=1)
    min_responses = 2
    max_responses = 2

    def parse(self, completion: Completion, *, n: int) -> Parsed:  # noqa: ARG002 - n is 2
        """Read the letter; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        return Parsed(read_letter(text), analysis=text.strip())


@dataclass(frozen=True)
class SkyworkCritic(LetterPair):
    """Skywork-Critic's: `[[A]]` or `[[B]]`, in MT-bench's layout."""

    name = "skywork-critic"


@dataclass(frozen=True)
class Rise(LetterPair):
    """RISE-Judge's: an analysis that ends in `[[A]]` or `[[B]]`; asked in Chinese."""

    name = "rise"
