"""A judge as a scorer of MLflow: `mlflow.genai.evaluate(data, scorers=[judge_scorer(judge)])`."""

from __future__ import annotations

import json
from typing import Any

from mlflow.entities import AssessmentSource, Feedback
from mlflow.genai.scorers import scorer

from deemster.integrations.summary import comment, details, field, number
from deemster.judges.base import BaseJudge
from deemster.principles import PrinciplesLike
from deemster.schemas import UnscoredError


def judge_scorer(
    judge: BaseJudge,
    *,
    query: str = "question",
    response: str = "response",
    reference: str = "expected_response",
    principles: PrinciplesLike | None = None,
    name: str = "deemster",
) -> Any:  # noqa: ANN401 - MLflow's Scorer
    """A scorer of inputs, outputs and expectations.

    No verdict is a feedback with an error, and no value.

    Args:
        judge: the judge.
        query: key of the inputs that holds the query.
        response: key of the outputs that holds the response, if they are no text themselves.
        reference: key of the expectations that holds a gold answer, if there is one.
        principles: what to judge by, in place of the judge's own.
        name: what MLflow calls the feedback.
    """

    @scorer(name=name)  # type: ignore[untyped-decorator]
    def judged(inputs: Any, outputs: Any, expectations: Any = None) -> Feedback:  # noqa: ANN401
        verdict = judge.score_sync(
            field(inputs, query, "inputs"),
            [field(outputs, response, "outputs")],
            reference=(expectations or {}).get(reference),
            principles=principles,
        )
        data = {key: json.dumps(value) for key, value in details(verdict).items()}
        source = AssessmentSource(source_type="LLM_JUDGE", source_id=judge.name)
        value = number(verdict)
        if value is None:
            error = UnscoredError(verdict)
            return Feedback(name=name, error=error, source=source, metadata=data)
        return Feedback(
            name=name, value=value, rationale=comment(verdict), source=source, metadata=data
        )

    return judged
