"""A judge as an evaluator of LangSmith: `evaluate(target, evaluators=[evaluator(judge)])`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deemster.integrations.summary import comment, details, field, number
from deemster.judges.base import BaseJudge
from deemster.principles import PrinciplesLike


def evaluator(
    judge: BaseJudge,
    *,
    query: str,
    response: str,
    reference: str | None = None,
    principles: PrinciplesLike | None = None,
    key: str = "deemster",
) -> Callable[..., dict[str, Any]]:
    """A function of inputs, outputs and reference outputs, for `evaluate`.

    No verdict is a score of None, which LangSmith leaves out of its means; the comment says why.

    Args:
        judge: the judge.
        query: key of the inputs that holds the query.
        response: key of the outputs that holds the response.
        reference: key of the reference outputs that holds a gold answer.
        principles: what to judge by, in place of the judge's own.
        key: what LangSmith calls the score.
    """

    def evaluate(
        inputs: dict[str, Any],
        outputs: dict[str, Any],
        reference_outputs: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        verdict = judge.score_sync(
            field(inputs, query, "inputs"),
            [field(outputs, response, "outputs")],
            reference=(reference_outputs or {}).get(reference) if reference else None,
            principles=principles,
        )
        return {
            "key": key,
            "score": number(verdict),
            "comment": comment(verdict),
            "metadata": details(verdict),
        }

    return evaluate
