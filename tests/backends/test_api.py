"""The backend of models behind an API, against a real server on loopback."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from deemster.backends import Outcome, Request, generate_all, open_backend
from deemster.backends._api.prices import Prices
from deemster.backends.api import APIBackend
from deemster.backends.limits import Budget
from deemster.errors import (
    BackendError,
    BackendTimeout,
    ContextLengthError,
    InputError,
    OverBudgetError,
    RefusedError,
)
from deemster.runtime import run_sync
from deemster.schemas import Completion, Sampling, Usage, as_query
from deemster.testing import (
    TRANSIENT,
    Call,
    Fault,
    OpenAIServer,
    Raw,
    Reply,
    first_faults,
    random_faults,
)

ServerFactory = Callable[..., OpenAIServer]
KEY = "sk-test-0123456789abcdef"
SCHEMA: dict[str, Any] = {
    "title": "Scores",
    "type": "object",
    "properties": {"scores": {"type": "array", "items": {"type": "integer"}}},
    "required": ["scores"],
    "additionalProperties": False,
}


def backend(server: OpenAIServer, model: str = "openai/judge", **options: Any) -> APIBackend:
    settings: dict[str, Any] = {"api_key": KEY, "timeout": 20.0} | options
    return APIBackend(model, api_base=server.url, **settings)


def ask(query: str = "which is better", n: int = 1, **fields: Any) -> Request:
    sampling = Sampling(**fields.pop("sampling", {}))
    return Request(messages=as_query(query), sampling=sampling, n=n, **fields)


def texts(outcomes: list[Outcome]) -> list[str]:
    assert all(isinstance(outcome, Completion) for outcome in outcomes), outcomes
    return [outcome.text for outcome in outcomes if isinstance(outcome, Completion)]


def total(outcomes: list[Outcome]) -> Usage:
    return Usage.total(outcome.usage or Usage() for outcome in outcomes)


def assert_ledger(usage: Usage, server: OpenAIServer) -> None:
    ledger = server.ledger
    assert (usage.calls, usage.tokens_in, usage.tokens_out, usage.tokens_cached) == (
        ledger.hits,
        ledger.tokens_in,
        ledger.tokens_out,
        ledger.tokens_cached,
    )


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the server lives in another thread
            await asyncio.sleep(0.01)


# Asked directly; through LiteLLM's OpenAI SDK, its own handler and the Azure SDK.
ROADS = ["openai/judge", "deepinfra/judge", "azure/judge"]


@pytest.mark.parametrize("model", ROADS)
@pytest.mark.parametrize(
    ("n", "hits"), [("yes", 1), ("ignore", 5), ("reject", 6)], ids=["n", "n-ignored", "n-refused"]
)
async def test_n_draws(openai_server: ServerFactory, model: str, n: str, hits: int) -> None:
    server = openai_server(n=n, cached=2)
    judge = backend(server, model, extra={"api_version": "v1"} if "azure" in model else None)
    outcomes = await judge.generate(ask(n=5, seeds=(1, 2, 3, 4, 5)))
    if n == "yes":
        assert texts(outcomes) == [f"reply {i} to which is better" for i in range(5)]
    else:
        assert texts(outcomes) == ["reply 0 to which is better"] * 5
    assert server.ledger.hits == hits
    assert_ledger(total(outcomes), server)
    assert_ledger(judge.spent, server)
    # What was learned about the server is remembered.
    await judge.generate(ask(n=5))
    assert server.ledger.hits == hits + (1 if n == "yes" else 5)
    await judge.aclose()


async def test_single_mode_and_seeds(openai_server: ServerFactory) -> None:
    server = openai_server()
    outcomes = await backend(server, n_mode="single").generate(ask(n=3, seeds=(7, 8, 9)))
    assert len(texts(outcomes)) == 3
    assert sorted(call.body["seed"] for call in server.ledger.calls) == [7, 8, 9]
    assert all("n" not in call.body for call in server.ledger.calls)


async def test_request_as_sent(openai_server: ServerFactory) -> None:
    server = openai_server()
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    query = as_query(
        [
            {"role": "system", "content": "Judge."},
            {"role": "user", "content": [{"type": "text", "text": "What is this?"}, image]},
        ]
    )
    sampling = Sampling(temperature=0.3, top_p=0.9, max_tokens=77, stop=("END",))
    judge = backend(server, extra={"presence_penalty": 0.5})
    await judge.generate(Request(messages=query, sampling=sampling))
    call = server.ledger.calls[0]
    assert call.body == {
        "model": "judge",
        "messages": [
            {"role": "system", "content": "Judge."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {
                        "type": "image_url",
                        "image_url": {"url": "data:image/png;base64,AAAA", "detail": "auto"},
                    },
                ],
            },
        ],
        "temperature": 0.3,
        "top_p": 0.9,
        "max_tokens": 77,
        "stop": ["END"],
        "presence_penalty": 0.5,
    }
    assert call.headers["Authorization"] == f"Bearer {KEY}"


async def test_logprobs_finish_and_reasoning(openai_server: ServerFactory) -> None:
    server = openai_server(lambda *_: Reply("A wins", finish="length", reasoning="hm"))
    (outcome,) = await backend(server).generate(ask(sampling={"top_logprobs": 2}))
    assert isinstance(outcome, Completion)
    assert (outcome.text, outcome.finish, outcome.model) == ("A wins", "length", "judge")
    assert outcome.logprobs is not None
    assert [entry.token for entry in outcome.logprobs] == ["A", "wins"]
    assert outcome.logprobs[0].top == (("A", -0.1), ("alt1", -3.0))
    assert "logprobs" not in (await _body_without_logprobs(server))


async def _body_without_logprobs(server: OpenAIServer) -> dict[str, Any]:
    await backend(server).generate(ask())
    return server.ledger.calls[-1].body


@pytest.mark.parametrize("n", ["yes", "ignore"])
@pytest.mark.parametrize("mode", ["auto", "json_schema", "tools", "json", "md_json"])
async def test_structured_output(openai_server: ServerFactory, mode: str, n: str) -> None:
    def script(_: Call, choice: int) -> str:
        return json.dumps({"scores": [choice, 9]})

    server = openai_server(script, n=n)
    judge = backend(server, structured=mode)
    outcomes = await judge.generate(ask(n=3, json_schema=SCHEMA))
    expected = range(3) if n == "yes" else [0, 0, 0]
    assert [json.loads(text) for text in texts(outcomes)] == [{"scores": [i, 9]} for i in expected]
    assert_ledger(total(outcomes), server)
    body = server.ledger.calls[0].body
    if mode in {"auto", "json_schema"}:
        assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    elif mode == "tools":
        assert body["tool_choice"]["function"]["name"] == "Scores"
        parameters = body["tools"][0]["function"]["parameters"]
        assert parameters["properties"] == SCHEMA["properties"]
    else:
        assert '"scores"' in str(body["messages"][0]["content"])
        assert ("response_format" in body) == (mode == "json")


async def test_structured_output_keeps_what_the_dialect_must_see(
    openai_server: ServerFactory,
) -> None:
    quoting = 'Mine: {"scores": [2]}. The response said {"scores": [5]}.'
    server = openai_server(lambda *_: Reply(quoting))
    (outcome,) = await backend(server, structured="md_json").generate(ask(json_schema=SCHEMA))
    assert texts([outcome]) == [quoting]
    cut = openai_server(lambda *_: Reply('{"scores": [', finish="length"))
    (outcome,) = await backend(cut, structured="tools").generate(ask(json_schema=SCHEMA))
    assert isinstance(outcome, Completion)
    assert (outcome.text, outcome.finish) == ('{"scores": [', "length")
    ignores_tools = openai_server(lambda *_: '{"scores": [1]}', tools=False)
    judge = backend(ignores_tools, structured="tools")
    assert texts(await judge.generate(ask(json_schema=SCHEMA))) == ['{"scores": [1]}']


@pytest.mark.parametrize("model", ROADS)
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("401", BackendError),
        ("400", BackendError),
        ("402", BackendError),
        ("404", BackendError),
        ("context", ContextLengthError),
        ("blocked", RefusedError),
    ],
)
async def test_permanent_errors_cost_one_hit_and_show_no_key(
    openai_server: ServerFactory, model: str, fault: Fault, error: type[BackendError]
) -> None:
    server = openai_server(faults=lambda _: fault)
    extra = {"api_version": "v1"} if "azure" in model else None
    judge = backend(server, model, extra=extra)
    (outcome,) = await judge.generate(ask())
    assert type(outcome) is error
    assert not outcome.retryable
    assert server.ledger.hits == 1
    assert KEY not in str(outcome)
    assert outcome.usage is not None
    assert outcome.usage.calls == 1
    await judge.aclose()


async def test_a_bad_request_for_n_is_not_sent_n_times(openai_server: ServerFactory) -> None:
    server = openai_server(faults=lambda _: "400")
    outcomes = await backend(server).generate(ask(n=32))
    assert len(outcomes) == 32
    assert all(isinstance(outcome, BackendError) for outcome in outcomes)
    assert server.ledger.hits == 2
    assert total(outcomes).calls == 2


@pytest.mark.parametrize("model", ROADS)
@pytest.mark.parametrize("fault", TRANSIENT)
async def test_transient_errors_are_retried_once_each(
    openai_server: ServerFactory, model: str, fault: Fault
) -> None:
    server = openai_server(faults=first_faults(fault))
    extra = {"api_version": "v1"} if "azure" in model else None
    judge = backend(server, model, extra=extra)
    (outcome,) = await judge.generate(ask("q"))
    assert texts([outcome]) == ["reply 0 to q"]
    assert server.ledger.hits == 2
    assert total([outcome]).calls == 2
    await judge.aclose()


async def test_attempts_end(openai_server: ServerFactory) -> None:
    server = openai_server(faults=lambda _: "503")
    (outcome,) = await backend(server, retries=2).generate(ask())
    assert isinstance(outcome, BackendError)
    assert "overloaded" in str(outcome)
    assert server.ledger.hits == 2


async def test_refusals(openai_server: ServerFactory) -> None:
    server = openai_server(
        lambda _, choice: [
            Reply("", refusal="I cannot judge this"),
            Reply("", finish="content_filter"),
            Reply("fine"),
        ][choice]
    )
    refused, filtered, fine = await backend(server).generate(ask(n=3))
    assert isinstance(refused, RefusedError)
    assert "I cannot judge this" in str(refused)
    assert isinstance(filtered, RefusedError)
    assert texts([fine]) == ["fine"]
    assert_ledger(total([refused, filtered, fine]), server)


@pytest.mark.parametrize("n", [1, 2, 4])
@pytest.mark.parametrize(
    "lost",
    [
        {"message": {"content": ""}, "finish_reason": "stop"},
        {"message": {"content": None}, "finish_reason": None},
        {"message": {"content": "Sco"}, "finish_reason": "error"},
        {"error": {"code": 503, "message": "busy"}},
        {"error": {"code": 429, "message": "slow"}},
    ],
    ids=["empty", "null", "broken", "503", "429"],
)
async def test_an_answer_without_any_completion_is_asked_for_again(
    openai_server: ServerFactory, n: int, lost: dict[str, Any]
) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 5}

    def reply(call: Call) -> Raw:
        fine = {"message": {"content": "fine"}, "finish_reason": "stop"}
        choices = [{"index": i, **(fine if call.hit else lost)} for i in range(n)]
        return Raw({"choices": choices, "usage": usage})

    server = openai_server(raw=reply)
    judge = backend(server)
    outcomes = await judge.generate(ask(n=n))
    assert texts(outcomes) == ["fine"] * n
    assert server.ledger.hits == 2
    spent = total(outcomes)
    assert (spent.calls, spent.tokens_in, spent.tokens_out) == (2, 14, 10)
    await judge.aclose()


async def test_faults_lose_nothing_and_change_nothing(openai_server: ServerFactory) -> None:
    n = 300
    server = openai_server(faults=random_faults(0.3, TRANSIENT, seed=1), retry_after=0.02)
    judge = backend(server, retries=8)
    outcomes = await asyncio.gather(*(generate_all(judge, ask(f"item {i}")) for i in range(n)))
    ended = Counter(type(outcome).__name__ for (outcome,) in outcomes)
    wrong = [
        i
        for i, (outcome,) in enumerate(outcomes)
        if isinstance(outcome, Completion) and outcome.text != f"reply 0 to item {i}"
    ]
    assert sum(ended.values()) == n
    assert wrong == []
    assert ended["Completion"] >= 0.9995 * n, ended
    assert server.ledger.hits / n <= 1.5  # 1 / (1 - 0.3) = 1.43 expected
    flat = [outcome for (outcome,) in outcomes]
    assert_ledger(total(flat), server)
    assert_ledger(judge.spent, server)


@pytest.mark.parametrize("fault", ["hang", "slow-loris"])
async def test_deadline(openai_server: ServerFactory, fault: Fault) -> None:
    server = openai_server(faults=lambda _: fault)
    judge = backend(server, timeout=0.6, concurrency=40)
    await judge.generate(ask())  # LiteLLM's import is not part of the deadline
    tasks = asyncio.all_tasks()
    start = time.monotonic()
    outcomes = await asyncio.gather(*(judge.generate(ask()) for _ in range(40)))
    assert time.monotonic() - start < 10
    for (outcome,) in outcomes:
        assert isinstance(outcome, BackendTimeout)
        assert outcome.usage is not None
        assert outcome.usage.calls <= 2  # the first attempt may not take all the time
    await asyncio.sleep(0.05)
    assert asyncio.all_tasks() <= tasks


async def test_retry_after_is_respected_by_all(openai_server: ServerFactory) -> None:
    server = openai_server(faults=first_faults("429-after"), retry_after=0.8)
    judge = backend(server)
    first = asyncio.create_task(judge.generate(ask("a")))
    await _until(lambda: bool(server.ledger.faults))
    await asyncio.sleep(0.05)
    rest = await asyncio.gather(*(judge.generate(ask("b")) for _ in range(5)))
    assert texts([*await first, *(outcome for (outcome,) in rest)])
    hit, *others = server.ledger.times
    assert len(others) == 6
    assert min(others) - hit >= 0.8


async def test_rate(openai_server: ServerFactory) -> None:
    server = openai_server(rps=50)
    judge = backend(server, rate=40)
    outcomes = await asyncio.gather(*(judge.generate(ask()) for _ in range(40)))
    assert texts([outcome for (outcome,) in outcomes])
    assert not server.ledger.faults


async def test_concurrency(openai_server: ServerFactory) -> None:
    server = openai_server(latency=0.05)
    judge = backend(server, concurrency=3, n_mode="single")
    assert len(texts(await judge.generate(ask(n=12)))) == 12
    assert server.ledger.max_in_flight == 3


@pytest.mark.parametrize(
    ("limit", "most"),
    [
        # Every call costs 2 + 5 tokens; 4 at once may be under way when the limit is reached.
        pytest.param({"tokens": 70}, 10 + 3, id="tokens"),
        pytest.param({"calls": 10}, 10, id="calls"),
        pytest.param({"usd": 70e-6}, 10 + 3, id="money"),
    ],
)
async def test_budget_overrun_is_bounded(
    openai_server: ServerFactory, limit: dict[str, Any], most: int
) -> None:
    server = openai_server(latency=0.02)
    budget = Budget(**limit)
    prices = Prices(tokens_in=1.0, tokens_out=1.0)
    judge = backend(server, concurrency=4, budget=budget, prices=prices)
    outcomes = await asyncio.gather(*(judge.generate(ask("hello you")) for _ in range(40)))
    over = [outcome for (outcome,) in outcomes if isinstance(outcome, OverBudgetError)]
    assert 10 <= server.ledger.hits <= most
    assert len(over) == 40 - server.ledger.hits
    assert all(error.usage == Usage() for error in over)
    assert_ledger(budget.spent, server)
    assert budget.spent.cost == pytest.approx(server.ledger.hits * 7e-6)


@pytest.mark.parametrize("limit", [{"tokens": 1000}, {"usd": 1.0}])
async def test_a_server_that_reports_no_usage_ends_a_budget(
    openai_server: ServerFactory, limit: dict[str, Any]
) -> None:
    server = openai_server(usage=False)
    budget = Budget(**limit)
    judge = backend(server, budget=budget, prices=Prices(tokens_in=1.0, tokens_out=1.0))
    (first,) = await judge.generate(ask())
    assert texts([first])
    (second,) = await judge.generate(ask())
    assert isinstance(second, OverBudgetError)
    assert "an unknown" in str(second)
    assert server.ledger.hits == 1


async def test_failed_attempts_do_not_end_a_budget_in_tokens(openai_server: ServerFactory) -> None:
    server = openai_server(faults=first_faults("503"))
    judge = backend(server, budget=Budget(tokens=1000))
    assert texts([*await judge.generate(ask()), *await judge.generate(ask())])
    assert server.ledger.hits == 3


async def test_cost_is_listed_given_or_unknown(openai_server: ServerFactory) -> None:
    server = openai_server(cached=1)
    (listed,) = await backend(server, "openai/gpt-4o-mini").generate(ask("hello you"))
    # 1 fresh token in at 0.15, 1 cached at 0.075 and 5 out at 0.60 USD per million.
    assert total([listed]).cost == pytest.approx((0.15 + 0.075 + 5 * 0.60) / 1e6)
    prices = Prices(tokens_in=1, tokens_out=2, tokens_cached=0.5)
    (given,) = await backend(server, prices=prices).generate(ask("hello you"))
    assert total([given]).cost == pytest.approx((1 + 0.5 + 10) / 1e6)
    (unknown,) = await backend(server).generate(ask("hello you"))
    assert total([unknown]).cost is None
    silent = openai_server(usage=False)
    (untold,) = await backend(silent, prices=prices).generate(ask("hello you"))
    assert total([untold]).cost is None


async def test_money_budget_needs_a_price(openai_server: ServerFactory) -> None:
    server = openai_server()
    with pytest.raises(InputError, match="prices="):
        await backend(server, budget=Budget(usd=1)).generate(ask())
    assert server.ledger.hits == 0


async def test_unknown_provider_and_missing_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no provider"):
        await APIBackend("nosuchprovider/model").generate(ask())
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="OPENAI_API_KEY"):
        await APIBackend("openai/gpt-5-mini").generate(ask())


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n_mode": "many"}, "n_mode"),
        ({"structured": "xml"}, "structured output mode"),
        ({"api_base": "127.0.0.1:8000"}, "http://"),
        ({"rate": 0}, "rate"),
    ],
    ids=["n_mode", "structured", "api_base", "rate"],
)
def test_wrong_options_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        open_backend("openai/judge", **options)


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count, as light as can be


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
@pytest.mark.parametrize("model", ROADS)
def test_repeated_asyncio_run_leaks_no_descriptor(openai_server: ServerFactory, model: str) -> None:
    server = openai_server()
    extra = {"api_version": "v1"} if "azure" in model else None
    judge = backend(server, model, extra=extra)

    def run() -> None:
        assert len(texts(asyncio.run(judge.generate(ask(n=2))))) == 2

    run()
    gc.collect()
    before = _descriptors()
    for _ in range(30):
        run()
    gc.collect()
    time.sleep(0.1)  # the server's ends of the connections, in this process too
    assert _descriptors() <= before + 1


async def test_from_a_running_loop(openai_server: ServerFactory) -> None:
    server = openai_server()
    judge = backend(server)
    assert len(texts(await judge.generate(ask(n=2)))) == 2
    assert len(texts(run_sync(judge.generate(ask(n=2))))) == 2  # as in a notebook cell
    await judge.aclose()  # closes the connections on both loops
    assert len(texts(await judge.generate(ask()))) == 1  # and a closed backend may go on
    await judge.aclose()


def test_from_threads_with_loops_of_their_own(openai_server: ServerFactory) -> None:
    judge = backend(openai_server())
    barrier = threading.Barrier(6)

    def work(number: int) -> list[str]:
        barrier.wait()
        return texts(asyncio.run(judge.generate(ask(f"thread {number}", n=3))))

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(work, range(6)))
    for number, found in enumerate(results):
        assert found == [f"reply {i} to thread {number}" for i in range(3)]
    assert judge.spent.calls == 6


async def test_cancelling_leaves_no_task_and_no_call(openai_server: ServerFactory) -> None:
    server = openai_server(latency=30)
    judge = backend(server, n_mode="single", concurrency=8)
    before = asyncio.all_tasks()
    task = asyncio.create_task(judge.generate(ask(n=16)))
    await _until(lambda: server.ledger.in_flight == 8)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.05)
    assert asyncio.all_tasks() <= before
    await _until(lambda: server.ledger.in_flight == 0)
    assert server.ledger.hits == 8


async def test_roles_of_a_judge_reach_the_server(openai_server: ServerFactory) -> None:
    from deemster.judges import Judge

    verdicts = ('{"score_1": 5, "score_2": 2, "ranking": 1}', '{"score_1": 2, "score_2": 5}')
    server = openai_server(
        lambda call, _choice: verdicts["four" not in call.body["messages"][-2]["content"]]
    )
    judge = Judge(
        "hosted_vllm/judge", api_base=server.url, dialect="nemotron-genrm-json", k=2,
        principles=[{"name": "Accuracy", "description": "is right"}],
    )  # fmt: skip
    verdict = await judge.score(
        [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"},
         {"role": "user", "content": "2+2?"}],
        ["five", "four"],
    )  # fmt: skip
    await judge.aclose()
    assert verdict.best == 1
    for call in server.ledger.calls:
        assert [message["role"] for message in call.body["messages"]] == [
            *("user", "assistant", "user"),
            *("principle", "response_1", "response_2"),
        ]
