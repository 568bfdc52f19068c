"""Servers that answer with what no server should: a failure, at once, and nothing else is harmed."""

# ruff: noqa: E501 - a table of answers is easier to read in long lines

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from typing import Any

import pytest

from deemster import Judge
from deemster.backends import open_backend
from deemster.backends._api.faults import Fault
from deemster.schemas import Failure
from deemster.testing import OpenAIServer, Raw

ServerFactory = Callable[..., OpenAIServer]
MiB = 2**20
GZIP = {"Content-Encoding": "gzip"}


def judge_of(server: OpenAIServer, *, retries: int) -> Judge:
    backend = open_backend(
        "openai/j", api_base=server.url, api_key="sk-12345678", retries=retries, timeout=30.0
    )
    return Judge(backend, dialect="grm", k=1)


async def judged(server: OpenAIServer) -> Failure:
    async with judge_of(server, retries=1) as judge:
        verdict = await judge.score("q", ["a", "b"])
    (vote,) = verdict.votes
    assert isinstance(vote, Failure)
    assert verdict.rewards is None
    assert type(verdict).model_validate_json(verdict.model_dump_json()) == verdict
    return vote


def error(message: object, **more: object) -> dict[str, Any]:
    return {"error": {"message": message, **more}}


def nested(depth: int) -> bytes:
    return b'{"error": {"message": ' + b"[" * depth + b"]" * depth + b"}}"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        pytest.param(Raw(error("http://x" + "?key" * MiB), 400), "HTTP 400: http://x", id="redaction"),
        pytest.param(Raw(error("no", code="exceed" * MiB), 400), "HTTP 400: no", id="long-code"),
        pytest.param(Raw(error("no", code="²"), 400), "HTTP 400: no", id="digit-of-a-code"),
        pytest.param(Raw(error("no", code="²"), 200), "HTTP 502: no", id="digit-of-a-status"),
        pytest.param(Raw(nested(900), 400), "HTTP 400: {", id="deep"),
        pytest.param(Raw(b'{"detail":' + b"[" * 10**5, 422), "HTTP 422: {", id="deeper"),
        pytest.param(Raw(error("half \ud83d an emoji"), 400), "half \ufffd an", id="surrogate"),
        pytest.param(Raw(gzip.compress(b" " * (65 * MiB), 1), 200, GZIP), "larger than 64 MiB", id="bomb"),
        pytest.param(Raw(gzip.compress(b" " * (65 * MiB), 1), 400, GZIP), "larger than 64 MiB", id="bomb-of-an-error"),
    ],
)  # fmt: skip
async def test_it_is_a_failure_at_once(openai_server: ServerFactory, raw: Raw, said: str) -> None:
    server = openai_server(raw=lambda _: raw)
    start = time.process_time()
    vote = await judged(server)
    assert said in vote.message
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"detail": "Model is still loading"}, "has no choice: Model is still loading"),
        ({"message": "no such\nroute", "code": 7}, "has no choice: no such route"),
        ({"detail": [{"loc": ["body", "n"], "msg": "too many"}]}, "has no choice: body.n: too many"),
        ({"status": "queued", "choices": None}, 'has no choice: {"status": "queued"}'),
        ({"choices": []}, 'has no choice: {"choices": []}'),
        ({"detail": "wrong key sk-12345678"}, "has no choice: wrong key ***"),
        ({"detail": "wrong key sk-abcdefgh"}, "has no choice: wrong key sk-***"),
        ({"detail": "x" * MiB}, f"has no choice: {'x' * 300}"),
        ({"detail": "x " * 147 + "sk-12345678"}, f"has no choice: {'x ' * 147}***"),
        ({"detail": "x " * 147 + "sk-abcdefgh"}, f"has no choice: {'x ' * 147}sk-***"),
    ],
)  # fmt: skip
async def test_what_a_server_says_in_place_of_choices_is_shown(
    openai_server: ServerFactory, body: dict[str, Any], said: str
) -> None:
    vote = await judged(openai_server(raw=lambda _: Raw(body)))
    assert vote.message.endswith(said)


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "1e300"},
        {"Retry-After": "inf"},
        {"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"},
        {"Retry-After-Ms": "1e400"},
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "9" * 5000 + "h"},
    ],
    ids=["seconds", "infinite", "date", "milliseconds", "reset"],
)
def test_nobody_is_made_to_wait_for_ever(headers: dict[str, str]) -> None:
    """All who share the key wait as long as a server asks."""
    assert Fault.read(429, {"error": {"message": "slow down"}}, headers).retry_after is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({"Retry-After": "2"}, 2.0, id="seconds"),
        pytest.param({"Retry-After": " 1.5 "}, 1.5, id="fraction"),
        pytest.param({"Retry-After": "2s"}, 2.0, id="unit"),
        pytest.param({"Retry-After": "1m30s"}, 90.0, id="units"),
        pytest.param({"Retry-After": "250ms"}, 0.25, id="small-unit"),
        pytest.param({"Retry-After": "see page 5 more"}, None, id="words"),
        pytest.param({"Retry-After": "1, 2"}, None, id="two"),
        pytest.param({"Retry-After": "0"}, None, id="none-at-all"),
        pytest.param({"Retry-After": "-3"}, None, id="negative"),
        pytest.param({"Retry-After": "Mon, 01 Jan 2024 00:00:00 GMT"}, None, id="passed"),
        pytest.param({"Retry-After": f"Mon, 01 Jan 2024 00:00:00 +{'9' * 30}"}, None, id="zone"),
        pytest.param({"Retry-After-Ms": "250"}, 0.25, id="milliseconds"),
        pytest.param({"Retry-After-Ms": "soon", "Retry-After": "2"}, 2.0, id="second-header"),
        pytest.param({"Retry-After-Ms": "0", "Retry-After": "2"}, 2.0, id="first-says-nothing"),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_how_long_to_wait(status: int, headers: dict[str, str], seconds: float | None) -> None:
    assert Fault.read(status, {"error": "busy"}, headers).retry_after == seconds


def test_words_are_read_where_the_header_says_nothing() -> None:
    busy = {"error": {"message": "Please try again in 3s."}}
    assert Fault.read(429, busy, {"Retry-After": "0"}).retry_after == 3.0


async def test_no_time_to_wait_is_no_reason_to_hurry(openai_server: ServerFactory) -> None:
    busy = Raw(error("busy"), 503, {"Retry-After": "0"})
    server = openai_server(raw=lambda _: busy)
    async with judge_of(server, retries=4) as judge:
        await judge.score("q", ["a", "b"])
    first, second, third, fourth = server.ledger.times
    assert second - first >= 0.12
    assert third - second >= 0.24
    assert fourth - third >= 0.48


def test_a_day_is_believed() -> None:
    assert Fault.read(429, {}, {"Retry-After": "86400"}).retry_after == 86_400
