"""Prometheus' verdicts: feedback, then `[RESULT] 4` or, for a pair, `[RESULT] A`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deemster.dialects.base import Dialect, Parsed, number, settle, tail
from deemster.dialects.reasoning import strip_reasoning
from deemster.errors import ParseError
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Scale

_MARK = r"\[RESULT\][ \t*:]{0,8}+\n?+[ \t]{0,8}+(?:Response[ ])?[(\[*]{0,3}+"
# Findings start like a verdict and run to the end of the line, so that "4 or 5" is not a 4.
_SCORE = re.compile(_MARK + r"([+-]?[0-9][^\n]{0,60})", re.IGNORECASE | re.ASCII)
_LETTER = re.compile(_MARK + r"([AB]\b[^\n]{0,60})", re.IGNORECASE | re.ASCII)
_SCORES = {"A": (1.0, 0.0), "B": (0.0, 1.0)}


@dataclass(frozen=True)
class Prometheus(Dialect):
    """One response scored 1 to 5, or the better of two."""

    name = "prometheus"
    scale = Scale(low=1, high=5)
    max_responses = 2

    def scale_for(self, n: int) -> Scale:
        """1 to 5 for one response, 0 or 1 for each of two."""
        return self.scale if n == 1 else Scale(low=0, high=1)

    def parse(self, completion: Completion, *, n: int) -> Parsed:
        """Read what stands behind `[RESULT]`; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        findings = (_SCORE if n == 1 else _LETTER).findall(fold(text))
        scores = settle(
            findings,
            self._score if n == 1 else _letter,
            missing=f"no [RESULT] in text ending {tail(text)}",
        )
        return Parsed(scores, analysis=text.strip())

    def _score(self, finding: str) -> tuple[float, ...]:
        return (number(_bare(finding), self.scale),)


def _letter(finding: str) -> tuple[float, ...]:
    letter = _bare(finding).upper()
    if letter not in _SCORES:
        raise ParseError(f"expected A or B and nothing after it, got {finding!r}")
    return _SCORES[letter]


def _bare(finding: str) -> str:
    """Without closing brackets, emphasis and a full stop."""
    return finding.rstrip(" \t*)].")
