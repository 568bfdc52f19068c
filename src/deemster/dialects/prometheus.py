"""Prometheus' verdicts: feedback, then `[RESULT] 4` or, for a pair, `[RESULT] A`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from deemster.dialects.base import Parsed, number, settle, tail
from deemster.dialects.letters import SCORES
from deemster.dialects.point_or_pair import PointOrPair
from deemster.dialects.reasoning import strip_reasoning
from deemster.errors import ParseError
from deemster.prompts import OfficialPrompt
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Scale

_MARK = r"\[RESULT\][ \t*:]{0,8}+\n?+[ \t]{0,8}+(?:Response[ ])?[(\[*]{0,3}+"
# Findings start like a verdict and run to the end of the line, so that "4 or 5" is not a 4.
_SCORE = re.compile(_MARK + r"([+-]?[0-9][^\n]{0,60})", re.IGNORECASE | re.ASCII)
_LETTER = re.compile(_MARK + r"([AB]\b[^\n]{0,60})", re.IGNORECASE | re.ASCII)
# Of the rule `loose`: a whole last line such as "Score: 4", "4/5", "Result: A", "The score is 4".
_LAST = re.compile(
    r"(?:(?:so,?[ ])?(?:(?:the|my|final|overall)[ ]){0,3}"
    r"(?P<label>score|result|rating|verdict)(?:[ ](?:is|of))?)?[ ]{0,4}:?[ ]{0,4}"
    r"[(\[*]{0,3}(?P<said>[0-9]{1,3}|[AB])[)\]*]{0,3}"
    r"(?P<of>[ ]{0,4}(?:/|out of)[ ]{0,4}5)?[.*]{0,3}",
    re.IGNORECASE | re.ASCII,
)
_ORIGIN = "prometheus-eval/prometheus-eval, libs/prometheus-eval/prometheus_eval/prompts.py"
_RUBRIC = (
    "{% for principle in principles %}[{{ principle.description }}]"
    "{% for band in principle.bands %}{{ '\n' }}Score {{ band.low }}"
    "{{ '' if band.low == band.high else '-' ~ band.high }}: {{ band.meaning }}{% endfor %}"
    "{{ '' if loop.last else '\n' }}"
    "{% else %}[Does the response do what was asked, correctly and completely?]{% endfor %}"
)


@dataclass(frozen=True)
class Prometheus(PointOrPair):
    """One response scored 1 to 5, or the better of two.

    Rule `loose`, for logs: where there is no `[RESULT]`, a last line that is `Score: 4`, `4/5` or
    `Result: A` counts, as for its makers' own reader. Such lines cannot be defused.
    """

    name = "prometheus"
    scale = Scale(low=1, high=5)
    rules: ClassVar[tuple[str, ...]] = (*PointOrPair.rules, "loose")
    officials: ClassVar[Mapping[str, OfficialPrompt]] = {
        "points": OfficialPrompt(
            _ORIGIN,
            {"system": "ABS_SYSTEM_PROMPT", "user": "ABSOLUTE_PROMPT_WO_REF"},
            {"instruction": "conversation", "response": "responses[0]", "rubric": _RUBRIC},
            digest="2ed25de0f609",
        ),
        "pair": OfficialPrompt(
            _ORIGIN,
            {"system": "REL_SYSTEM_PROMPT", "user": "RELATIVE_PROMPT_WO_REF"},
            {
                "instruction": "conversation",
                "response_A": "responses[0]",
                "response_B": "responses[1]",
                "rubric": _RUBRIC,
            },
            digest="14084caa2745",
        ),
    }

    def parse(self, completion: Completion, *, n: int) -> Parsed:
        """Read what stands behind `[RESULT]`; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        folded = fold(text)
        findings = (_SCORE if n == 1 else _LETTER).findall(folded)
        if self.rule == "loose" and "[RESULT]" not in folded.upper():
            findings = _last_line(folded, n)
        scores = settle(
            findings,
            self._score if n == 1 else _letter,
            missing=f"no [RESULT] in text ending {tail(text)}",
        )
        return Parsed(scores, analysis=text.strip())

    def _score(self, finding: str) -> tuple[float, ...]:
        return (number(_bare(finding), self.scale),)


def _last_line(text: str, n: int) -> list[str]:
    """What the last line says, if it is a verdict and nothing else."""
    _, _, last = text.strip().rpartition("\n")
    found = _LAST.fullmatch(last.strip(" \t*"))
    if found is None or found["said"].isdigit() is not (n == 1):
        return []
    return [found["said"]] if found["label"] or (found["of"] and n == 1) else []


def _letter(finding: str) -> tuple[float, ...]:
    letter = _bare(finding).upper()
    if letter not in SCORES:
        raise ParseError(f"expected A or B and nothing after it, got {finding!r}")
    return SCORES[letter]


def _bare(finding: str) -> str:
    """Without closing brackets, emphasis and a full stop."""
    return finding.rstrip(" \t*)].")
