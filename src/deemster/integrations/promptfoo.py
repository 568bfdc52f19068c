"""A judge as a Python assertion of promptfoo.

```python title="assert_judged.py"
get_assert = assertion(Judge("openai/gpt-5-mini", k=8), at_least=7)
```
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deemster.errors import InputError
from deemster.integrations.summary import comment, field, number
from deemster.judges.base import BaseJudge
from deemster.principles import PrinciplesLike


def assertion(
    judge: BaseJudge,
    *,
    at_least: float,
    query: str = "question",
    reference: str | None = None,
    principles: PrinciplesLike | None = None,
) -> Callable[[str, dict[str, Any]], dict[str, Any]]:
    """A function of an output and its context.

    promptfoo's scores are from 0 to 1: the place on the judge's scale. It knows pass and fail
    only, so no verdict raises, which promptfoo shows as an error of the assertion.

    Args:
        judge: the judge; its scores need a scale with ends.
        at_least: on the judge's own scale.
        query: the variable of the test that holds the query.
        reference: the variable that holds a gold answer.
        principles: what to judge by, in place of the judge's own.
    """

    def get_assert(output: str, context: dict[str, Any]) -> dict[str, Any]:
        given = context.get("vars", {})
        verdict = judge.score_sync(
            field(given, query, "vars"),
            [output],
            reference=field(given, reference, "vars") if reference else None,
            principles=principles,
        )
        verdict.raise_if_unscored()
        value, scale = number(verdict), verdict.judgments[0].scale
        if value is None or scale is None:
            raise InputError(f"judge {judge.name!r} has no scale with ends, which promptfoo needs")
        return {
            "pass": value >= at_least,
            "score": (value - scale.low) / (scale.high - scale.low),
            "reason": f"{value:.4g} of {scale.high:g}, {verdict.n_valid} of {verdict.k} votes: "
            + comment(verdict),
            "named_scores": {"deemster": value},
        }

    return get_assert
