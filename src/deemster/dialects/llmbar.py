"""LLMBar's verdicts: `Output (a)` or `Output (b)`, as a label or as `Output (a) is better`.

LLMBar's own two rules search for (a) first and stop there, so a text that names both goes to
(a). They are kept as the rules `phrase` (its prompts with reasoning: CoT, Swap, Swap_CoT) and
`label` (all others), because its published accuracies depend on it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from deemster.dialects.base import Dialect, Parsed, asserted, number, settle, tail
from deemster.dialects.reasoning import strip_reasoning
from deemster.errors import ParseError
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Scale

# Written so that the search can leap to what they begin with: `\b` and `^` in front are slow.
# "Is better written" and "is better in style" are about a part of it.
_PHRASE = re.compile(
    r"[Oo](?<=\b.)utput \(([ab])\)\**\s?is better"
    r"(?=[ ]{0,2}(?:[^\w ]|$)|\s+(?:because|as|since|for|overall|due|given"
    r"|than[ ](?:[Oo]utput|the[ ]other))\b|\s*\n)"
)
_LABEL = re.compile(r"\n[ *]{0,4}Output \(([ab])\)[.*]{0,3}(?=\s*(?:\n|$))")
_THEIR_PHRASE = re.compile(r"Output \(([ab])\) is better.")
_THEIR_LABEL = re.compile(r"(?:^|\n) ?Output \(([ab])\)")
_SCORES = {"a": (1.0, 0.0), "b": (0.0, 1.0)}


@dataclass(frozen=True)
class LlmBar(Dialect):
    """The better of two outputs.

    Rule `strict` reads the phrases `Output (a) is better` that are said outright (see `asserted`)
    and, where there is none, the lines that hold nothing but a label. A judge that quotes such a
    phrase from a response cannot be distinguished from one that says it: prompts respell it, but
    prefer another dialect for live judging.
    """

    name = "llmbar"
    scale = Scale(low=0, high=1)
    rules: ClassVar[tuple[str, ...]] = ("strict", "phrase", "label")
    min_responses = 2
    max_responses = 2

    def parse(self, completion: Completion, *, n: int) -> Parsed:  # noqa: ARG002 - n is 2
        """Read the letter; see `Dialect.parse`."""
        text = strip_reasoning(completion.text).strip()
        if self.rule == "phrase":
            letters = sorted(_THEIR_PHRASE.findall(text))[:1]
        elif self.rule == "label":
            letters = sorted(_THEIR_LABEL.findall(text))[:1]
        else:
            folded = fold(text)
            said = (found for found in _PHRASE.finditer(folded) if asserted(folded, found.start()))
            letters = [found[1] for found in said] or _LABEL.findall("\n" + folded)
        scores = settle(
            letters,
            lambda letter: _SCORES[letter],
            missing=f"neither 'Output (a)' nor 'Output (b)' in text ending {tail(text)}",
        )
        return Parsed(scores, analysis=text)


@dataclass(frozen=True)
class LlmBarRating(Dialect):
    """One output, rated with nothing but a whole number from 0 to 10."""

    name = "llmbar-rating"
    forgeable = "a bare number"
    scale = Scale(low=0, high=10)
    max_responses = 1

    def parse(self, completion: Completion, *, n: int) -> Parsed:  # noqa: ARG002 - n is 1
        """Read the number; see `Dialect.parse`."""
        text = strip_reasoning(completion.text).strip()
        digits = fold(text)
        if not digits.isascii() or not digits.isdigit():
            raise ParseError(f"expected a whole number and nothing else, got {text[:60]!r}")
        return Parsed((number(digits, self.scale),))
