"""`labels:provider/model`: vLLM's `/generative_scoring`, and chat completions in its place."""

from __future__ import annotations

import asyncio
import math
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.support.command_line import deemster, one_line
from tests.support.scoring_server import ScoringServer, WordTokens

from deemster.backends import Budget, RecordBackend, Request, generate_all, open_backend
from deemster.backends.decision_file import DecisionFile
from deemster.errors import (
    BackendError,
    ContextLengthError,
    InputError,
    OverBudgetError,
    UnusableModelError,
)
from deemster.judges import DecisionJudge
from deemster.schemas import (
    Completion,
    Decision,
    Failure,
    Message,
    Option,
    Question,
    Sampling,
    read_decisions,
)
from deemster.suites.loading import load_suite
from deemster.suites.planning import plan_suite
from deemster.suites.runner import run_suite
from deemster.testing import TRANSIENT, Fault, first_faults

POLITE = Question(name="polite", kind="predicate", instructions="Is it polite?")
LONG = Question(name="long", kind="predicate", instructions="Is it long?")
TOPIC = Question(
    name="topic", kind="choice", instructions="What is it about?",
    options=(Option(value="money", description="Prices and pay."), Option(value="war")),
)  # fmt: skip
LENGTH = Question(
    name="length", kind="score", instructions="How long is it?",
    options=tuple(Option(value=one) for one in ("short", "medium", "long")),
)  # fmt: skip
EVERY = (POLITE, LONG, TOPIC, LENGTH)
TEXT = "Thank you for the cheque."


def opinion(prompt: str) -> Mapping[str, float]:
    """A model that wants to say more than labels."""
    if "polite?" in prompt:
        return {"Yes": 0.6, "No": 0.2, "Perhap": 0.1, " Yes": 0.05, "The": 0.05}
    if "Is it long?" in prompt:
        return {"No": 0.5, "Yes": 0.125, "Not": 0.375}
    if "about?" in prompt:
        return {"A": 0.9, "B": 0.1}
    return {"A": 0.25, "B": 0.125, "C": 0.125, "X": 0.5}


def ask(*questions: Question, n: int = 1, text: str = TEXT) -> Request:
    return Request(
        messages=(Message(role="user", content=text),),
        sampling=Sampling(temperature=0.0, max_tokens=1),
        questions=questions or EVERY,
        n=n,
    )


