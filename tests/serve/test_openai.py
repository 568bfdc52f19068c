"""OpenAI's own SDK, and deemster's decision judge, against the server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.decision_server import DecisionServer
from tests.support.live_server import LiveServer, fake_judge, serving

from deemster import Judge
from deemster.backends import FakeBackend, Request
from deemster.errors import UnusableModelError
from deemster.judges import BaseJudge, DecisionJudge, Panel
from deemster.schemas import Principle

openai = pytest.importorskip("openai", reason="openai is not installed")

VOTE = """Specific Criteria:
1. Right (weight: 70%): the sum is right.
2. Brief (weight: 30%): no padding.

Analysis:
- Response 1: right and brief.
- Response 2: wrong.

Scores: \\boxed{9, 2}"""
ASKED: dict[str, Any] = {"query": "What is 2+2?", "responses": ["4", "5"]}


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    judges: dict[str, BaseJudge] = {
        "fake": Judge(FakeBackend(VOTE), orders="fixed"),
        "one": fake_judge("Scores: \\boxed{6}", name="one"),
        "dumb": fake_judge("nothing", name="dumb"),
        "panel": Panel([fake_judge(name="a"), fake_judge(name="b")]),
    }
    with serving(judges) as live:
        yield live


@pytest.fixture
def client(server: LiveServer) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as made:
        yield made


WAYS = [
    pytest.param({"messages": [], "extra_body": ASKED}, id="extra-body"),
    pytest.param({"messages": [{"role": "user", "content": json.dumps(ASKED)}]}, id="json"),
]


@pytest.mark.parametrize("way", WAYS)
def test_query_and_responses_get_a_critique(client: Any, way: dict[str, Any]) -> None:
    completion = client.chat.completions.create(model="fake", **way)
    text = completion.choices[0].message.content
    assert "- Right (weight 70%): the sum is right." in text
    assert "Response 1: reward 9\nright and brief." in text
    assert text.endswith("Best: response 1 (1 of 1 votes valid)")
    assert completion.usage.completion_tokens > 0
    assert completion.deemster["rewards"] == [9.0, 2.0]


def test_a_conversation_that_ends_with_an_answer_is_judged() -> None:
    with (
        serving(fake_judge("Scores: \\boxed{6}")) as live,
        openai.OpenAI(base_url=f"{live.url}/v1", api_key="none") as made,
    ):
        completion = made.chat.completions.create(
            model="whatever",
            messages=[
                {"role": "user", "content": "What is 2+2?"},
                {"role": "assistant", "content": "4"},
            ],
        )
    assert completion.choices[0].message.content == "Response 1: reward 6\n\n(1 of 1 votes valid)"


CALL = {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
USER: dict[str, Any] = {"role": "user", "content": "What is 2+2?"}


def parts(*texts: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text} for text in texts]


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([USER, {"role": "assistant", "content": parts("4")}], id="parts"),
        pytest.param([USER, {"role": "assistant", "content": ""}], id="empty"),
        pytest.param([USER, {"role": "assistant", "content": None}], id="null"),
        pytest.param(
            [USER, {"role": "assistant", "content": None, "tool_calls": [CALL]}], id="tool-call"
        ),
        pytest.param([USER, {"role": "assistant", "refusal": "I cannot."}], id="refusal"),
        pytest.param([{"role": "user", "content": parts(json.dumps(ASKED))}], id="json-in-parts"),
        pytest.param(
            [{"role": "user", "content": parts(*json.dumps(ASKED).partition(","))}],
            id="json-in-several-parts",
        ),
    ],
)
def test_messages_are_judged_in_whatever_form_they_come(
    server: LiveServer, messages: list[dict[str, Any]]
) -> None:
    """None of them goes to the judge's model as somebody else's prompt."""
    asked = "fake" if len(messages) == 1 else "one"
    reply = server.post("/v1/chat/completions", {"model": asked, "messages": messages})
    assert reply.status == 200, reply.body
    assert reply.json["deemster"]["rewards"] == ([9.0, 2.0] if asked == "fake" else [6.0])


@pytest.mark.parametrize(
    "field", ["stream", "response_format", "temperature", "max_tokens", "seed", "k", "tools"]
)
def test_a_null_is_as_good_as_a_field_that_is_left_out(server: LiveServer, field: str) -> None:
    body = {"model": "fake", "messages": [], **ASKED, field: None}
    assert server.post("/v1/chat/completions", body).json["deemster"]["rewards"] == [9.0, 2.0]


def test_a_prompt_for_a_model_that_cannot_be_used_gets_503() -> None:
    def no_key(_request: Request, _draw: int) -> str:
        raise UnusableModelError("no key")

    with serving(Judge(FakeBackend(no_key))) as live:
        reply = live.post("/v1/chat/completions", {"model": "x", "messages": [USER]})
    assert (reply.status, reply.error["type"]) == (503, "model_unusable")


def test_a_tools_own_prompt_goes_to_the_judges_model(client: Any) -> None:
    """promptfoo's llm-rubric, for one: system and user turns, and JSON is read from the text."""
    completion = client.chat.completions.create(
        model="fake",
        messages=[
            {"role": "system", "content": "Grade. Reply with JSON."},
            {"role": "user", "content": "<output>4</output><rubric>right</rubric>"},
        ],
        temperature=0,
        max_tokens=50,
    )
    assert completion.choices[0].message.content == VOTE
    with pytest.raises(openai.BadRequestError, match="no single model"):
        client.chat.completions.create(model="panel", messages=[{"role": "user", "content": "x"}])


