"""Selene's verdicts (Atla): `**Reasoning:** …`, then `**Result:** 4`, `Yes` or `A`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from deemster.dialects.base import Parsed, number, settle, tail
from deemster.dialects.letters import SCORES
from deemster.dialects.point_or_pair import PointOrPair
from deemster.dialects.reasoning import strip_reasoning
from deemster.errors import ParseError
from deemster.prompts import OfficialPrompt
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Critique, Scale

# Where a line or a sentence begins, or in bold: "the code prints the result: 4" is no verdict.
_LABEL = (
    r"(?:(?:(?<![^\n])[ \t*_#>-]{0,8}+(?:(?:the|my|final|overall)[ ]){0,2}|[*_]{2}(?:final[ ])?)"
    r"result|(?<=[.!?][ ])(?-i:Result))[*_]{0,4}+:[ \t*_]{0,8}+\n?+[ \t*_(\[]{0,8}+"
)
# Findings start like a verdict and run to the end of the line, so that "4 or 5" is not a 4.
_POINTS = re.compile(_LABEL + r"([+-]?[0-9][^\n]{0,60})", re.IGNORECASE | re.ASCII)
_WORD = re.compile(_LABEL + r"((?:yes|no)\b[^\n]{0,60})", re.IGNORECASE | re.ASCII)
_LETTER = re.compile(_LABEL + r"((?:response[ ])?[AB]\b[^\n]{0,60})", re.IGNORECASE | re.ASCII)
_REASONING = re.compile(r"\s*[*_]{0,4}reasoning[*_]{0,4}:[*_]{0,4}\s*", re.IGNORECASE)
_BINARY = Scale(low=0, high=1)
_REPOSITORY = "atla-ai/selene-mini, prompt-templates/"


def _levels(name: str, low: int, high: int) -> str:
    """What a rubric says of a level, as Jinja source."""
    return (
        "{% for principle in principles %}{% for band in principle.bands "
        f"if band.low <= {low} and {high} <= band.high %}}"
        "{{ band.meaning }} {% endfor %}{% else %}" + name + "{% endfor %}"
    )


_OBJECTIVE = (
    "{% if principles %}{{ principles | map(attribute='description') | join('; ') }}"
    "{% else %}Does the response do what was asked, correctly and completely?{% endif %}"
)
_LEVELS = ("not at all", "poorly", "in part", "mostly", "fully")
_SLOTS = {
    "user_input": "conversation",
    "assistant_response": "responses[0]",
    "rubric_objective": _OBJECTIVE,
}


@dataclass(frozen=True)
class Selene(PointOrPair):
    """One response scored 1 to 5, or the better of two.

    Rule `yes-no` asks whether a response meets the criteria, one response at a time: 1 or 0.
    """

    name = "selene"
    scale = Scale(low=1, high=5)
    rules: ClassVar[tuple[str, ...]] = (*PointOrPair.rules, "yes-no")
    point_rules: ClassVar[tuple[str, ...]] = ("points", "yes-no")
    officials: ClassVar[Mapping[str, OfficialPrompt]] = {
        "points": OfficialPrompt(
            _REPOSITORY + "absolute-scoring.yaml",
            {"user": "user_template"},
            _SLOTS
            | {
                f"rubric_score_{i}_description": _levels(level, i, i)
                for i, level in enumerate(_LEVELS, 1)
            },
        ),
        "yes-no": OfficialPrompt(
            _REPOSITORY + "classification.yaml",
            {"user": "user_template"},
            _SLOTS
            | {
                "rubric_yes_description": _levels("It does.", 1, 1),
                "rubric_no_description": _levels("It does not.", 0, 0),
            },
        ),
        "pair": OfficialPrompt(
            _REPOSITORY + "pairwise.yaml",
            {"user": "user_template"},
            {
                "user_input": "conversation",
                "assistant_response_a": "responses[0]",
                "assistant_response_b": "responses[1]",
                "rubric_objective": _OBJECTIVE,
            },
        ),
    }

    def scale_for(self, n: int) -> Scale:
        """1 to 5 for one response; 0 or 1 for each of two, and by the rule `yes-no`."""
        return _BINARY if self.rule == "yes-no" else super().scale_for(n)

    def parse(self, completion: Completion, *, n: int) -> Parsed:
        """Read what stands behind `Result:`; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        pattern, read = self._grammar(n)
        folded = fold(text)
        scores = settle(
            pattern.findall(folded), read, missing=f"no 'Result:' in text ending {tail(text)}"
        )
        first = pattern.search(folded)
        said = _REASONING.sub("", text[: first.start() if first else None], count=1).strip(" *_\n")
        if n == 1 and said:
            return Parsed(scores, critiques=(Critique(response=0, text=said),))
        return Parsed(scores, analysis=said)

    def _grammar(self, n: int) -> tuple[re.Pattern[str], Callable[[str], tuple[float, ...]]]:
        if n == 2:
            return _LETTER, _letter
        return (_WORD, _yes) if self.rule == "yes-no" else (_POINTS, self._points)

    def _points(self, finding: str) -> tuple[float, ...]:
        return (number(_bare(finding), self.scale),)


def _letter(finding: str) -> tuple[float, ...]:
    letter = _bare(finding).upper().removeprefix("RESPONSE ")
    if letter not in SCORES:
        raise ParseError(f"expected A or B and nothing after it, got {finding!r}")
    return SCORES[letter]


def _yes(finding: str) -> tuple[float, ...]:
    word = _bare(finding).lower()
    if word not in ("yes", "no"):
        raise ParseError(f"expected Yes or No and nothing after it, got {finding!r}")
    return (float(word == "yes"),)


def _bare(finding: str) -> str:
    """Without closing brackets, emphasis and a full stop."""
    return finding.rstrip(" \t*_)].")
