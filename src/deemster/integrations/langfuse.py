"""A judge as an evaluator of Langfuse: `run_experiment(…, evaluators=[evaluator(judge)])`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from langfuse import Evaluation

from deemster.integrations.summary import comment, details, field, number, reason
from deemster.judges.base import BaseJudge
from deemster.principles import PrinciplesLike


def evaluator(
    judge: BaseJudge,
    *,
    query: str = "question",
    use_expected: bool = True,
    principles: PrinciplesLike | None = None,
    name: str = "deemster",
) -> Callable[..., Awaitable[Evaluation]]:
    """An async function of input, output and expected output.

    Langfuse has no score without a value: no verdict is a category of its own, `NAME no verdict`,
    with the reason as comment, and the means of `NAME` do not see it.

    Args:
        judge: the judge.
        query: key of the input that holds the query, if the input is no text itself.
        use_expected: whether an expected output that is text is shown to the judge.
        principles: what to judge by, in place of the judge's own.
        name: what Langfuse calls the score.
    """

    async def evaluate(
        *, input: Any, output: Any, expected_output: Any = None, **_: Any  # noqa: A002, ANN401
    ) -> Evaluation:  # fmt: skip
        verdict = await judge.score(
            field(input, query, "input"),
            [output],
            reference=expected_output
            if use_expected and isinstance(expected_output, str)
            else None,
            principles=principles,
        )
        value = number(verdict)
        if value is None:
            return Evaluation(
                name=f"{name} no verdict",
                value="no verdict",
                comment=reason(verdict),
                metadata=details(verdict),
                data_type="CATEGORICAL",
            )
        return Evaluation(
            name=name,
            value=value,
            comment=comment(verdict),
            metadata=details(verdict),
            data_type="NUMERIC",
        )

    return evaluate
