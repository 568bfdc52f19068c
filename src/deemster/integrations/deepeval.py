"""A judge as a metric of DeepEval: `evaluate(cases, metrics=[JudgeMetric(judge, threshold=7)])`."""

from __future__ import annotations

from typing import Any

from deepeval.metrics import BaseMetric

from deemster.integrations.summary import comment, number
from deemster.judges.base import BaseJudge
from deemster.principles import PrinciplesLike
from deemster.runtime import run_sync


class JudgeMetric(BaseMetric):  # type: ignore[misc]
    """The mean score of a test case's output on the judge's own scale.

    No verdict raises, which DeepEval shows as the metric's error, with neither score nor success.

    Args:
        judge: the judge.
        threshold: the score from which on a test case succeeds.
        use_expected: whether an expected output is shown to the judge as reference.
        principles: what to judge by, in place of the judge's own.
    """

    def __init__(
        self,
        judge: BaseJudge,
        *,
        threshold: float,
        use_expected: bool = True,
        principles: PrinciplesLike | None = None,
    ) -> None:
        self.judge, self.threshold = judge, threshold
        self.use_expected, self.principles = use_expected, principles

    async def a_measure(self, test_case: Any, *_: Any, **__: Any) -> float:  # noqa: ANN401
        """Judge the output.

        Raises:
            UnscoredError: no verdict.
            InputError: it cannot be judged.
        """
        self.score, self.reason, self.success, self.error = None, None, None, None
        verdict = await self.judge.score(
            test_case.input,
            [test_case.actual_output],
            reference=test_case.expected_output if self.use_expected else None,
            principles=self.principles,
        )
        score = number(verdict.raise_if_unscored())
        assert score is not None  # noqa: S101 - a scored verdict has numbers
        self.score, self.reason = score, comment(verdict)
        self.evaluation_cost = verdict.usage.cost
        self.success = score >= self.threshold
        return score

    def measure(self, test_case: Any, *_: Any, **__: Any) -> float:  # noqa: ANN401
        """`a_measure` for callers that are not asynchronous."""
        return run_sync(self.a_measure(test_case))

    @property
    def __name__(self) -> str:
        """What reports call it."""
        return f"deemster {self.judge.name}"
