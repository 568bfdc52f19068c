"""Votes per second and CPU per vote of whole judges at a model behind an API.

Prompts, parsing, votes and verdicts are in it, everything but a run's store. The judges are held
against the bare aiohttp client and the backend alone, as in `benchmarks.api_backend`: the same
prompts, as many requests at a time, a server in a process of its own, interleaved rounds, medians,
CPU of this process alone. Every sample is another one, so that nothing is prepared once for all.

    python -m benchmarks.api_judges [--latencies 0.2 0.02] [--n 1 4 8] [--concurrency 200]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from typing import Any

from benchmarks.api_backend import server
from deemster.backends import Request
from deemster.backends.api import APIBackend
from deemster.judges import Judge
from deemster.judges.batch import score_many
from deemster.schemas import Completion, Sample, Sampling

PHRASE = "the answer names the rule and shows on an example how it is applied in practice "
TEXTS = {
    "grm": "Specific Criteria:\n1. Accuracy (Weight: 60%): whether what it says is so.\n"
    "2. Clarity (Weight: 40%): whether a reader can follow.\n\nAnalysis:\n"
    f"**Response 1:** {PHRASE * 4}\n\n**Response 2:** {PHRASE * 4}\n\n"
    "Scores: \\boxed{8, 5}",
    "json": json.dumps(
        {
            "principles": [
                {"name": "Accuracy", "description": "whether what it says is so", "weight": 60},
                {"name": "Clarity", "description": "whether a reader can follow", "weight": 40},
            ],
            "critiques": [
                {"text": PHRASE * 4, "scores": [8, 8]},
                {"text": PHRASE * 4, "scores": [5, 6]},
            ],
            "scores": [8, 5],
        }
    ),
}
"""What the server says, by the dialect."""

Client = Callable[[], AbstractAsyncContextManager[Callable[[int], Awaitable[int]]]]
"""Opens a client: a function that sends so many requests and returns the votes they gave."""
_NUMBERS = count()


def samples(number: int) -> Iterator[Sample]:
    """Samples that nobody has seen before: about 500 words each."""
    for _ in range(number):
        number = next(_NUMBERS)
        yield Sample(
            id=str(number),
            query=f"Question {number}: {PHRASE * 3}?",
            responses=tuple(f"{number} {side}: {PHRASE * 13}" for side in ("a", "b")),
        )


def _judge(url: str, dialect: str, concurrency: int, n: int) -> Judge:
    """A judge of 8 draws, or of `n` in each of both orders."""
    return Judge(
        "openai/judge",
        k=8 if n == 1 else 2 * n,
        dialect=dialect,
        api_base=url,
        api_key="key",
        concurrency=concurrency,
        n_mode="single" if n == 1 else "auto",
    )


def prompts(url: str, dialect: str, number: int) -> list[Request]:
    """As many requests as a judge sends, each with another prompt."""
    from deemster.judges.case import Case

    judge = _judge(url, dialect, 1, 1)
    cases = [Case.of(one.query, one.responses) for one in samples((number + 1) // 2)]
    return [request for case in cases for request, _, _ in judge.requests(case)][:number]


@asynccontextmanager
async def bare(
    url: str, requests: list[Request], concurrency: int, n: int
) -> AsyncIterator[Callable[[int], Awaitable[int]]]:
    """aiohttp alone, with prompts that are there already: post, read the JSON, take the texts."""
    import aiohttp

    bodies = [
        {
            "model": "judge",
            "messages": [message.to_openai() for message in request.messages],
            **request.sampling.to_openai(),
            "seed": 1,
            **({"n": n} if n > 1 else {}),
        }
        for request in requests
    ]
    slots = asyncio.Semaphore(concurrency)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one(body: dict[str, Any]) -> int:
            async with slots, session.post(f"{url}/chat/completions", json=body) as response:
                reply = await response.json()
            return len([choice["message"]["content"] for choice in reply["choices"]])

        async def send(number: int) -> int:
            return sum(await asyncio.gather(*map(one, bodies[:number])))

        yield send


@asynccontextmanager
async def backend_alone(
    url: str, requests: list[Request], concurrency: int, n: int
) -> AsyncIterator[Callable[[int], Awaitable[int]]]:
    """The backend, given requests that are made already."""
    backend = APIBackend("openai/judge", api_base=url, api_key="key", concurrency=concurrency)
    asked = [
        Request(messages=request.messages, sampling=Sampling(), n=n, seeds=tuple(range(n)))
        for request in requests
    ]

    slots = asyncio.Semaphore(concurrency)

    async def one(request: Request) -> int:
        async with slots:
            outcomes = await backend.generate(request)
        return sum(isinstance(outcome, Completion) for outcome in outcomes)

    async def send(number: int) -> int:
        return sum(await asyncio.gather(*map(one, asked[:number])))

    yield send
    await backend.aclose()


@asynccontextmanager
async def judged(
    url: str, dialect: str, concurrency: int, n: int
) -> AsyncIterator[Callable[[int], Awaitable[int]]]:
    """The judge, given samples."""
    judge = _judge(url, dialect, concurrency, n)
    per_sample = judge.k // n
    in_flight = 2 * concurrency // per_sample  # of samples: the backend keeps the number

    async def send(number: int) -> int:
        valid = 0
        async for _, verdict in score_many(
            judge, samples(number // per_sample), in_flight=in_flight
        ):
            valid += verdict.n_valid
        return valid

    yield send
    await judge.aclose()


async def measure(client: Client, requests: int, n: int, concurrency: int) -> tuple[float, float]:
    """Votes per second, and CPU milliseconds per vote, after a warm-up."""
    async with client() as send:
        await send(concurrency)
        cpu, start = time.process_time(), time.perf_counter()
        votes = await send(requests)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    if votes != requests * n:
        raise RuntimeError(f"{votes} of {requests * n} votes are valid")
    return votes / seconds, 1000 * cpu / votes


def _clients(
    urls: dict[str, str], requests: list[Request], concurrency: int, n: int
) -> dict[str, Client]:
    return {
        "bare aiohttp": lambda: bare(urls["grm"], requests, concurrency, n),
        "the backend alone": lambda: backend_alone(urls["grm"], requests, concurrency, n),
        "judge, `grm`": lambda: judged(urls["grm"], "grm", concurrency, n),
        "judge, `json`": lambda: judged(urls["json"], "json", concurrency, n),
    }


def _case(latency: float, n: int, concurrency: int, requests: int, rounds: int) -> dict[str, Any]:
    with server(latency, TEXTS["grm"]) as grm, server(latency, TEXTS["json"]) as with_schema:
        urls = {"grm": grm, "json": with_schema}
        clients = _clients(urls, prompts(grm, "grm", requests), concurrency, n)
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in clients}
        for _ in range(rounds):
            for name, client in clients.items():
                found[name].append(asyncio.run(measure(client, requests, n, concurrency)))
    base = found["bare aiohttp"]
    return {
        name: {
            "votes_per_s": round(statistics.median(rate for rate, _ in rates), 1),
            "cpu_ms_per_vote": round(statistics.median(cpu for _, cpu in rates), 3),
            "cpu_ms_range": [round(end(cpu for _, cpu in rates), 3) for end in (min, max)],
            "ratio": round(
                statistics.median(
                    rate / other for (rate, _), (other, _) in zip(rates, base, strict=True)
                ),
                3,
            ),
        }
        for name, rates in found.items()
    }


def main(
    latencies: tuple[float, ...] = (0.2, 0.02),
    n: tuple[int, ...] = (1, 4, 8),
    concurrency: int = 200,
    requests: int = 400,
    rounds: int = 5,
) -> dict[str, Any]:
    """Measure; `ratio` is the rate over that of the bare client with the same `n`."""
    return {
        "setting": {"concurrency": concurrency, "requests": requests, "rounds": rounds},
        "cases": [
            {
                "latency_s": latency,
                "n": each,
                "clients": _case(latency, each, concurrency, requests, rounds),
            }
            for latency in latencies
            for each in n
        ],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latencies", type=float, nargs="+", default=(0.2, 0.02))
    parser.add_argument("--n", type=int, nargs="+", default=(1, 4, 8))
    parser.add_argument("--concurrency", type=int, default=200)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    print(json.dumps(main(**vars(parser.parse_args())), indent=2))
