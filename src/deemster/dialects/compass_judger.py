"""CompassJudger's verdicts: a choice in a JSON object, or points by dimension in a dictionary."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from deemster.dialects.base import Parsed, number, settle, tail
from deemster.dialects.choice_json import choice_of
from deemster.dialects.loose_json import read_fields
from deemster.dialects.point_or_pair import PointOrPair
from deemster.dialects.reasoning import strip_reasoning
from deemster.errors import ParseError
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Critique, Scale

_CHOICE, _TOTAL = "Choice", "综合得分"
_CHOICES: Mapping[str, tuple[float, float]] = {
    "model a": (1.0, 0.0), "model b": (0.0, 1.0), "a": (1.0, 0.0), "b": (0.0, 1.0),
}  # fmt: skip
_BRACKETS = re.compile(r"\[(Model [AB])\]", re.ASCII)
# A mention of a model, as in "[Model A] is brief", is no verdict.
_LAST_LINE = re.compile(
    r"(?:[^\n]{0,80}(?:[:是为]|\bis))?[ \t*_#>]{0,8}\[Model [AB]\][ \t*_.。]{0,8}\Z", re.ASCII
)
# Up to the end of the entry, so that "5 or 6" is not a 5; the dictionary must be closed.
_POINTS = re.compile(rf"['\"]{_TOTAL}['\"][ \t]{{0,8}}:([^,}}\n]{{0,40}})[,}}]")
_DICTIONARY = re.compile(r"\{[^{}\n]{0,2000}\}")


@dataclass(frozen=True)
class CompassJudger(PointOrPair):
    """One response scored 1 to 10, or the better of two; there is no tie.

    For a pair `{"Choice": "Model A"}` after an analysis, or `[Model A]` alone on the last line. For
    one response `{'满足用户需求': 7, …, '综合得分': 6}` after an analysis by dimension, in Chinese:
    the last entry, the overall score, counts.
    """

    name = "compass-judger"
    scale = Scale(low=1, high=10)

    def parse(self, completion: Completion, *, n: int) -> Parsed:
        """Read the object; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        folded = fold(text)
        if n == 1:
            return self._points(text, folded)
        if f'"{_CHOICE}"' in folded:
            scores = choice_of(read_fields(folded, _CHOICE)[_CHOICE], _CHOICES)
        else:
            missing = f'no "Choice" and no [Model A] or [Model B] in text ending {tail(text)}'
            choose = partial(choice_of, choices=_CHOICES)
            scores = settle(_BRACKETS.findall(folded), choose, missing=missing)
            if not _LAST_LINE.match(folded.rstrip().rpartition("\n")[2]):
                raise ParseError(missing)
        return Parsed(scores, analysis=text.strip())

    def _points(self, text: str, folded: str) -> Parsed:
        score = settle(
            _POINTS.findall(folded),
            lambda said: number(said.strip(" '\""), self.scale),
            missing=f"no '{_TOTAL}' in text ending {tail(text)}",
        )
        said = _DICTIONARY.sub("", text).strip()
        return Parsed((score,), critiques=(Critique(response=0, text=said),) if said else ())
