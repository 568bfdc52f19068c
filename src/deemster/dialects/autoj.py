"""Auto-J's verdicts on a pair: `So, the final decision is Response 1`, `Response 2` or `Tie`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deemster.dialects.base import Dialect, Parsed, settle, tail
from deemster.dialects.reasoning import strip_reasoning
from deemster.schemas import Completion, Scale

_DECISION = re.compile(
    r"\bfinal decision is:?[ \t*]{1,8}(Response 1|Response 2|Tie)\b(?!/)",
    re.IGNORECASE | re.ASCII,
)
_SCORES = {"response 1": (1.0, 0.0), "response 2": (0.0, 1.0), "tie": (0.5, 0.5)}


@dataclass(frozen=True)
class AutoJ(Dialect):
    """The better of two responses, or a tie.

    Auto-J's own reader takes the last decision; here two different ones are ambiguous. Verdicts
    in plain words can be quoted, so look-alikes of their letters are not read, and another dialect
    is better for live judging.
    """

    name = "auto-j"
    scale = Scale(low=0, high=1, integer=False)
    min_responses = 2
    max_responses = 2

    def parse(self, completion: Completion, *, n: int) -> Parsed:  # noqa: ARG002 - n is 2
        """Read the decision; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        scores = settle(
            _DECISION.findall(text),
            lambda decision: _SCORES[decision.lower()],
            missing=f"no 'final decision is' in text ending {tail(text)}",
        )
        return Parsed(scores, analysis=text.strip())