Serve = Callable[..., ScoringServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(
            ScoringServer(*(args or (opinion,)), **options)
        )


def connect(server: ScoringServer, *, model: str = "hosted_vllm/judge-1", **options: Any) -> Any:
    return open_backend(
        f"labels:{model}", api_base=server.url, api_key="sk-test-0123456", **options
    )


async def draw(backend: Any, request: Request) -> Any:
    (outcome, *_) = await generate_all(backend, request)
    await backend.aclose()
    return outcome


async def decide(backend: Any, request: Request) -> tuple[Decision, ...]:
    outcome = await draw(backend, request)
    assert isinstance(outcome, Completion), outcome
    return read_decisions(outcome.text, request.questions)


def check(found: tuple[Decision, ...], *, spaced: bool) -> None:
    """Probabilities relative to the labels, and what the labels have together."""
    polite, long, topic, length = found
    yes = 0.65 if spaced else 0.6
    assert polite.probabilities == pytest.approx((yes / (yes + 0.2), 0.2 / (yes + 0.2)))
    assert polite.label_mass == pytest.approx(yes + 0.2)
    assert long.probabilities == pytest.approx((0.2, 0.8))
    assert topic.probabilities == pytest.approx((0.9, 0.1))
    assert length.probabilities == pytest.approx((0.5, 0.25, 0.25))
    assert [one.label_mass for one in (long, topic, length)] == pytest.approx([0.625, 1.0, 0.5])


@pytest.mark.parametrize("model", ["hosted_vllm/judge-1", "openai/judge-1"])
async def test_labels_are_read_by_one_request_each(serve: Serve, model: str) -> None:
    server = serve()
    check(await decide(connect(server, model=model), ask()), spaced=False)
    asked = [call.body for call in server.asked("/generative_scoring")]
    assert [len(body["items"]) for body in asked] == [2, 2, 2, 2, 1], "Yes, No, A, B, C"
    assert len({body["query"] for body in asked}) == 1
    assert not server.asked("/chat/completions")


@pytest.mark.parametrize("errors", ["nested", "flat", "detail"])
@pytest.mark.parametrize("lacks", ["/generative_scoring", "/tokenize", "/detokenize"])
async def test_a_server_that_lacks_an_endpoint_is_asked_for_chat_completions(
    serve: Serve, lacks: str, errors: str
) -> None:
    server = serve(lacks=[lacks], errors=errors)
    backend = connect(server)
    check(read_decisions((await backend.generate(ask()))[0].text, EVERY), spaced=True)
    probes = server.ledger.hits - len(server.asked("/chat/completions"))
    check(await decide(backend, ask()), spaced=True)
    assert server.ledger.hits == probes + 2 * len(EVERY), "it is found out once"


async def test_a_server_with_another_tokenize_is_asked_for_chat_completions(serve: Serve) -> None:
    server = serve(tokenizes_chats=False)
    check(await decide(connect(server), ask()), spaced=True)
    assert server.ledger.hits == 1 + len(EVERY)


@pytest.mark.parametrize("text", ["A word or two.\n\n3 <|im_end|> 4.  \n", "5.\n\n"])
async def test_both_roads_ask_the_same(serve: Serve, text: str) -> None:
    server = serve()
    await decide(connect(server), ask(text=text))
    await decide(connect(server, scoring=False), ask(text=text))
    asked = [call.body for call in server.asked("/generative_scoring")]
    parts = {(body["query"], item) for body in asked for item in body["items"]}
    whole = {query + item for query, item in parts}
    tokens = server.tokens.encode
    assert all(tokens(query) + tokens(item) == tokens(query + item) for query, item in parts)
    chats = [call.body for call in server.asked("/chat/completions")]
    assert whole == {server.tokens.render(body["messages"]) for body in chats}
    for body in chats:
        assert body["max_tokens"] == 1
        assert body["top_logprobs"] == 20
        assert body["chat_template_kwargs"] == {"enable_thinking": False}
    looked = next(call.body for call in server.asked("/tokenize") if "messages" in call.body)
    assert looked["chat_template_kwargs"] == {"enable_thinking": False}


async def test_a_service_is_asked_for_nothing_but_chat_completions(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    backend = open_backend("labels:openai/judge-1", api_key="sk-test-0123456")
    check(await decide(backend, ask()), spaced=True)
    assert len(server.asked("/chat/completions")) == server.ledger.hits == len(EVERY)
    with pytest.raises(InputError, match="give 'hosted_vllm/NAME'"):
        open_backend("labels:openai/judge-1", api_key="sk-test-0123456", scoring=True)


class TurnTokens(WordTokens):
    """A template that ends without a blank: models go on with one."""

    def render(self, messages: Any) -> str:
        return f"USER: {messages[-1]['content']} ASSISTANT:"


async def test_labels_with_a_space_before_count_where_the_prompt_ends_without_one(
    serve: Serve,
) -> None:
    check(await decide(connect(serve(tokens=TurnTokens())), ask()), spaced=True)


class Forgetful(WordTokens):
    """It leaves control tokens out of texts."""

    def decode(self, ids: Any) -> str:
        return super().decode(ids).replace("<|im_end|>", "")


async def test_a_template_that_cannot_be_told_by_text_is_left_to_the_server(serve: Serve) -> None:
    server = serve(tokens=Forgetful())
    check(await decide(connect(server), ask()), spaced=True)
    assert not server.asked("/generative_scoring")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"predicate": ["Perhaps", "No"]}, "label 'Perhaps' is 2 tokens"),
        ({"predicate": ["No", "No"]}, "labels of predicate .*must differ"),
        ({"choice": ["A"]}, "2 options, but there are 1 labels"),
        ({"predicate": [True, False]}, "labels: .*quote words"),
        ({"noul": ["Yes", "No"]}, "unknown kinds.*allowed: predicate, choice, score"),
    ],
    ids=["several-tokens", "the-same", "too-few", "no-text", "unknown-kind"],
)
async def test_labels_that_cannot_be_read_are_one_error(
    serve: Serve, labels: Any, message: str
) -> None:
    server = serve()
    with pytest.raises(InputError, match=message) as raised:
        await connect(server, labels=labels).generate(ask())
    assert "\n" not in str(raised.value)
    assert not server.asked("/generative_scoring")


