"""Adapters of evaluation tools: real objects of their packages where these are installed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.integrations.test_groups import judge

from deemster.errors import InputError
from deemster.integrations import langsmith as for_langsmith
from deemster.integrations.promptfoo import assertion
from deemster.schemas import UnscoredError

foreign = pytest.mark.filterwarnings("ignore")  # warnings of these packages are not ours


def test_langsmith_function() -> None:
    one = judge(k=2)
    evaluate = for_langsmith.evaluator(one, query="q", response="a", reference="gold")
    found = evaluate({"q": "Why?"}, {"a": "abc"}, {"gold": "the gold answer"})
    assert (found["key"], found["score"], found["comment"]) == ("deemster", 3.0, "3 long")
    assert [vote["score"] for vote in found["metadata"]["votes"]] == [3.0, 3.0]
    assert "the gold answer" in one.backend.requests[0].messages[-1].text  # type: ignore[attr-defined]
    lost = evaluate({"q": "Why?"}, {"a": "boom"})
    assert lost["score"] is None
    assert lost["comment"].startswith("no verdict, 0 of 2 votes valid; parse_error")
    with pytest.raises(InputError, match="no 'a' in the outputs; there is: answer"):
        evaluate({"q": "Why?"}, {"answer": "abc"})


@foreign
def test_langsmith_takes_the_function() -> None:
    pytest.importorskip("langsmith", reason="langsmith is not installed: pip install langsmith")
    from langsmith.evaluation.evaluator import run_evaluator
    from langsmith.schemas import Run

    evaluate = run_evaluator(for_langsmith.evaluator(judge(), query="q", response="a"))
    fields: dict[str, Any] = {
        "id": "00000000-0000-0000-0000-000000000001",
        "name": "run",
        "start_time": "2026-01-01T00:00:00",
        "run_type": "chain",
        "inputs": {"q": "Why?"},
    }
    example: Any = SimpleNamespace(
        inputs={"q": "Why?"}, outputs={}, id="00000000-0000-0000-0000-000000000002",
        metadata={}, attachments={},
    )  # fmt: skip
    for text, score in (("abc", 3.0), ("boom", None)):
        found = evaluate.evaluate_run(Run(**fields, outputs={"a": text}), example)
        assert found.score == score


@foreign
async def test_langfuse() -> None:
    pytest.importorskip("langfuse", reason="langfuse is not installed: pip install langfuse")
    from langfuse import Evaluation

    from deemster.integrations.langfuse import evaluator

    evaluate = evaluator(judge())
    found = await evaluate(
        input={"question": "Why?"}, output="abc", expected_output=None, metadata={}
    )
    assert isinstance(found, Evaluation)
    assert (found.name, found.value, found.comment) == ("deemster", 3.0, "3 long")
    lost = await evaluate(input="Why?", output="boom")
    assert (lost.name, lost.value) == ("deemster no verdict", "no verdict")


@foreign
def test_mlflow() -> None:
    pytest.importorskip("mlflow.genai", reason="mlflow is not installed: pip install mlflow")
    from deemster.integrations.mlflow import judge_scorer

    scorer = judge_scorer(judge())
    found = scorer(inputs={"question": "Why?"}, outputs="abc")
    assert (found.name, found.value, found.rationale) == ("deemster", 3.0, "3 long")
    lost = scorer(inputs={"question": "Why?"}, outputs={"response": "boom"})
    assert lost.value is None
    assert "gave no rewards" in lost.error.error_message


def test_promptfoo() -> None:
    get_assert = assertion(judge(), at_least=4)
    context = {"vars": {"question": "Why?"}}
    found = get_assert("abcdefghij", context)
    assert (found["pass"], found["score"]) == (True, 1.0)
    assert found["named_scores"] == {"deemster": 10.0}
    assert get_assert("a", context)["pass"] is False
    assert get_assert("a", context)["reason"] == "1 of 10, 1 of 1 votes: 1 long"
    with pytest.raises(UnscoredError):
        get_assert("boom", context)


@foreign
def test_deepeval() -> None:
    pytest.importorskip("deepeval", reason="deepeval is not installed: pip install deepeval")
    from deepeval.test_case import LLMTestCase

    from deemster.integrations.deepeval import JudgeMetric

    metric = JudgeMetric(judge(), threshold=3)
    assert metric.measure(LLMTestCase(input="Why?", actual_output="abc")) == 3.0
    assert metric.is_successful()
    assert metric.reason == "3 long"
    assert metric.measure(LLMTestCase(input="Why?", actual_output="a")) == 1.0
    assert not metric.is_successful()
    with pytest.raises(UnscoredError):
        metric.measure(LLMTestCase(input="Why?", actual_output="boom"))
    assert metric.score is None


@foreign
def test_phoenix() -> None:
    pytest.importorskip(
        "phoenix.evals", reason="phoenix is not installed: pip install arize-phoenix-evals"
    )
    import pandas as pd
    from phoenix.evals import evaluate_dataframe

    from deemster.integrations.phoenix import evaluator

    one = evaluator(judge())
    (found,) = one.evaluate({"input": "Why?", "output": "abc"})
    assert (found.name, found.score, found.explanation) == ("deemster", 3.0, "3 long")
    (lost,) = one.evaluate({"input": "Why?", "output": "boom"})
    assert (lost.score, lost.label) == (None, "no verdict")
    frame = pd.DataFrame({"input": ["Why?"], "output": ["ab"]})
    (row,) = evaluate_dataframe(frame, [one]).to_dict("records")
    assert "2.0" in str(row["deemster_score"])


@foreign
async def test_weave(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("weave", reason="weave is not installed: pip install weave")
    monkeypatch.setenv("WEAVE_DISABLED", "true")  # no service
    import weave

    from deemster.integrations.weave import scorer

    rows = [{"question": "Why?", "text": text} for text in ("abc", "boom", "abcde")]

    async def model(text: str) -> str:
        return text

    found = scorer(judge())
    scored = await found("abc", question="Why?", text="abc")
    assert (scored["score"], scored["no_verdict"], scored["comment"]) == (3.0, False, "3 long")
    evaluation = weave.Evaluation(dataset=rows, scorers=[found])
    summary = (await evaluation.evaluate(weave.op(model)))["deemster"]
    assert summary["score"] == {"mean": 4.0}  # of the two that have one
    assert summary["no_verdict"]["true_count"] == 1
