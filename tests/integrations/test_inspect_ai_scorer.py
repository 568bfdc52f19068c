"""The scorer in real evaluations of inspect_ai, offline: its mock model answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.integrations.test_groups import judge

from deemster import FakeBackend, Judge

inspect_ai = pytest.importorskip(
    "inspect_ai", reason="inspect_ai is not installed: pip install inspect-ai"
)

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # of inspect_ai and what it brings
    pytest.mark.usefixtures("log_folder"),
]


@pytest.fixture
def log_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSPECT_LOG_DIR", str(tmp_path))
    monkeypatch.setenv("INSPECT_DISPLAY", "none")


def evaluate(
    turns: list[list[Any]], scorer: Any, *, target: str = "", before: Sequence[Any] = ()
) -> Any:
    """Run a task whose samples get these turns; a model would count tokens by a download."""
    from inspect_ai import Task
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ModelOutput
    from inspect_ai.solver import Generate, Solver, TaskState, solver

    @solver
    def scripted() -> Solver:
        async def solve(state: TaskState, generate: Generate) -> TaskState:
            said = turns[int(state.sample_id) - 1]
            state.messages += said
            state.output = ModelOutput.from_content("scripted", said[-1].text)
            return state

        return solve

    samples = [Sample(input=f"Question {i}?", target=target) for i in range(len(turns))]
    task = Task(dataset=samples, solver=[*before, scripted()], scorer=scorer)
    (log,) = inspect_ai.eval(task, model="mockllm/model", max_samples=1)
    assert log.status == "success", log.error
    return log


def said(*texts: str) -> list[list[Any]]:
    from inspect_ai.model import ChatMessageAssistant

    return [[ChatMessageAssistant(content=text)] for text in texts]


def scores(log: Any) -> list[Any]:
    return [next(iter(sample.scores.values())) for sample in log.samples]


def test_scores_votes_and_what_has_no_verdict() -> None:
    from deemster.integrations.inspect_ai import judged

    log = evaluate(said("ab", "boom", "abcd"), judged(judge(k=2)))
    first, second, third = scores(log)
    assert (first.value, third.value) == (2.0, 4.0)
    assert first.explanation == "2 long"
    assert first.metadata["votes"][1] == {
        "draw": 1, "score": 2.0, "principles": ["length"], "critique": "2 long",
    }  # fmt: skip
    assert math.isnan(second.value)
    assert second.reason == "grader_failed"
    assert second.explanation.startswith("no verdict, 0 of 2 votes valid; parse_error:")
    metrics = log.results.scores[0].metrics
    assert metrics["mean"].value == 3.0  # not (2 + 0 + 4) / 3
    assert log.results.scores[0].unscored_samples == 1


def test_a_threshold_the_target_and_principles() -> None:
    from deemster.integrations.inspect_ai import judged

    one = judge()
    scorer = judged(one, at_least=3, principles=["It is long."])
    log = evaluate(said("ab", "abcd"), scorer, target="the gold answer")
    assert [score.value for score in scores(log)] == ["I", "C"]
    assert log.results.scores[0].metrics["mean"].value == 0.5
    prompt = one.backend.requests[0].messages[-1].text  # type: ignore[attr-defined]
    assert "the gold answer" in prompt
    assert "It is long." in prompt


def test_a_sample_that_cannot_be_judged() -> None:
    """The embedded model's prompt has no place for a reference."""
    from deemster.integrations.inspect_ai import judged

    log = evaluate(said("ab"), judged(Judge(FakeBackend("x"), dialect="nano")), target="gold")
    (score,) = scores(log)
    assert score.reason == "scoring_failed"
    assert "no place for a reference" in score.explanation


def test_a_judge_by_name_is_in_the_log() -> None:
    from deemster.integrations.inspect_ai import judged

    text = "Specific Criteria:\n- length\nAnalysis:\nResponse 1: fine\nScores: \\boxed{6}"
    log = evaluate(said("ab"), judged(f"fake:{text}", k=3))
    assert scores(log)[0].metadata["k"] == 3
    assert log.eval.scorers[0].options["judge"] == f"fake:{text}"


def test_a_whole_transcript_with_tools() -> None:
    from inspect_ai.model import ChatMessageAssistant, ChatMessageTool
    from inspect_ai.tool import ToolCall

    from deemster.integrations.inspect_ai import judged

    one = judge()
    call = ToolCall(id="1", function="add", arguments={"x": 1, "y": 2})
    turns = [
        ChatMessageAssistant(content="", tool_calls=[call]),
        ChatMessageTool(content="3", tool_call_id="1", function="add"),
        ChatMessageAssistant(content="It is 3."),
    ]
    evaluate([turns], judged(one, whole_transcript=True))
    prompt = one.backend.requests[0].messages[-1].text  # type: ignore[attr-defined]
    assert '(tool call 1) add: {"x": 1, "y": 2}\n\n[2/3 tool, result of call 1: add, ' in prompt
    assert "It is 3." in prompt


def test_a_transcript_begins_after_the_input_whatever_solvers_put_before_it() -> None:
    from inspect_ai.model import ChatMessageAssistant, ChatMessageUser
    from inspect_ai.solver import chain_of_thought, system_message

    from deemster.integrations.inspect_ai import judged

    one = judge()
    turns = [
        ChatMessageAssistant(content="Which sum?"),
        ChatMessageUser(content="1 + 2."),
        ChatMessageAssistant(content="It is 3."),
    ]
    before = [system_message("Be brief."), system_message("Be kind."), chain_of_thought()]
    evaluate([turns], judged(one, whole_transcript=True), before=before)
    prompt = one.backend.requests[0].messages[-1].text  # type: ignore[attr-defined]
    assert "Transcript: 3 turns" in prompt
    assert "[1/3 assistant" in prompt
    assert "Be brief." not in prompt
