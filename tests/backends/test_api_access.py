"""Whether and how a model can be reached, told before anything is paid for."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from deemster.backends import Request, checked, generate_all, open_backend
from deemster.backends.api import APIBackend
from deemster.errors import BackendError, InputError
from deemster.judges import Judge
from deemster.schemas import Completion, Sampling, as_query
from deemster.testing import Fault, OpenAIServer, Raw, first_faults

ServerFactory = Callable[..., OpenAIServer]
KEYS = [
    "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "GROQ_API_KEY", "GROQ_API_BASE",
    "OPENROUTER_API_KEY", "OR_API_KEY", "TOGETHERAI_API_KEY", "TOGETHER_AI_API_KEY",
    "TOGETHER_API_KEY", "TOGETHER_AI_TOKEN", "DEEPSEEK_API_KEY", "ANTHROPIC_API_KEY",
    "HOSTED_VLLM_API_BASE", "LM_STUDIO_API_BASE",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


def ask(text: str = "q", **sampling: Any) -> Request:
    return Request(messages=as_query(text), sampling=Sampling(**sampling))


@pytest.mark.parametrize(
    ("model", "says"),
    [
        pytest.param("openai/gpt-5-mini", "set OPENAI_API_KEY", id="openai"),
        pytest.param("groq/llama", "set GROQ_API_KEY", id="groq"),
        pytest.param("openrouter/a/b", "set OPENROUTER_API_KEY", id="openrouter"),
        pytest.param("together_ai/a/b", "set TOGETHERAI_API_KEY", id="together"),
        pytest.param("deepseek/deepseek-chat", "set DEEPSEEK_API_KEY", id="deepseek"),
        pytest.param("hosted_vllm/a", "needs the URL of its server; give api_base", id="vllm"),
        pytest.param("lm_studio/a", "or set LM_STUDIO_API_BASE", id="lm-studio"),
        pytest.param("anthropic/claude-haiku", "set ANTHROPIC_API_KEY", id="through-litellm"),
    ],
)
def test_a_missing_key_or_url_is_found_without_a_call(model: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        checked(open_backend(model))


def test_a_server_of_ones_own_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    checked(open_backend("openai/x", api_base="http://127.0.0.1:1/v1"))
    monkeypatch.setenv("HOSTED_VLLM_API_BASE", "http://127.0.0.1:1/v1")
    checked(open_backend("hosted_vllm/x"))
    checked(open_backend("fake:x"))  # has nothing to check


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        pytest.param("openai/judge", "judge", id="openai"),
        pytest.param("hosted_vllm/Qwen/Qwen3-8B", "Qwen/Qwen3-8B", id="vllm"),
        pytest.param("openrouter/qwen/qwen3", "qwen/qwen3", id="openrouter"),
        pytest.param("myorg/judge-7b", "myorg/judge-7b", id="unknown-provider"),
    ],
)
async def test_the_model_at_a_server(openai_server: ServerFactory, model: str, sent: str) -> None:
    server = openai_server()
    judge = APIBackend(model, api_base=server.url)
    (outcome,) = await judge.generate(ask())
    assert isinstance(outcome, Completion)
    assert server.ledger.calls[0].body["model"] == sent
    assert "Authorization" not in server.ledger.calls[0].headers
    await judge.aclose()


def test_a_server_of_ones_own_is_asked_without_litellm(openai_server: ServerFactory) -> None:
    server = openai_server()
    code = f"""
