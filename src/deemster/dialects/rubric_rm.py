"""RubricRM's and RubricARM's verdicts: `--- Final Judgment ---`, then `Winner: Response A`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deemster.dialects.base import Dialect, Parsed, settle, tail
from deemster.dialects.letters import SCORES
from deemster.dialects.reasoning import strip_reasoning
from deemster.errors import ParseError
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Critique, Scale

# Findings start like a verdict and run to the end of the line, so that "A or B" is not an A.
_WINNER = re.compile(
    r"\bwinner[*_]{0,4}+:[ \t*_(\[]{0,8}+((?:response[ ])?[AB]\b[^\n]{0,60})",
    re.IGNORECASE | re.ASCII,
)
_ABOUT = re.compile(
    r"^[ \t#]{0,8}\*{0,2}Response ([AB])(?::\*{0,2}|\*{2}:?)[ \t]*", re.MULTILINE | re.ASCII
)
_SECTION = re.compile(r"^-{3}[ \t]*(?:Compliance Check|Analysis|Final Judgment)", re.MULTILINE)


@dataclass(frozen=True)
class RubricRm(Dialect):
    """The better of two responses by a rubric; there is no tie.

    The rubric comes from the judge's principles: one that a rubric model of the same makers
    wrote, say, or any other.
    """

    name = "rubric-rm"
    scale = Scale(low=0, high=1)
    min_responses = 2
    max_responses = 2

    def parse(self, completion: Completion, *, n: int) -> Parsed:  # noqa: ARG002 - n is 2
        """Read the winner; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        scores = settle(
            _WINNER.findall(fold(text)),
            _letter,
            missing=f"no 'Winner:' in text ending {tail(text)}",
        )
        return Parsed(scores, critiques=_critiques(text), analysis=text.strip())


def _letter(finding: str) -> tuple[float, ...]:
    letter = finding.rstrip(" \t*_)].").upper().removeprefix("RESPONSE ")
    if letter not in SCORES:
        raise ParseError(f"expected Response A or Response B, got {finding!r}")
    return SCORES[letter]


def _critiques(text: str) -> tuple[Critique, ...]:
    """What the analysis says of each response."""
    places = list(_ABOUT.finditer(text))
    if [place[1] for place in places] != ["A", "B"]:
        return ()
    last = _SECTION.search(text, places[1].end())
    ends = (places[1].start(), last.start() if last else len(text))
    said = [text[place.end() : end].strip() for place, end in zip(places, ends, strict=True)]
    return tuple(Critique(response=i, text=one) for i, one in enumerate(said) if one)
