"""Reward models and meta RMs behind vLLM's and TEI's endpoints, over real HTTP."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest
from tests.support.classify_server import ClassifyServer

from deemster import Judge, ScalarRM
from deemster.backends import CLASSIFY_SCHEMES, Budget, FakeBackend, open_backend
from deemster.backends._api.classify_wire import WIRES
from deemster.errors import InputError, UnusableModelError
from deemster.judges import BaseJudge, PairRM, open_meta_rm
from deemster.judges.building import Site
from deemster.judges.classifier import numbered_text, sigmoid
from deemster.judges.grm import GrmSpec
from deemster.judges.scalar_rm import ScalarSpec
from deemster.schemas import Verdict, as_query, as_responses
from deemster.suites.building import build_judges
from deemster.suites.loading import load_suite
from deemster.suites.planning import plan_suite
from deemster.testing import TRANSIENT, Fault, OpenAIServer, Raw, first_faults

QUERY = "What is 2 + 2?"
RESPONSES = ("It is 4.", "It is five, or so, or so, or so.")
CHAT = [{"role": "system", "content": "Be short."}, {"role": "user", "content": QUERY}]

Serve = Callable[..., ClassifyServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(ClassifyServer(*args, **options))


async def score(judge: BaseJudge, query: Any = QUERY) -> Verdict:
    async with judge:
        return await judge.score(query, RESPONSES)


def test_every_scheme_has_an_endpoint() -> None:
    assert set(CLASSIFY_SCHEMES) == set(WIRES)


@pytest.mark.parametrize(
    ("scheme", "options", "read"),
    [
        ("vllm-classify", {}, "user: {q}\nassistant: {r}"),
        ("vllm-classify", {"layout": "text"}, "User: {q}\n\nAssistant: {r}"),
        ("vllm-pooling", {}, "user: {q}\nassistant: {r}"),
        ("vllm-score", {}, "{q}\n{r}"),
        ("tei-predict", {}, "User: {q}\n\nAssistant: {r}"),
        ("tei-predict", {"layout": "pair"}, "{q}\n{r}"),
    ],
)
async def test_the_reward_is_the_servers_raw_output(
    serve: Serve, scheme: str, options: dict[str, Any], read: str
) -> None:
    server = serve()
    verdict = await score(ScalarRM(f"{scheme}:{server.root}", **options))
    texts = [read.format(q=QUERY, r=response) for response in RESPONSES]
    assert verdict.rewards == pytest.approx([len(text) / 10 for text in texts])
    assert sorted(server.texts()) == sorted(texts)
    (vote,) = verdict.judgments
    assert vote.usage.calls == 2
    assert vote.usage.tokens_in == server.ledger.tokens_in


@pytest.mark.parametrize(("url", "model"), [("{0}/v1", None), ("{0}/v1/#rm-1", "rm-1")])
async def test_the_url_may_have_v1_and_a_name_of_the_model(
    serve: Serve, url: str, model: str | None
) -> None:
    server = serve()
    judge = ScalarRM("vllm-classify:" + url.format(server.root))
    assert (await score(judge)).rewards is not None
    assert server.ledger.calls[0].body.get("model") == model
    assert server.ledger.calls[0].url == "/classify"


async def test_rewards_per_token_give_the_last_one(serve: Serve) -> None:
    server = serve(per_token=True)
    verdict = await score(ScalarRM(f"vllm-pooling:{server.root}"))
    assert verdict.rewards == pytest.approx(
        [len(text) / 10 for text in sorted(server.texts(), key=len)]
    )


@pytest.mark.parametrize(
    ("scheme", "labels", "reduction", "expected"),
    [
        ("vllm-classify", None, "1", 2.0),
        ("vllm-classify", None, "0=0.5,2=-1", 0.5 * 1 - 4),
        ("vllm-classify", None, "mean", 7 / 3),
        ("vllm-pooling", None, "2", 4.0),
        ("tei-predict", None, "2", 4.0),  # LABEL_2, though TEI sorts
        ("tei-predict", None, "LABEL_1", 2.0),
        ("tei-predict", ("bad", "fair", "good"), "good=1,bad=-1", 3.0),
    ],
)
async def test_several_outputs_are_reduced_as_declared(
    serve: Serve, scheme: str, labels: Any, reduction: str, expected: float
) -> None:
    server = serve(lambda _text: [1.0, 2.0, 4.0], labels=labels)
    verdict = await score(ScalarRM(f"{scheme}:{server.root}", reduction=reduction))
    assert verdict.rewards == pytest.approx([expected] * 2)
    assert f"reduction={reduction}" in verdict.judge.model


async def test_the_expected_number_is_under_the_softmax(serve: Serve) -> None:
    server = serve(lambda _text: [0.0, 1000.0, 1000.0 + math.log(3)])
    verdict = await score(ScalarRM(f"vllm-classify:{server.root}", reduction="expected"))
    assert verdict.rewards == pytest.approx([(1 + 2 * 3) / 4] * 2)


@pytest.mark.parametrize(
    ("scheme", "reduction", "labels", "message"),
    [
        ("vllm-classify", None, None, "has 3 outputs, and one number is needed"),
        ("vllm-classify", "good", None, "which the server does not name: give numbers from 0"),
        ("vllm-classify", "3", None, "has no output '3'"),
        ("tei-predict", "1", ("bad", "fair", "good"), "it has 3: good, fair, bad"),
        ("tei-predict", "expected", ("bad", "fair", "good"), "needs the order of the outputs"),
    ],
)
async def test_outputs_that_are_not_declared_are_refused(
    serve: Serve, scheme: str, reduction: str | None, labels: Any, message: str
) -> None:
    server = serve(lambda _text: [1.0, 2.0, 4.0], labels=labels)
    with pytest.raises(InputError, match=message):
        await score(ScalarRM(f"{scheme}:{server.root}", reduction=reduction))


@pytest.mark.parametrize("fault", TRANSIENT)
async def test_faults_that_pass_are_retried(serve: Serve, fault: Fault) -> None:
    server = serve(faults=first_faults(fault), retry_after=0.01)
    verdict = await score(ScalarRM(f"vllm-classify:{server.root}", concurrency=1))
    assert verdict.rewards is not None
    assert server.ledger.hits == 3
    assert verdict.usage.calls == 3


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("500", "api_error"),
        ("429", "timeout"),
        ("truncated", "api_error"),
        ("context", "api_error"),
    ],
)
async def test_faults_that_stay_are_failures_never_numbers(
    serve: Serve, fault: Fault, status: str
) -> None:
    server = serve(faults=lambda _call: fault)
    verdict = await score(ScalarRM(f"vllm-classify:{server.root}", retries=2, timeout=1.5))
    assert verdict.rewards is None
    (vote,) = verdict.failures
    assert vote.status == status
    assert vote.usage.calls == server.ledger.hits


def _in_data(**change: Any) -> Callable[[Any], Any]:
    return lambda reply: reply | {"data": [reply["data"][0] | change]}


def _without(name: str) -> Callable[[Any], Any]:
    return lambda reply: (
        reply | {"data": [{k: v for k, v in reply["data"][0].items() if k != name}]}
    )


@pytest.mark.parametrize(
    ("scheme", "tamper"),
    [
        pytest.param("vllm-classify", _in_data(probs=[math.nan]), id="nan"),
        pytest.param("vllm-classify", _in_data(probs=[math.inf]), id="inf"),
        pytest.param("vllm-classify", _in_data(probs=["0.5"]), id="text"),
        pytest.param("vllm-classify", _in_data(probs=[True]), id="true"),
        pytest.param("vllm-classify", _in_data(probs=[None]), id="null"),
        pytest.param("vllm-classify", _in_data(probs=[]), id="empty"),
        pytest.param("vllm-classify", _in_data(num_classes=2), id="wrong-count"),
        pytest.param("vllm-classify", _without("probs"), id="no-probs"),
        pytest.param("vllm-classify", lambda r: r | {"data": r["data"] * 2}, id="two-results"),
        pytest.param("vllm-classify", lambda r: r | {"data": []}, id="no-results"),
        pytest.param("vllm-classify", lambda r: {"model": r["model"]}, id="no-data"),
        pytest.param("vllm-classify", lambda _r: [1.0], id="a-list"),
        pytest.param("vllm-pooling", _in_data(data="AACAPw=="), id="base64"),
        pytest.param("vllm-pooling", _in_data(data=[[1.0], [math.nan]]), id="nan-at-the-end"),
        pytest.param("vllm-pooling", _in_data(data=[[1.0], []]), id="empty-at-the-end"),
        pytest.param("vllm-score", _in_data(score=None), id="null-score"),
        pytest.param("tei-predict", lambda r: {"predictions": r}, id="an-object"),
        pytest.param("tei-predict", lambda r: r * 2, id="one-label-twice"),
        pytest.param("tei-predict", lambda r: [r, r], id="two-texts"),
        pytest.param("tei-predict", lambda r: [{"label": r[0]["label"]}], id="tei-no-score"),
    ],
)
async def test_malformed_answers_are_failures_never_numbers(
    serve: Serve, scheme: str, tamper: Callable[[Any], Any]
) -> None:
    server = serve(tamper=tamper)
    verdict = await score(ScalarRM(f"{scheme}:{server.root}", concurrency=1))
    assert verdict.rewards is None
    (vote,) = verdict.failures
    assert "the server's answer cannot be used" in vote.message
    assert server.ledger.hits == 2, "an answer that was paid for is not bought again"


class _Says(OpenAIServer):
    paths = ("classify",)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        # Keys of their own: one that was seen before is hidden everywhere.
        pytest.param("sk-echoed-0", b"[" * 100_000, id="nested without end"),
        pytest.param("sk-echoed-1", b"", id="nothing"),
        pytest.param("sk-echoed-2", b"who sent sk-echoed-2?", id="a key in a text"),
        pytest.param(
            "sk-echoed-3", {"data": [{"probs": "Bearer sk-echoed-3"}]}, id="a key in JSON"
        ),
    ],
)
async def test_what_is_no_answer_is_a_failure_that_shows_no_key(key: str, said: Any) -> None:
    with _Says(raw=lambda _: Raw(said)) as server:
        url = server.url.removesuffix("/v1")
        verdict = await score(ScalarRM(f"vllm-classify:{url}", api_key=key, retries=1))
    assert verdict.rewards is None
    assert verdict.failures
    assert key not in verdict.model_dump_json()


async def test_one_lost_response_loses_the_vote(serve: Serve) -> None:
    """Without one reward the responses cannot be compared; nothing is filled in."""
    server = serve(lambda text: [math.nan if "five" in text else 1.0])
    verdict = await score(ScalarRM(f"vllm-classify:{server.root}"))
    assert verdict.rewards is None
    assert not verdict.judgments


async def test_keys_budgets_and_hopeless_refusals(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTED_VLLM_API_KEY", "sk-test-0123456")
    server = serve(faults=lambda call: "401" if call.hit >= 2 else None)
    judge = ScalarRM(f"vllm-classify:{server.root}", budget=Budget(calls=7))
    async with judge:
        assert (await judge.score(QUERY, RESPONSES)).rewards is not None
        assert server.ledger.calls[0].headers["Authorization"] == "Bearer sk-test-0123456"
        for _ in range(2):
            verdict = await judge.score(QUERY, RESPONSES)
            assert "sk-test-0123456" not in verdict.model_dump_json()
        with pytest.raises(UnusableModelError, match="nothing more is sent"):
            await judge.score(QUERY, RESPONSES)
    assert server.ledger.hits <= 7


async def test_a_login_in_the_url_goes_along_and_is_shown_nowhere(serve: Serve) -> None:
    server = serve()
    url = server.root.replace("http://", "http://me:secret-word@")
    judge = ScalarRM(f"vllm-classify:{url}")
    verdict = await score(judge)
    assert server.ledger.calls[0].headers["Authorization"].startswith("Basic ")
    assert "secret-word" not in verdict.model_dump_json() + judge.name + judge.model


@pytest.mark.parametrize(
    ("system", "read"),
    [
        ("keep", f"system: Be short.\nuser: {QUERY}\nassistant: {RESPONSES[0]}"),
        ("merge", f"user: Be short.\n\n{QUERY}\nassistant: {RESPONSES[0]}"),
        ("empty", f"system: \nuser: Be short.\n\n{QUERY}\nassistant: {RESPONSES[0]}"),
    ],
)
async def test_system_turns_are_read_as_the_model_was_trained(
    serve: Serve, system: Any, read: str
) -> None:
    server = serve()
    await score(ScalarRM(f"vllm-classify:{server.root}", system=system), CHAT)
    assert read in server.texts()


async def test_pairs_are_compared_in_both_orders(serve: Serve) -> None:
    def first_is_longer(text: str) -> list[float]:
        one, two = text.partition("# Response 1\n")[2].split("\n# Response 2\n")
        return [(len(one) - len(two)) / 10]

    server = serve(first_is_longer)
    verdict = await score(PairRM(f"vllm-classify:{server.root}"))
    difference = (len(RESPONSES[0]) - len(RESPONSES[1])) / 10
    expected = sigmoid(2 * difference)
    assert verdict.rewards == pytest.approx([expected, 1 - expected])
    shown = numbered_text(as_query(QUERY), as_responses(RESPONSES))
    assert shown in server.texts()


async def test_a_meta_rm_on_another_machine_weighs_votes(serve: Serve) -> None:
    server = serve(lambda text: [3.0 if r"\boxed{9, 1}" in text else -3.0])
    replies = iter([r"Scores: \boxed{9, 1}", r"Scores: \boxed{2, 8}", r"Scores: \boxed{9, 1}"])
    judge = Judge(
        FakeBackend(lambda *_: next(replies)), k=3, orders="fixed",
        meta_rm=f"vllm-classify:{server.root}",
    )  # fmt: skip
    verdict = await score(judge)
    assert [vote.meta_reward for vote in verdict.judgments] == pytest.approx(
        [sigmoid(3), sigmoid(-3), sigmoid(3)]
    )
    assert verdict.best == 0
    assert verdict.judge.meta_rm == f"vllm-classify:{server.root}"
    assert verdict.usage.tokens_in >= server.ledger.tokens_in > 0


async def test_a_meta_rm_on_another_machine_is_asked_by_a_template(serve: Serve) -> None:
    """The turns go to the server, whose chat template puts them together."""
    server = serve(lambda text: [3.0 if r"\boxed{9, 1}" in text else -3.0])
    replies = iter([r"Scores: \boxed{2, 8}", r"Scores: \boxed{9, 1}"])
    judge = Judge(
        FakeBackend(lambda *_: next(replies)), k=2, orders="fixed",
        meta_rm=f"vllm-classify:{server.root}", meta_template="deepseek-grm",
    )  # fmt: skip
    verdict = await score(judge)
    assert [vote.meta_reward for vote in verdict.judgments] == pytest.approx(
        [sigmoid(-3), sigmoid(3)]
    )
    sent = [call.body["messages"] for call in server.ledger.calls]
    assert sorted(turns[1]["content"] for turns in sent) == sorted(
        [r"Scores: \boxed{2, 8}", r"Scores: \boxed{9, 1}"]
    )
    for user, assistant in sent:
        assert (user["role"], assistant["role"]) == ("user", "assistant")
        assert user["content"].startswith("Please score the responses.")
        assert "[The Begin of Response 2]\nIt is five" in user["content"]
    assert verdict.judge.meta_rm.startswith(f"vllm-classify:{server.root}:")


async def test_a_meta_rm_that_fails_gives_no_meta_reward(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(lambda _text: [math.nan])
    judge = Judge(
        FakeBackend(lambda *_: r"Scores: \boxed{9, 1}"), k=2,
        meta_rm=f"vllm-classify:{server.root}",
    )  # fmt: skip
    with caplog.at_level(logging.WARNING):
        verdict = await score(judge)
    assert [vote.meta_reward for vote in verdict.judgments] == [None, None]
    assert "it gets no meta reward" in caplog.text


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ScalarRM("vllm-classify:gpu-1:8000"), "has no URL; give for example"),
        (lambda: ScalarRM("vllm-classify:"), "has no URL"),
        (lambda: ScalarRM("tei-predict:http://h", layout="chat"), "allowed: text, pair"),
        (lambda: ScalarRM("vllm-classify:http://h", device="cpu"), "device is for models that run"),
        (lambda: ScalarRM("vllm-classify:http://h", retries=0), "retries must be a whole number"),
        (lambda: ScalarRM("vllm-classify:http://h", colour=1), "does not take the option 'colour'"),
        (lambda: ScalarRM("hf:x", timeout=1), "option 'timeout' is for models behind HTTP"),
        (lambda: ScalarRM("hf:x", system=cast("Any", "drop")), "allowed: keep, merge, empty"),
        (lambda: ScalarRM("hf:x", reduction="a=b"), "'a=b' is not NAME=WEIGHT"),
        (lambda: ScalarRM("hf:x", reduction="a=1,a=2"), "names an output twice"),
        (lambda: ScalarRM("hf:x", reduction=" "), "names no output"),
        (lambda: ScalarRM("hf:o/x", remote_code="o/y"), "runs only if the repository is named"),
        (lambda: PairRM("vllm-score:http://h"), "allowed: pair"),
        (lambda: open_meta_rm("vllm-score:http://h"), "layout 'text' is not one of vllm-score"),
        (
            lambda: open_meta_rm("tei-predict:http://h", template="deepseek-grm"),
            "layout 'chat' is not one of tei-predict; allowed: text, pair",
        ),
        (lambda: open_backend("vllm-classify:http://h"), "use judge type scalar or pairwise"),
        (lambda: Judge("tei-predict:http://h"), "writes no text"),
    ],
)
def test_wrong_arguments(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


async def test_a_server_that_somebody_elses_file_names_gets_no_key(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTED_VLLM_API_KEY", "sk-test-0123456")
    server = serve()
    spec = ScalarSpec(model=f"vllm-classify:{server.root}")
    for trust, sent in ((False, None), (True, "Bearer sk-test-0123456")):
        await score(Site(trust=trust).judge(spec))
        assert server.ledger.calls[-1].headers.get("Authorization") == sent


def test_a_file_of_somebody_else_runs_no_code_and_names_no_server_of_a_meta_rm() -> None:
    site = Site(trust=False)
    with pytest.raises(InputError, match="lets the code of a repository run"):
        site.judge(ScalarSpec(model="hf:o/x", remote_code="o/x"))
    with pytest.raises(InputError, match="names a server; if that is meant"):
        site.judge(GrmSpec(model="nano", meta_rm="vllm-classify:http://gpu-1"))


@pytest.mark.parametrize("fields", [{"type": "scalar"}, {"type": "pairwise"}, {"type": "grm"}])
async def test_a_plan_counts_the_calls_before_they_are_made(
    serve: Serve, fields: dict[str, Any], tmp_path: Path
) -> None:
    server = serve()
    url = f"vllm-classify:{server.root}"
    if fields["type"] == "grm":
        fields = fields | {"model": r"fake:Scores: \boxed{9, 1}", "k": 3, "meta_rm": url}
    else:
        fields = fields | {"model": url}
    (tmp_path / "data.jsonl").write_text(
        json.dumps({"query": QUERY, "responses": RESPONSES, "ground_truth": [1, 0]})
    )
    (tmp_path / "s.yaml").write_text(
        json.dumps({"name": "s", "judges": [fields], "data": {"path": "data.jsonl"}})
    )
    suite = load_suite(tmp_path / "s.yaml", trust=True)
    (plan,) = plan_suite(suite)
    assert server.ledger.hits == 0
    async with build_judges(suite.spec, folder=tmp_path, trust=True) as built:
        verdict = await built.judges[0].score(QUERY, RESPONSES)
    assert plan.votes == len(verdict.votes)
    own = 2 if fields["type"] == "grm" else 0  # of the judge's own model, one per order
    assert plan.requests - own == server.ledger.hits


async def test_a_suite_describes_it(serve: Serve) -> None:
    server = serve()
    spec = ScalarSpec.model_validate(
        json.loads(json.dumps({"model": f"vllm-score:{server.root}", "options": {"timeout": 5}}))
    )
    verdict = await score(Site(budget=Budget(calls=2)).judge(spec))
    assert verdict.rewards is not None