async def test_other_labels_are_asked_for_and_read(serve: Serve) -> None:
    server = serve(lambda _prompt: {"good": 0.5, "bad": 0.25, "Yes": 0.25})
    (found,) = await decide(connect(server, labels={"predicate": ["good", "bad"]}), ask(POLITE))
    assert found.probabilities == pytest.approx((2 / 3, 1 / 3))
    assert "Say good or bad" in server.asked("/generative_scoring")[0].body["items"][0]


async def test_recordings_answer_for_the_same_labels_alone(serve: Serve, tmp_path: Path) -> None:
    server = serve(lambda _prompt: {"good": 0.5, "bad": 0.25, "Yes": 0.125, "No": 0.125})
    options: list[dict[str, Any]] = [{}, {"labels": {"predicate": ["good", "bad"]}}] * 2
    found = [
        await decide(RecordBackend(connect(server, **each), tmp_path / "a.cassette"), ask(POLITE))
        for each in options
    ]
    assert [one.label_mass for (one,) in found] == pytest.approx([0.25, 0.75] * 2)
    assert len(server.asked("/generative_scoring")) == 4


async def test_a_prompt_that_the_server_would_cut_is_refused(serve: Serve) -> None:
    server = serve(context=60)
    failed = await draw(connect(server), ask(POLITE, text="word " * 60))
    assert isinstance(failed, ContextLengthError)
    assert "does not fit the server's context of 60 tokens" in str(failed)
    assert failed.usage is not None
    assert failed.usage.tokens_in == server.ledger.tokens_in


@pytest.mark.parametrize("usage", [True, False], ids=["counted", "not-counted"])
async def test_prompts_that_fit_alone_are_asked_together(serve: Serve, usage: bool) -> None:
    server = serve(context=60, usage=usage)
    outcome = await draw(connect(server), ask(POLITE, LONG))
    assert isinstance(outcome, Completion)
    if usage:
        assert server.ledger.tokens_in / 2 > 60, "the two prompts of a request"


def _data(change: Callable[[list[dict[str, Any]]], Any]) -> Callable[[dict[str, Any]], Any]:
    return lambda reply: reply | {"data": change(reply["data"])}


def _score(value: Any) -> Callable[[dict[str, Any]], Any]:
    return _data(lambda data: [data[0] | {"score": value}, *data[1:]])


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(_score(math.nan), id="nan"),
        pytest.param(_score(None), id="null"),
        pytest.param(_score("0.5"), id="text"),
        pytest.param(_score(True), id="true"),
        pytest.param(_score(1.2), id="above-one"),
        pytest.param(_score(-0.3), id="below-zero"),
        pytest.param(_data(lambda data: data[:1]), id="one-missing"),
        pytest.param(_data(lambda data: [*data, data[0]]), id="one-too-many"),
        pytest.param(_data(lambda data: [data[0], data[0]]), id="one-twice"),
        pytest.param(_data(lambda data: [{"score": 0.5}] * len(data)), id="no-index"),
        pytest.param(_data(lambda _: None), id="no-data"),
        pytest.param(lambda _: [0.5, 0.5], id="a-list"),
    ],
)
async def test_answers_that_are_no_probabilities_are_errors_never_numbers(
    serve: Serve, tamper: Callable[[dict[str, Any]], Any]
) -> None:
    server = serve(tamper=tamper)
    failed = await draw(connect(server), ask(POLITE, LONG))
    assert isinstance(failed, BackendError)
    assert "the server" in str(failed)
    assert len(server.asked("/generative_scoring")) == 2, "what was paid for is not bought again"
    assert not server.asked("/chat/completions")


async def test_scores_belong_to_their_index(serve: Serve) -> None:
    server = serve(tamper=_data(lambda data: data[::-1]))
    check(await decide(connect(server), ask()), spaced=False)


async def test_every_token_is_counted_whatever_comes_of_it(serve: Serve) -> None:
    server = serve()
    backend = connect(server, prices={"tokens_in": 1.0, "tokens_out": 2.0})
    outcomes = await backend.generate(ask(n=3))
    read, written = server.ledger.tokens_in, server.ledger.tokens_out
    usage = outcomes[0].usage
    assert (usage.calls, usage.tokens_in, usage.tokens_out) == (server.ledger.hits, read, written)
    assert usage.cost == pytest.approx((read + 2 * written) / 1e6)
    assert [one.usage.calls for one in outcomes[1:]] == [0, 0]
    assert backend.spent.tokens_in == read
    await backend.aclose()

    bad = serve(tamper=lambda reply: reply | {"data": []})
    failed = await draw(connect(bad), ask())
    assert failed.usage.tokens_in == bad.ledger.tokens_in > 0


