"""A judge as a scorer of Weave: `Evaluation(dataset=…, scorers=[scorer(judge)])`."""

from __future__ import annotations

from typing import Any

import weave

from deemster.integrations.summary import comment, details, field, number, reason
from deemster.judges.base import BaseJudge
from deemster.principles import PrinciplesLike


def scorer(
    judge: BaseJudge,
    *,
    query: str = "question",
    reference: str | None = None,
    principles: PrinciplesLike | None = None,
    name: str = "deemster",
) -> Any:  # noqa: ANN401 - Weave's op
    """An op of a model's output and the row it answered.

    Without a verdict `score` is None, which Weave's means leave out, and `no_verdict` is true.

    Args:
        judge: the judge.
        query: column with the query.
        reference: column with a gold answer to show the judge.
        principles: what to judge by, in place of the judge's own.
        name: what Weave calls the scorer.
    """

    async def score(output: Any, **row: Any) -> dict[str, Any]:  # noqa: ANN401 - a model's, a row's
        gold = None if reference is None else field(row, reference, "row")
        asked = field(row, query, "row")
        verdict = await judge.score(asked, [output], reference=gold, principles=principles)
        value = number(verdict)
        return {
            "score": value,
            "no_verdict": value is None,
            "comment": reason(verdict) if value is None else comment(verdict),
            "judgment": details(verdict),
        }

    return weave.op(score, name=name)