import asyncio, sys
from deemster import Judge
judge = Judge("hosted_vllm/judge", api_base={server.url!r})
asyncio.run(judge.score("q", ["a", "b"]))
print([name for name in ("litellm", "openai", "instructor", "torch") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert server.ledger.hits == 1


@pytest.mark.parametrize("model", ["openai/judge", "deepinfra/judge"])
@pytest.mark.parametrize("fault", ["401", "402", "404"])
async def test_the_same_refusal_again_and_again_ends_it(
    openai_server: ServerFactory, model: str, fault: Fault
) -> None:
    server = openai_server(faults=lambda _: fault)
    judge = APIBackend(model, api_base=server.url, api_key="sk-wrong-0123456", concurrency=1)
    outcomes = await asyncio.gather(
        *(generate_all(judge, ask(f"q{i}")) for i in range(20)), return_exceptions=True
    )
    assert server.ledger.hits == 3, outcomes[0]
    ended = [outcome for outcome in outcomes if isinstance(outcome, InputError)]
    assert len(ended) == 17
    assert f"HTTP {fault}" in str(ended[0])
    assert "nothing more is sent" in str(ended[0])
    assert "sk-wrong" not in str(ended[0])
    await judge.aclose()


async def test_refusals_between_answers_end_nothing(openai_server: ServerFactory) -> None:
    server = openai_server(
        faults=lambda call: "404" if call.hit % 3 else None  # two of three
    )
    judge = APIBackend("openai/judge", api_base=server.url, concurrency=1)
    for _ in range(12):
        await judge.generate(ask())
    assert server.ledger.hits == 12
    await judge.aclose()


@pytest.mark.parametrize("model", ["openai/judge", "deepinfra/judge"])
async def test_no_server_is_no_http_500(openai_server: ServerFactory, model: str) -> None:
    with OpenAIServer() as gone:
        url = gone.url
    judge = APIBackend(model, api_base=url, api_key="k", retries=1)
    (outcome,) = await judge.generate(ask())
    assert isinstance(outcome, BackendError)
    assert outcome.retryable
    assert "500" not in str(outcome).replace(url, "")
    if model == "openai/judge":
        assert f"cannot connect to {url}/chat/completions: connection refused" in str(outcome)
    await judge.aclose()


async def test_a_dialect_that_needs_logprobs_is_told_before_a_call(
    openai_server: ServerFactory,
) -> None:
    server = openai_server()
    judge = APIBackend("groq/llama", api_base=server.url)
    with pytest.raises(InputError, match="no log-probabilities, which this dialect needs"):
        await judge.generate(ask(top_logprobs=5))
    assert server.ledger.hits == 0
    refusing = openai_server(
        raw=lambda _: Raw({"error": {"message": "logprobs are not supported"}}, 400)
    )
    judge = APIBackend("openai/judge", api_base=refusing.url)
    with pytest.raises(InputError, match=r"does not give logprobs .*another dialect"):
        await judge.generate(ask(top_logprobs=5))
    assert refusing.ledger.hits == 1


async def test_extra_parameters_replace_and_remove(openai_server: ServerFactory) -> None:
    server = openai_server()
    extra = {
        "seed": None,
        "temperature": None,
        "reasoning_effort": "low",
        "extra_headers": {"X-Title": "judge"},
    }
    judge = APIBackend("openai/judge", api_base=server.url, extra=extra)
    request = Request(messages=as_query("q"), sampling=Sampling(), seeds=(7,))
    (outcome,) = await judge.generate(request)
    (call,) = server.ledger.calls
    assert "seed" not in call.body
    assert "temperature" not in call.body
    assert call.headers["X-Title"] == "judge"
    assert isinstance(outcome, Completion)
    assert outcome.sent == {"max_tokens": 2048, "reasoning_effort": "low"}
    await judge.aclose()


@pytest.mark.parametrize(
    ("model", "options", "tokens"),
    [
        pytest.param("openai/judge", {}, 2048, id="plain"),
        pytest.param("hosted_vllm/deepseek-r1-distill", {}, 2048 + 8192, id="reasons"),
        pytest.param("openai/judge", {"reasoning_room": 100}, 2148, id="said"),
        pytest.param("openai/qwq-32b", {"reasoning_room": 0}, 2048, id="none"),
    ],
)
async def test_reasoning_has_room_of_its_own(
    openai_server: ServerFactory, model: str, options: dict[str, Any], tokens: int
) -> None:
    server = openai_server()
    judge = APIBackend(model, api_base=server.url, **options)
    (outcome,) = await judge.generate(ask())
    assert server.ledger.calls[0].body["max_tokens"] == tokens
    assert isinstance(outcome, Completion)
    asked = {"max_tokens": 2048, "temperature": 0.5}
    assert (outcome.sent or asked) == {**asked, "max_tokens": tokens}
    await judge.aclose()


async def test_one_hang_does_not_take_the_whole_time(openai_server: ServerFactory) -> None:
    server = openai_server(faults=first_faults("hang"))
    judge = APIBackend("openai/judge", api_base=server.url, timeout=30, attempt_timeout=0.3)
    (outcome,) = await judge.generate(ask())
    assert isinstance(outcome, Completion)
    assert outcome.usage.seconds < 15
    assert server.ledger.hits == 2
    await judge.aclose()


@pytest.mark.parametrize("retries", [0, 1, 2])
async def test_asking_again_is_bounded_and_paid_for(
    openai_server: ServerFactory, retries: int
) -> None:
    server = openai_server(lambda *_: "no JSON at all")
    judge = APIBackend(
        "openai/judge", api_base=server.url, structured_retries=retries, structured="json"
    )
    schema = {"title": "S", "type": "object", "properties": {"scores": {"type": "array"}}}
    request = Request(messages=as_query("q"), sampling=Sampling(), json_schema=schema)
    (outcome,) = await judge.generate(request)
    assert isinstance(outcome, Completion)
    assert outcome.text == "no JSON at all"
    assert server.ledger.hits == 1 + retries == outcome.usage.calls == judge.spent.calls
    assert outcome.usage.tokens_out == server.ledger.tokens_out
    if retries:
        shown = server.ledger.calls[1].body["messages"]
        assert shown[-2]["content"] == "no JSON at all"
        assert "there is no JSON object in it" in shown[-1]["content"]
    await judge.aclose()


async def test_what_litellm_would_drop_is_recorded(openai_server: ServerFactory) -> None:
    server = openai_server()
    extra = {"api_version": "v1"}
    judge = APIBackend("azure/gpt-5-mini", api_base=server.url, api_key="k", extra=extra)
    sent: dict[str, Any] = {}
    for _ in range(2):
        (outcome,) = await judge.generate(ask(top_p=0.9))
        assert isinstance(outcome, Completion), outcome
        sent = outcome.sent or {}
        assert not {"temperature", "top_p"} & sent.keys()
        assert any("does not take temperature=0.5" in told for told in outcome.warnings)
    body = server.ledger.calls[-1].body
    assert not {"temperature", "top_p"} & body.keys()
    assert body["max_completion_tokens"] == sent["max_tokens"]
    await judge.aclose()


async def test_two_tool_calls_that_differ_are_ambiguous(openai_server: ServerFactory) -> None:
    def calls(scores: list[int]) -> dict[str, Any]:
        critiques = [{"text": "t", "scores": [5]}] * 2
        principles = [{"name": "p", "description": "d", "weight": 100}]
        verdict = {"principles": principles, "critiques": critiques, "scores": scores}
        return {"function": {"name": "verdict", "arguments": json.dumps(verdict)}}

    message = {"content": None, "tool_calls": [calls([8, 3]), calls([3, 8])]}
    server = openai_server(raw=lambda _: Raw({"choices": [{"message": message}]}))
    judge = Judge("openai/judge", dialect="json", api_base=server.url, structured="tools")
    verdict = await judge.score("q", ["a", "b"])
    assert [failure.status for failure in verdict.failures] == ["ambiguous"]
    assert server.ledger.hits == 1
    await judge.aclose()


async def test_a_vote_keeps_what_was_sent_and_thought(openai_server: ServerFactory) -> None:
    grm = "Specific Criteria:\n1. Truth (weight: 100%): x\n\nAnalysis:\n- Response 1: y\n\n"
    replies = [
        Raw({"error": {"message": "temperature is not supported", "param": "temperature"}}, 400),
        Raw({"choices": [{"message": {"content": grm + "Scores: \\boxed{8}", "reasoning": "hm"}}]}),
        Raw(
            {
                "choices": [
                    {"message": {"content": "", "reasoning": "hm"}, "finish_reason": "length"}
                ]
            }
        ),
    ]
    server = openai_server(raw=lambda call: replies[call.hit])
    judge = Judge("openai/judge", api_base=server.url)
    first = await judge.score("q", ["a"])
    assert first.rewards == (8.0,)
    assert first.votes[0].sent == {"max_tokens": 2048}
    assert first.votes[0].reasoning == "hm"
    assert "does not take temperature" in first.warnings[0]
    second = await judge.score("q", ["b"])
    (failure,) = second.failures
    assert "went into reasoning; raise max_tokens" in failure.message
    assert failure.reasoning == "hm"
    await judge.aclose()
