"""Auto-J's verdicts: `Rating: [[5]]`; on a pair `So, the final decision is Response 1` or `Tie`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from deemster.dialects.base import NO_CHOICE, Parsed, asserted, settle, tail
from deemster.dialects.mt_bench import read_rating
from deemster.dialects.point_or_pair import PointOrPair
from deemster.dialects.reasoning import strip_reasoning
from deemster.errors import ParseError
from deemster.schemas import Completion, Critique, Scale

_DECISION = re.compile(
    rf"\bfinal decision is:?[ \t*]{{1,8}}(Response 1|Response 2|Tie)\b{NO_CHOICE}(?=(.{{0,40}}))",
    re.IGNORECASE | re.ASCII,
)
# Not one decision: that both are equal, that it is one of several, or that this one is worse.
_MORE = re.compile(
    r"[-.]\w|[ \t*]{0,8}(?:[&?]|,?[ ](?:and|or|is|are)\b|,[ ]{0,4}(?:Response|Tie|[12])\b)",
    re.IGNORECASE | re.ASCII,
)
_SCORES = {"response 1": (1.0, 0.0), "response 2": (0.0, 1.0), "tie": (0.5, 0.5)}


@dataclass(frozen=True)
class AutoJ(PointOrPair):
    """One response rated 1 to 10, or the better of two, or a tie.

    Auto-J's own reader takes the last decision; here two different ones are ambiguous. Decisions
    in plain words can be quoted, so look-alikes of their letters are not read, and for pairs
    another dialect is better for live judging.
    """

    name = "auto-j"
    forgeable = "decisions about pairs in plain words"
    scale = Scale(low=1, high=10, integer=False)
    pair_scale: ClassVar[Scale] = Scale(low=0, high=1, integer=False)

    def parse(self, completion: Completion, *, n: int) -> Parsed:
        """Read the rating or the decision; see `Dialect.parse`."""
        text = strip_reasoning(completion.text)
        if n == 1:
            score = read_rating(text, self.scale)
            return Parsed((score,), critiques=(Critique(response=0, text=text.strip()),))
        said = (found for found in _DECISION.finditer(text) if asserted(text, found.start()))
        scores = settle(
            (found[1] + found[2] for found in said),
            _decided,
            missing=f"no 'final decision is' in text ending {tail(text)}",
        )
        return Parsed(scores, analysis=text.strip())


def _decided(said: str) -> tuple[float, float]:
    name = next(name for name in _SCORES if said.lower().startswith(name))
    if _MORE.match(said, len(name)):
        raise ParseError(f"{said!r} is not one decision")
    return _SCORES[name]
