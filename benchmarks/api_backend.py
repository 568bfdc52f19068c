"""Votes per second and CPU per vote of the backend of models behind an API.

It is held against a bare aiohttp client. All clients send the same requests, as many at a time,
to the same server: an OpenAI-compatible one on loopback, in a process of its own, that answers
every request after the same latency. CPU is this process's alone, so the server's is not in it.
Rounds are interleaved, and the medians of the rounds are reported, because other work on the
machine comes and goes.

    python -m benchmarks.api_backend [--latency 0.2] [--concurrency 200] [--votes 800]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

QUERY = "word " * 600
REPLY = json.dumps({"critique": "reason " * 150, "scores": [8, 5]})
SCHEMA: dict[str, Any] = {
    "title": "Scores",
    "type": "object",
    "properties": {
        "critique": {"type": "string"},
        "scores": {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 10}},
    },
    "required": ["critique", "scores"],
    "additionalProperties": False,
}


Vote = Callable[[], Awaitable[int]]
"""Sends one request; returns the number of votes it gave."""


@contextmanager
def server(latency: float, text: str = REPLY) -> Iterator[str]:
    """URL of a server process that says this text after so many seconds."""
    command = [sys.executable, "-m", "deemster.testing", "--latency", str(latency), "--text", text]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()


def _body(n: int) -> dict[str, Any]:
    return {
        "model": "judge",
        "messages": [{"role": "user", "content": QUERY}],
        "temperature": 0.5,
        "max_tokens": 2048,
        **({"n": n} if n > 1 else {}),
    }


@asynccontextmanager
async def bare(url: str, n: int = 1) -> AsyncIterator[Vote]:
    """aiohttp alone: post, read the JSON, take the texts."""
    import aiohttp

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def vote() -> int:
            async with session.post(f"{url}/chat/completions", json=_body(n)) as response:
                reply = await response.json()
            return len([choice["message"]["content"] for choice in reply["choices"]])

        yield vote


@asynccontextmanager
async def as_they_come(url: str) -> AsyncIterator[Vote]:
    """instructor over litellm, as their documentation shows it."""
    import instructor
    import litellm
    from pydantic import BaseModel

    class Scores(BaseModel):
        critique: str
        scores: list[int]

    client = instructor.from_litellm(litellm.acompletion, mode=instructor.Mode.JSON_SCHEMA)

    async def vote() -> int:
        scores = await client.chat.completions.create(
            **(_body(1) | {"model": "openai/judge"}),
            response_model=Scores,
            api_base=url,
            api_key="key",
        )
        return 1 if scores.scores else 0

    yield vote


@asynccontextmanager
async def ours(
    url: str,
    concurrency: int,
    n: int = 1,
    schema: dict[str, Any] | None = None,
    litellm: bool = False,
) -> AsyncIterator[Vote]:
    """The backend, asking directly or through LiteLLM."""
    from deemster.backends.api import APIBackend
    from deemster.backends.base import Request
    from deemster.schemas import Completion, Sampling, as_query

    backend = APIBackend(
        "openai/judge", api_base=url, api_key="key", concurrency=concurrency, only_litellm=litellm
    )
    request = Request(messages=as_query(QUERY), sampling=Sampling(), n=n, json_schema=schema)

    async def vote() -> int:
        outcomes = await backend.generate(request)
        return sum(isinstance(outcome, Completion) for outcome in outcomes)

    yield vote
    await backend.aclose()


async def measure(
    vote: Vote, votes: int, per_request: int = 1, *, concurrency: int
) -> tuple[float, float]:
    """Votes per second, and CPU milliseconds per vote, of `votes` votes after a warm-up."""
    slots = asyncio.Semaphore(concurrency)

    async def one() -> int:
        async with slots:
            return await vote()

    await asyncio.gather(*(one() for _ in range(concurrency)))
    cpu, start = time.process_time(), time.perf_counter()
    got = sum(await asyncio.gather(*(one() for _ in range(votes // per_request))))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    if got != votes:
        raise RuntimeError(f"{got} of {votes} votes arrived")
    return votes / seconds, 1000 * cpu / votes


def main(
    latency: float = 0.2, concurrency: int = 200, votes: int = 800, rounds: int = 5
) -> dict[str, Any]:
    """Measure; rates are votes per second, `ratio` is the rate over that of the bare client."""
    clients: dict[str, tuple[Callable[[str], Any], int]] = {
        "bare aiohttp": (bare, 1),
        "deemster, text": (lambda url: ours(url, concurrency), 1),
        "deemster, schema": (lambda url: ours(url, concurrency, schema=SCHEMA), 1),
        "deemster, through LiteLLM": (lambda url: ours(url, concurrency, litellm=True), 1),
        "litellm + instructor as they come": (as_they_come, 1),
        "bare aiohttp, n=4": (lambda url: bare(url, 4), 4),
        "deemster, n=4": (lambda url: ours(url, concurrency, 4), 4),
    }
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in clients}

    async def once(client: Callable[[str], Any], url: str, per_request: int) -> tuple[float, float]:
        async with client(url) as vote:
            return await measure(vote, votes * per_request, per_request, concurrency=concurrency)

    with server(latency) as url:
        for _ in range(rounds):
            for name, (client, per_request) in clients.items():
                results[name].append(asyncio.run(once(client, url, per_request)))
    table: dict[str, Any] = {}
    for name, (_, per_request) in clients.items():
        rate = statistics.median(rate for rate, _ in results[name])
        base = "bare aiohttp" if per_request == 1 else f"bare aiohttp, n={per_request}"
        ratios = [
            rate / other for (rate, _), (other, _) in zip(results[name], results[base], strict=True)
        ]
        table[name] = {
            "votes_per_s": round(rate, 1),
            "cpu_ms_per_vote": round(statistics.median(cpu for _, cpu in results[name]), 3),
            "ratio": round(statistics.median(ratios), 3),
        }
    setting = {"latency_s": latency, "concurrency": concurrency, "votes": votes, "rounds": rounds}
    return {"setting": setting, "clients": table}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--concurrency", type=int, default=200)
    parser.add_argument("--votes", type=int, default=800)
    parser.add_argument("--rounds", type=int, default=5)
    print(json.dumps(main(**vars(parser.parse_args())), indent=2))