def test_json_is_given_where_it_is_asked_for(client: Any) -> None:
    completion = client.chat.completions.create(
        model="fake", messages=[], extra_body=ASKED, response_format={"type": "json_object"}
    )
    figures = json.loads(completion.choices[0].message.content)
    assert figures["scores"] == [9.0, 2.0]
    assert figures["best"] == 0
    assert figures["critiques"] == ["right and brief.", "wrong."]


def test_it_streams(client: Any) -> None:
    chunks = list(
        client.chat.completions.create(model="fake", messages=[], extra_body=ASKED, stream=True)
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text.endswith("Best: response 1 (1 of 1 votes valid)")
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_what_has_no_verdict_raises(client: Any) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        client.chat.completions.create(model="dumb", messages=[], extra_body=ASKED)
    assert caught.value.body["type"] == "no_verdict"
    with pytest.raises(openai.NotFoundError, match="no judge of this server"):
        client.chat.completions.create(model="gpt-5", messages=[], extra_body=ASKED)
    with pytest.raises(openai.BadRequestError, match="responses"):
        client.chat.completions.create(model="fake", messages=[], extra_body={"query": "q"})
    assert [model.id for model in client.models.list()] == ["fake", "one", "dumb", "panel"]


def test_decisions_pass_through_to_a_decision_model() -> None:
    """deemster's decision judge asks a deemster server that asks a decision model."""
    principles = [Principle(name="Right", description="The sum is right.")]

    def given(text: str, question: dict[str, Any]) -> list[float]:
        options = question.get("levels") or question.get("choices") or [True, False]
        best = 0.9 if "\n4" in text else 0.1
        return [best if i == 0 else (1 - best) / (len(options) - 1) for i in range(len(options))]

    with DecisionServer(given) as model:
        inner = DecisionJudge("decisions:m", api_base=model.url, api_key="sk-x", name="inner")
        with serving(inner) as live:
            outer = DecisionJudge("decisions:m", api_base=f"{live.url}/v1", api_key="sk-x")
            through = outer.score_sync("What is 2+2?", ["4", "5"], principles=principles)
            straight = inner.score_sync("What is 2+2?", ["4", "5"], principles=principles)
            assert through.rewards is not None
            assert through.rewards == pytest.approx(straight.rewards)
            reply = live.post(
                "/v1/decisions",
                {
                    "input": "The answer is\n4",
                    "questions": [
                        {"type": "predicate", "instructions": "Right?"},
                        {"type": "choice", "instructions": "Which?", "name": "which",
                         "choices": [{"value": True}, {"value": "maybe"}]},
                        {"type": "score", "instructions": "How good?",
                         "levels": [{"label": "bad"}, {"label": "good"}]},
                    ],
                },
            ).json  # fmt: skip
    predicate, choice, score = reply["answers"]
    assert predicate == {"type": "predicate", "name": "question-1", "probability": 0.9}
    assert choice["choice"] is True
    assert choice["confidence"] == pytest.approx(0.8)
    assert score["score"] == pytest.approx(0.1)
    assert [one["label"] for one in score["probabilities"]] == ["bad", "good"]


def test_a_judge_that_writes_has_no_probabilities(server: LiveServer) -> None:
    body = {
        "model": "fake",
        "input": "x",
        "questions": [{"type": "predicate", "instructions": "?"}],
    }
    reply = server.post("/v1/decisions", body)
    assert (reply.status, reply.error["type"]) == (400, "no_decisions")
