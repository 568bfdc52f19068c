"""`/v1/decisions` and `/v1/systemone`, asked directly and through LiteLLM."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.support.decision_server import DecisionServer

from deemster.backends import (
    Budget,
    RecordBackend,
    Request,
    generate_all,
    open_backend,
)
from deemster.backends._api.with_litellm import litellm
from deemster.backends.decisions import DecisionsBackend
from deemster.errors import BackendError, InputError, OverBudgetError, UnusableModelError
from deemster.schemas import (
    Completion,
    Decision,
    Message,
    Option,
    Question,
    Sampling,
    read_decisions,
)
from deemster.testing import TRANSIENT, Fault, first_faults

QUESTIONS = (
    Question(name="polite", kind="predicate", instructions="Is it polite?"),
    Question(
        name="topic", kind="choice", instructions="What is it about?",
        options=(Option(value="money", description="Prices and pay."), Option(value="war")),
    ),
    Question(
        name="length", kind="score", instructions="How long is it?",
        options=tuple(Option(value=one) for one in ("short", "medium", "long")),
    ),
)  # fmt: skip


def ask(*questions: Question, n: int = 1, text: str = "Thank you for the cheque.") -> Request:
    return Request(
        messages=(Message(role="user", content=text),),
        sampling=Sampling(temperature=0.0, max_tokens=1),
        questions=questions or QUESTIONS,
        n=n,
    )


def leaning(_text: str, question: dict[str, Any]) -> list[float]:
    """0.7 on the first option, the rest shared."""
    n = len(question["options"])
    return [0.7, *[0.3 / (n - 1)] * (n - 1)]


@pytest.fixture
def serve() -> Iterator[Callable[..., DecisionServer]]:
    with ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(DecisionServer(*args, **options))


Serve = Callable[..., DecisionServer]


def connect(server: DecisionServer, wire: str = "decisions", **options: Any) -> Any:
    model = options.pop("model", "openai/judge-1")
    return open_backend(
        f"{wire}:{model}", api_base=server.url, api_key="sk-test-0123456", **options
    )


def need_litellm(wire: str = "decisions") -> None:
    if not hasattr(litellm, f"a{wire}"):
        pytest.skip("this LiteLLM has no decision models")


async def decide(backend: Any, request: Request) -> tuple[Decision, ...]:
    (outcome,) = await generate_all(backend, request)
    await backend.aclose()
    assert isinstance(outcome, Completion), outcome
    return read_decisions(outcome.text, request.questions)


@pytest.mark.parametrize("only_litellm", [False, True], ids=["lean", "litellm"])
@pytest.mark.parametrize("model", ["openai/judge-1", "hosted_vllm/judge-1"])
@pytest.mark.parametrize("wire", ["decisions", "systemone"])
async def test_every_kind_of_question_on_every_road(
    serve: Serve, wire: str, model: str, only_litellm: bool
) -> None:
    if only_litellm:
        need_litellm(wire)
    server = serve(leaning)
    backend = connect(server, wire, model=model, only_litellm=only_litellm)
    assert backend.name == f"{wire}:{model}"
    polite, topic, length = await decide(backend, ask())
    assert polite.probabilities == pytest.approx((0.7, 0.3))
    assert topic.probabilities == pytest.approx((0.7, 0.3))
    assert length.probabilities == pytest.approx((0.7, 0.15, 0.15))
    assert server.ledger.hits == 1


@pytest.mark.parametrize("wire", ["decisions", "systemone"])
async def test_a_provider_that_is_not_asked_directly_goes_through_litellm(
    serve: Serve, wire: str
) -> None:
    server = serve(leaning)
    backend = open_backend(f"{wire}:typesafe/jev", api_base=server.url, api_key="sk-test-0123456")
    polite, *_ = await decide(backend, ask())
    assert polite.probabilities == pytest.approx((0.7, 0.3))


async def test_the_draws_of_a_request_are_one_call_that_is_paid_once(serve: Serve) -> None:
    server = serve(leaning)
    backend = connect(server, prices={"tokens_in": 0.1, "tokens_out": 0.0})
    outcomes = await backend.generate(ask(n=3))
    await backend.aclose()
    assert server.ledger.hits == 1
    assert [one.usage.calls for one in outcomes] == [1, 0, 0]
    assert [one.usage.tokens_in for one in outcomes] == [server.ledger.tokens_in, 0, 0]
    assert outcomes[0].usage.cost == pytest.approx(0.1 * server.ledger.tokens_in / 1e6)
    assert len({one.text for one in outcomes}) == 1
    assert backend.spent.tokens_in == server.ledger.tokens_in


async def test_tokens_that_are_not_reported_have_no_price(serve: Serve) -> None:
    backend = connect(serve(usage=False), prices={"tokens_in": 0.1, "tokens_out": 0.0})
    (outcome,) = await backend.generate(ask())
    await backend.aclose()
    assert outcome.usage.cost is None


@pytest.mark.parametrize("wire", ["decisions", "systemone"])
async def test_a_refused_question_has_no_probabilities(serve: Serve, wire: str) -> None:
    def shy(text: str, question: dict[str, Any]) -> list[float] | None:
        return (
            None if question["instructions"].startswith("Is it polite") else leaning(text, question)
        )

    polite, topic, _ = await decide(connect(serve(shy), wire), ask())
    assert polite.probabilities is None
    assert topic.probabilities is not None


@pytest.mark.parametrize("wire", ["decisions", "systemone"])
async def test_label_mass_is_kept_where_it_is_reported(serve: Serve, wire: str) -> None:
    assert [one.label_mass for one in await decide(connect(serve(), wire), ask())] == [None] * 3
    told = await decide(connect(serve(label_mass=0.125), wire), ask())
    assert [one.label_mass for one in told] == [0.125] * 3


@pytest.mark.parametrize("fault", TRANSIENT)
async def test_faults_that_pass_are_retried(serve: Serve, fault: Fault) -> None:
    server = serve(leaning, faults=first_faults(fault), retry_after=0.01)
    await decide(connect(server), ask())
    assert server.ledger.hits == 2


@pytest.mark.parametrize("only_litellm", [False, True], ids=["lean", "litellm"])
async def test_only_this_package_retries(serve: Serve, only_litellm: bool) -> None:
    if only_litellm:
        need_litellm()
    server = serve(faults=lambda _call: "500")
    backend = connect(server, retries=2, only_litellm=only_litellm)
    (outcome,) = await generate_all(backend, ask())
    await backend.aclose()
    assert isinstance(outcome, BackendError)
    assert outcome.retryable
    assert server.ledger.hits == 2
    assert outcome.usage is not None
    assert outcome.usage.calls == 2


async def test_the_budget_is_one_for_all(serve: Serve) -> None:
    server, budget = serve(), Budget(calls=1)
    first, second = connect(server, budget=budget), connect(server, "systemone", budget=budget)
    await decide(first, ask())
    (outcome,) = await generate_all(second, ask())
    await second.aclose()
    assert isinstance(outcome, OverBudgetError)
    assert server.ledger.hits == 1


async def test_a_budget_in_money_needs_a_price(serve: Serve) -> None:
    backend = connect(serve(), model="hosted_vllm/judge-1", budget=Budget(usd=1))
    with pytest.raises(UnusableModelError, match="prices=Prices"):
        await backend.generate(ask())


async def test_hopeless_refusals_end_it_and_hide_the_key(serve: Serve) -> None:
    server = serve(faults=lambda _call: "401")
    backend = connect(server)
    for _ in range(3):
        (outcome,) = await generate_all(backend, ask())
        assert "sk-test-0123456" not in str(outcome)
    with pytest.raises(UnusableModelError, match="nothing more is sent"):
        await backend.generate(ask())
    await backend.aclose()
    assert server.ledger.hits == 3


@pytest.mark.parametrize("wire", ["decisions", "systemone"])
@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        pytest.param(lambda _reply: {"model": "m"}, "answer", id="no-answers"),
        pytest.param(lambda _reply: {"answers": "yes"}, "answer", id="answers-are-text"),
    ],
)
async def test_an_answer_without_answers_is_an_error(
    serve: Serve, wire: str, tamper: Callable[[dict[str, Any]], dict[str, Any]], message: str
) -> None:
    backend = connect(serve(tamper=tamper), wire)
    (outcome,) = await generate_all(backend, ask())
    await backend.aclose()
    assert isinstance(outcome, BackendError)
    assert message in str(outcome)


def _first(change: dict[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def tamper(reply: dict[str, Any]) -> dict[str, Any]:
        return reply | {"answers": [reply["answers"][0] | change]}

    return tamper


TOPIC = QUESTIONS[1]


@pytest.mark.parametrize(
    ("question", "change"),
    [
        pytest.param(QUESTIONS[0], {"probability": 1.2}, id="above-one"),
        pytest.param(QUESTIONS[0], {"probability": -0.1}, id="below-zero"),
        pytest.param(QUESTIONS[0], {"probability": None}, id="missing"),
        pytest.param(QUESTIONS[0], {"probability": "0.7"}, id="text"),
        pytest.param(QUESTIONS[0], {"probability": True}, id="true"),
        pytest.param(QUESTIONS[0], {"type": "choice"}, id="other-kind"),
        pytest.param(TOPIC, {"probabilities": []}, id="no-options"),
        pytest.param(TOPIC, {"probabilities": [{"value": "money", "probability": 1}]}, id="one"),
        pytest.param(
            TOPIC,
            {"probabilities": [{"value": v, "probability": 0.5} for v in ("money", "love")]},
            id="unknown-option",
        ),
        pytest.param(
            TOPIC,
            {"probabilities": [{"value": v, "probability": 0.3} for v in ("money", "war")]},
            id="sum",
        ),
        pytest.param(TOPIC, {"probabilities": {"money": 0.5}}, id="mapping-too-short"),
    ],
)
async def test_malformed_answers_are_errors_never_numbers(
    serve: Serve, question: Question, change: dict[str, Any]
) -> None:
    server = serve(tamper=_first(change))
    (outcome,) = await generate_all(backend := connect(server), ask(question))
    await backend.aclose()
    assert isinstance(outcome, BackendError)
    assert "malformed" in str(outcome)
    assert server.ledger.hits == 1, "an answer that was paid for is not bought again"
    assert outcome.usage is not None
    assert outcome.usage.tokens_in > 0


async def test_too_many_questions_are_the_servers_error(serve: Serve) -> None:
    (outcome,) = await generate_all(backend := connect(serve(most=2)), ask())
    await backend.aclose()
    assert isinstance(outcome, BackendError)
    assert "at most 2 questions" in str(outcome)


async def test_extra_fields_and_headers_are_sent(serve: Serve) -> None:
    server = serve()
    extra = {"prompt_cache_key": "k", "extra_headers": {"X-Team": "judges"}}
    await decide(connect(server, extra=extra), ask())
    (call,) = server.ledger.calls
    assert call.body["prompt_cache_key"] == "k"
    assert call.headers["X-Team"] == "judges"


async def test_what_is_no_question_is_refused_before_anything_is_sent(serve: Serve) -> None:
    server = serve()
    backend = connect(server)
    request = Request(messages=ask().messages, sampling=Sampling())
    with pytest.raises(UnusableModelError, match="judge type 'decision'"):
        await backend.generate(request)
    with pytest.raises(UnusableModelError, match="takes no questions"):
        await open_backend("openai/gpt", api_base=server.url, api_key="k").generate(ask())
    assert server.ledger.hits == 0


async def test_recorded_decisions_are_never_bought_twice(serve: Serve, tmp_path: Path) -> None:
    server = serve(leaning)
    for _ in range(2):
        recorder = RecordBackend(connect(server), tmp_path / "a.cassette")
        await decide(recorder, ask())
    assert server.ledger.hits == 1
    replay = open_backend(f"replay:{tmp_path / 'a.cassette'}")
    assert (await decide(replay, ask()))[0].probabilities == pytest.approx((0.7, 0.3))
    (missed,) = await generate_all(replay, ask(TOPIC))
    assert isinstance(missed, BackendError)
    await replay.aclose()


def test_questions_are_part_of_a_requests_identity_and_text_requests_keep_theirs() -> None:
    plain = Request(messages=ask().messages, sampling=Sampling(temperature=0.0, max_tokens=1))
    keys = {plain.key("m", 0), ask().key("m", 0), ask(TOPIC).key("m", 0)}
    assert len(keys) == 3
    # Of a recording made before there were questions.
    assert plain.key("m", 0) == KEY


KEY = "89a3cf83396f52cc5c63bee2f623664a6123810ae97f3cc2d7fafcb21f6e628d"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"api_base": "127.0.0.1"}, "api_base must start with", id="base"),
        pytest.param({"api_base": "http://[1"}, "api_base is no URL", id="no url"),
        pytest.param({"concurrency": 0}, "concurrency", id="concurrency"),
        pytest.param({"prices": {"tokens_in": -1, "tokens_out": 0}}, "prices", id="prices"),
        pytest.param({"n_mode": "single"}, "does not take the option", id="unknown"),
    ],
)
def test_wrong_options_are_one_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_backend("decisions:openai/m", **options)


def test_a_password_in_a_url_is_not_shown() -> None:
    with pytest.raises(InputError, match="must start with http") as raised:
        open_backend("decisions:openai/m", api_base="ftp://me:hunter2@host")
    assert "hunter2" not in str(raised.value)


def test_a_missing_key_is_said_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_BASE", raising=False)
    with pytest.raises(UnusableModelError, match="OPENAI_API_KEY"):
        DecisionsBackend("openai/m").check()


async def test_many_requests_at_once(serve: Serve) -> None:
    server = serve(leaning, latency=0.01)
    backend = connect(server, concurrency=4)
    texts = [f"Text {i}." for i in range(20)]
    found = await asyncio.gather(*(backend.generate(ask(text=text)) for text in texts))
    await backend.aclose()
    assert all(isinstance(one, Completion) for outcomes in found for one in outcomes)
    assert server.ledger.max_in_flight <= 4
    assert server.ledger.hits == 20
