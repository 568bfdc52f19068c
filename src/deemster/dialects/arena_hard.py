"""Arena-Hard's and JudgeBench's verdict labels: `[[A>>B]]` to `[[B>>A]]`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deemster.dialects.base import Dialect, Parsed, settle, tail
from deemster.dialects.reasoning import strip_reasoning
from deemster.errors import ParseError
from deemster.prompts.normal_form import fold
from deemster.schemas import Completion, Scale

# Any arrangement of these signs is a label, so that a malformed one ("A>A") is told apart from
# a missing one, as in JudgeBench.
_LABEL = re.compile(r"\[\[(?!\[)[ *_]{0,4}([AB<>= ]{1,16})[ *_]{0,4}\]\]")
_SCORES = {
    "A>>B": (1.0, 0.0),
    "A>B": (0.75, 0.25),
    "A=B": (0.5, 0.5),
    "B>A": (0.25, 0.75),
    "B>>A": (0.0, 1.0),
}


@dataclass(frozen=True)
class ArenaHard(Dialect):
    """Two responses, one of five labels; a label counts only if all labels in the text agree.

    That is the reference rule too (JudgeBench `utils/judges.py`).
    """

    name = "arena-hard"
    scale = Scale(low=0, high=1, integer=False)
    min_responses = 2
    max_responses = 2

    def parse(self, completion: Completion, *, n: int) -> Parsed:  # noqa: ARG002 - n is 2
        """Read the label; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        scores = settle(
            _LABEL.findall(fold(text)),
            _scores,
            missing=f"no [[A>B]] label in text ending {tail(text)}",
        )
        return Parsed(scores, analysis=text.strip())


def _scores(label: str) -> tuple[float, float]:
    sign = label.replace(" ", "")
    if sign not in _SCORES:
        raise ParseError(f"{label!r} is not one of {', '.join(_SCORES)}")
    return _SCORES[sign]