@pytest.mark.parametrize("fault", TRANSIENT)
async def test_faults_that_pass_are_retried(serve: Serve, fault: Fault) -> None:
    server = serve(faults=first_faults(fault), retry_after=0.01)
    check(await decide(connect(server), ask()), spaced=False)


async def test_an_unknown_model_is_an_error_and_no_reason_to_ask_elsewhere(serve: Serve) -> None:
    server = serve()
    failed = await draw(connect(server, model="hosted_vllm/other"), ask())
    assert isinstance(failed, BackendError)
    assert "The model `other` does not exist" in str(failed)
    assert not server.asked("/chat/completions")


async def test_scoring_that_is_asked_for_and_not_there_ends_it(serve: Serve) -> None:
    backend = connect(serve(lacks=["/generative_scoring"]), scoring=True)
    with pytest.raises(UnusableModelError, match="has no /generative_scoring; start vLLM"):
        await backend.generate(ask())
    await backend.aclose()


@pytest.mark.parametrize("trust", [True, False], ids=["own", "of-a-file"])
@pytest.mark.parametrize("lacks", [[], ["/generative_scoring"]], ids=["scoring", "chat"])
async def test_a_key_goes_only_to_servers_that_may_have_it(
    serve: Serve, trust: bool, lacks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTED_VLLM_API_KEY", "secret-of-mine")
    server = serve(lacks=lacks)
    backend = open_backend("labels:hosted_vllm/judge-1", api_base=server.url, trust=trust)
    await decide(backend, ask(POLITE))
    sent = {call.headers.get("Authorization") for call in server.ledger.calls}
    assert sent == {"Bearer secret-of-mine" if trust else None}


async def test_the_budget_holds(serve: Serve) -> None:
    server = serve()
    failed = await draw(connect(server, budget=Budget(calls=3)), ask())
    assert isinstance(failed, OverBudgetError)
    assert server.ledger.hits == 3


async def test_looking_tokens_up_ends_no_budget_in_tokens(serve: Serve) -> None:
    server = serve()
    assert isinstance(await draw(connect(server, budget=Budget(tokens=10_000)), ask()), Completion)


async def test_many_requests_at_once_look_at_the_template_once(serve: Serve) -> None:
    server = serve(latency=0.005)
    backend = connect(server, concurrency=4)
    texts = [f"Text {i}." for i in range(12)]
    found = await asyncio.gather(*(backend.generate(ask(POLITE, text=text)) for text in texts))
    await backend.aclose()
    assert all(isinstance(one, Completion) for (one,) in found)
    assert len(server.asked("/generative_scoring")) == 2 * len(texts)
    assert server.ledger.hits == 2 * len(texts) + len(["template", "text", "again", "Yes", "No"])
    assert server.ledger.max_in_flight <= 4


async def test_labels_that_are_not_among_the_likeliest_have_no_share(serve: Serve) -> None:
    words = {f"w{i}": 0.04 for i in range(20)}
    server = serve(lambda _: {**words, "Yes": 0.03, "No": 0.02}, lacks=["/tokenize"])
    (found,) = await decide(connect(server), ask(POLITE))
    assert (found.probabilities, found.label_mass) == (None, 0.0)
    exact = serve(lambda _: {**words, "Yes": 0.03, "No": 0.02})
    (found,) = await decide(connect(exact), ask(POLITE))
    assert found.probabilities == pytest.approx((0.6, 0.4))
    assert found.label_mass == pytest.approx(0.05)


async def test_what_writes_and_what_is_no_question_are_told_apart(serve: Serve) -> None:
    server = serve()
    with pytest.raises(UnusableModelError, match="judge type 'decision', or give 'hosted_vllm/"):
        await connect(server).generate(Request(messages=ask().messages, sampling=Sampling()))
    assert server.ledger.hits == 0


def likes_four(prompt: str) -> Mapping[str, float]:
    """A model that says yes of the response with "four", and sometimes something else."""
    shown, _, asked = prompt.partition("Does response ")
    place = 1 + (shown.index("four") > shown.index("five"))
    right = asked.startswith(str(place))
    return {"Yes": 0.6, "No": 0.2, "It": 0.2} if right else {"Yes": 0.1, "No": 0.7, "It": 0.2}


@pytest.mark.parametrize("lacks", [[], ["/generative_scoring"]], ids=["scoring", "chat"])
async def test_a_judge_is_the_same_whatever_the_server_has(serve: Serve, lacks: list[str]) -> None:
    server = serve(likes_four, lacks=lacks)
    async with DecisionJudge(
        "labels:hosted_vllm/judge-1", api_base=server.url, ask="predicate"
    ) as judge:
        verdict = await judge.score("What is 2 + 2?", ["It is five.", "It is four."])
    assert verdict.best == 1
    assert verdict.rewards == pytest.approx((0.125, 0.75))
    assert verdict.usage.tokens_in == server.ledger.tokens_in


async def test_a_model_that_wants_to_say_something_else_abstains(serve: Serve) -> None:
    server = serve(lambda _: {"Yes": 0.3, "No": 0.1, "Well": 0.6})
    async with DecisionJudge(
        "labels:hosted_vllm/judge-1", api_base=server.url, ask="predicate"
    ) as judge:
        verdict = await judge.score("Hi?", ["a", "b"])
    assert verdict.rewards is None
    (vote, *_) = verdict.votes
    assert isinstance(vote, Failure)
    assert vote.status == "refused"
    assert "(0.4)" in vote.message


def test_a_plan_counts_a_prompt_for_each_question(serve: Serve, tmp_path: Path) -> None:
    server = serve(likes_four, lacks=["/tokenize"])
    path = tmp_path / "suite.yaml"
    path.write_text(
        "name: mine\ndata: {samples: [{query: q, responses: [five, four], ground_truth: [0, 1]}]}\n"
        "judges: {type: decision, model: 'labels:hosted_vllm/judge-1', ask: predicate, "
        f"options: {{api_base: '{server.url}'}}}}\n"
    )
    (plan,) = plan_suite(load_suite(path))
    assert (plan.votes, plan.requests) == (2, 4), "two orders of two responses"
    asyncio.run(run_suite(load_suite(path), tmp_path / "out"))
    chats = [call.body["messages"][0]["content"] for call in server.asked("/chat/completions")]
    assert len(chats) == plan.requests
    assert plan.tokens_in == pytest.approx(sum(map(len, chats)) / 4, abs=len(chats))


def test_the_command_line_judges_by_labels(serve: Serve) -> None:
    server = serve(likes_four)
    spec = (
        "{type: decision, model: 'labels:hosted_vllm/judge-1', ask: predicate, "
        f"options: {{api_base: '{server.url}'}}}}"
    )
    words = ["score", "--judge", spec, "-q", "2 + 2?", "-r", "It is five.", "-r", "It is four."]
    done = deemster(*words, "--json")
    assert done.returncode == 0, done.stderr
    assert '"best":1' in done.stdout.replace(" ", "")
    refused = deemster(
        *words[:2], spec.replace("}}", ", labels: {predicate: ['Perhaps', 'No']}}}"), *words[3:]
    )
    assert "label 'Perhaps' is 2 tokens" in one_line(refused)


@pytest.mark.gpu
@pytest.mark.slow
def test_vllm_itself_gives_what_transformers_gives(tiny_model: Path, tmp_path: Path) -> None:
    pytest.importorskip("vllm")
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    DecisionFile(labels={"noul": ("a", "b")}).write(folder)
    questions = (POLITE, LONG)
    here = asyncio.run(decide(open_backend(f"hf:{folder}", device="cpu"), ask(*questions)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["vllm", "serve", str(folder), "--served-model-name", "judge-1", "--port", str(port)]
    small = ["--host", "127.0.0.1", "--dtype", "float32", "--enforce-eager", "--max-num-seqs", "16"]
    with subprocess.Popen([*command, *small, "--gpu-memory-utilization", "0.2"]) as server:
        try:
            backend = open_backend(
                "labels:hosted_vllm/judge-1", api_base=f"http://127.0.0.1:{port}/v1",
                scoring=True, labels={"predicate": ["a", "b"]}, retries=60, timeout=400,
            )  # fmt: skip
            there = asyncio.run(decide(backend, ask(*questions)))
        finally:
            server.terminate()
    for one, other in zip(here, there, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, rel=1e-3)
        assert one.label_mass == pytest.approx(other.label_mass, rel=1e-3)
