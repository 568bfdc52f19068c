"""From a completion to a vote: the one place where parsing decides judgment or failure."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from deemster.dialects.base import Dialect, to_caller_order
from deemster.dialects.refusal import refuses
from deemster.errors import ParseError
from deemster.schemas import Completion, Failure, Judgment, Vote, first_problem

CUT = "; the completion was cut at max_tokens"
"""What the message of a failure ends with, where that is so."""


def read_vote(
    dialect: Dialect,
    completion: Completion,
    *,
    order: Sequence[int],
    n: int,
    draw: int,
    seed: int | None = None,
    judge: str = "",
) -> Vote:
    """Parse a completion about the responses `order` (as shown) of a sample with `n` of them."""
    drawn = {
        "draw": draw,
        "judge": judge,
        "order": tuple(order),
        "seed": seed,
        "raw": completion.text,
        "reasoning": completion.reasoning,
        "sent": completion.sent,
        "usage": completion.usage,
        "warnings": completion.warnings,
    }
    try:
        shown = dialect.read(completion, n=len(order))
        parsed = to_caller_order(shown, order, n)
        # A vote that is read again brings its warnings along.
        warnings = tuple(dict.fromkeys((*completion.warnings, *parsed.warnings)))
        return Judgment(
            scores=parsed.scores,
            scale=dialect.scale_for(len(order)),
            principles=parsed.principles,
            critiques=parsed.critiques,
            analysis=parsed.analysis,
            **drawn | {"warnings": warnings},
        )
    except ParseError as error:
        status, message = error.status, str(error)
        if not completion.text.strip():
            status = "empty"
        if not completion.text and completion.warnings:
            message = completion.warnings[0]  # why there is no text, and what to do about it
        elif status == "parse_error" and refuses(completion.text):
            status, message = "refused", f"the judge declined to judge; {message}"
        elif completion.finish == "length":
            message += CUT
        return Failure(status=status, message=message, error=type(error).__name__, **drawn)
    except ValidationError as error:
        # A third-party parser returned something that is no judgment.
        return Failure(
            status="parse_error", message=first_problem(error), error="ParseError", **drawn
        )
