"""A judge as an evaluator of Phoenix: `evaluate_dataframe(frame, [evaluator(judge)])`."""

from __future__ import annotations

from typing import Any

from phoenix.evals import Score, create_evaluator

from deemster.integrations.summary import comment, details, number
from deemster.judges.base import BaseJudge
from deemster.principles import PrinciplesLike


def evaluator(
    judge: BaseJudge, *, principles: PrinciplesLike | None = None, name: str = "deemster"
) -> Any:  # noqa: ANN401 - Phoenix's Evaluator
    """An evaluator of the columns `input` and `output`; Phoenix's mapping names others.

    No verdict is a score without a number, labelled `no verdict`; the explanation says why.

    Args:
        judge: the judge.
        principles: what to judge by, in place of the judge's own.
        name: what Phoenix calls the score.
    """

    @create_evaluator(name=name, kind="llm")  # type: ignore[untyped-decorator]
    def judged(input: str, output: str) -> Score:  # noqa: A002 - Phoenix's own name for it
        verdict = judge.score_sync(input, [output], principles=principles)
        return Score(
            name=name,
            score=number(verdict),
            label=None if verdict.is_scored else "no verdict",
            explanation=comment(verdict),
            metadata=details(verdict),
            kind="llm",
        )

    return judged
