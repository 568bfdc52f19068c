"""R1 to R4 and R19: a server that fails, refuses, hangs and counts."""

from __future__ import annotations

import asyncio
import hashlib
import statistics
import time
from typing import Any
from unittest import mock

from benchmarks.reliability.processes import descriptors, server_process
from benchmarks.reliability.record import Run
from deemster import Judge
from deemster.backends import Budget, Outcome, Request, generate_all
from deemster.backends.api import APIBackend
from deemster.judges import score_many
from deemster.schemas import Completion, Sample, Sampling, Usage, as_query
from deemster.testing import TRANSIENT, Call, Fault, OpenAIServer, first_faults, random_faults

EVERYTHING: tuple[Fault, ...] = (*TRANSIENT, "slow-loris", "hang")
PERMANENT: tuple[Fault, ...] = ("401", "400", "404", "402", "context", "blocked")


def scores_for(item: str) -> tuple[int, int]:
    """The verdict that the server gives on an item."""
    digest = hashlib.sha256(item.encode()).digest()
    return digest[0] % 10 + 1, digest[1] % 10 + 1


def verdict(call: Call, _choice: int) -> str:
    """What the server says: the item's number stands in the query."""
    item = call.query.split("item-")[1].split()[0]
    first, second = scores_for(item)
    return f"Analysis:\n- Response 1: so\n- Response 2: so\n\nScores: \\boxed{{{first}, {second}}}"


def samples(n: int) -> list[Sample]:
    """Items with two responses each."""
    return [
        Sample(id=str(i), query=f"Judge item-{i} please.", responses=("one", "two"))
        for i in range(n)
    ]


async def judged(
    url: str,
    n: int,
    **options: Any,  # noqa: ANN401 - of the backend
) -> tuple[dict[str, int], Usage]:
    """Judge n items at a server: how each ended, and what was spent by our own account."""
    judge = Judge("openai/any", k=1, orders="fixed", api_base=url, api_key="none", **options)
    seen: set[str] = set()
    ended = {"scored": 0, "unscored": 0, "wrong": 0, "twice": 0, "failed with a number": 0}
    spent = []
    async for sample, result in score_many(judge, samples(n), in_flight=64):
        ended["twice"] += sample.id in seen
        seen.add(sample.id)
        spent.append(result.usage)
        if result.rewards is None:
            ended["unscored"] += 1
            ended["failed with a number"] += any(vote.kind == "judgment" for vote in result.votes)
            continue
        ended["scored"] += 1
        ended["wrong"] += result.rewards != tuple(map(float, scores_for(sample.id)))
    ended["missing"] = n - len(seen)
    await judge.aclose()
    return ended, Usage.total(spent)


def faulty_server(run: Run) -> None:
    """30 % of all requests fail, in every way."""
    n = run.count("judgments", 10_000)
    faults = random_faults(0.3, EVERYTHING, seed=1)
    with OpenAIServer(verdict, faults=faults, retry_after=0.02, keep_calls=False) as server:
        options = {"retries": 8, "timeout": 60.0, "attempt_timeout": 2.0}
        ended, usage = asyncio.run(judged(server.url, n, **options))
        ledger = server.ledger
    run.zero("items without a verdict, or with two", ended["missing"] + ended["twice"])
    run.share("scored", ended["scored"], n, 99.95)
    run.zero("wrong scores, against the server's ledger", ended["wrong"])
    run.zero("failures that became a number", ended["failed with a number"])
    run.most("server hits per item", ledger.hits / n, 1.5)
    same_tokens(run, usage, server)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(ledger.faults.items()))
    run.notes.append(f"Faults by the ledger: {kinds}.")


def same_tokens(run: Run, usage: Usage, server: OpenAIServer) -> None:
    """Note whether our account is the server's."""
    ours, theirs = usage.tokens_in + usage.tokens_out, server.ledger
    run.check(
        "tokens by our account, and by the server's ledger",
        f"{ours:,} and {theirs.tokens_in + theirs.tokens_out:,}",
        "equal",
        met=(usage.tokens_in, usage.tokens_out) == (theirs.tokens_in, theirs.tokens_out),
    )


def amplification(run: Run) -> None:
    """How often the server is asked for one judgment."""
    n = run.count("judgments", 5_000)
    for rate, limit in ((0.0, 1.0), (0.3, 1.5)):
        faults = random_faults(rate, TRANSIENT, seed=2)
        with OpenAIServer(verdict, faults=faults, retry_after=0.02, keep_calls=False) as server:
            asyncio.run(judged(server.url, n, retries=8, timeout=60.0))
        run.most(f"hits per judgment at {rate:.0%} faults", server.ledger.hits / n, limit)
    calls = run.count("calls refused for good", 60, least=len(PERMANENT))
    hits = 0
    for number in range(calls):
        kind = PERMANENT[number % len(PERMANENT)]
        with OpenAIServer(verdict, faults=lambda _, kind=kind: kind) as server:  # type: ignore[misc]
            asyncio.run(judged(server.url, 1, retries=8))
        hits += server.ledger.hits
    run.check("hits per call refused for good", f"{hits / calls:g}", "1", met=hits == calls)
    run.notes.append(f"Refused for good: {', '.join(PERMANENT)}.")


def backend(url: str, **options: Any) -> APIBackend:  # noqa: ANN401 - its own
    """The backend of models behind an API, without a judge around it."""
    return APIBackend("openai/any", api_base=url, api_key="none", **options)


async def ask(judge: APIBackend, item: str) -> Outcome:
    """One completion or error."""
    request = Request(messages=as_query(f"item-{item} "), sampling=Sampling())
    (outcome,) = await generate_all(judge, request)
    return outcome


def deadlines(run: Run) -> None:
    """Servers that never answer, or byte by byte, and a clock that is set back."""
    n = run.count("calls", 1_000)
    with server_process("--faults", "1", "--kinds", "hang", "slow-loris", "--seed", "3") as url:
        for name, back in (("", 0.0), (", wall clock set back an hour meanwhile", 3600.0)):
            took, ended, tasks, files = asyncio.run(_hanging(url, n if not back else n // 10, back))
            run.check(f"calls that ended with a number{name}", f"{ended:,}", "0", met=ended == 0)
            run.most(f"longest call at a deadline of 2 s{name}", took, 2.5, " s")
            run.zero(f"tasks left{name}", tasks)
            run.zero(f"files and sockets left{name}", max(0, files))


async def _hanging(url: str, n: int, back: float) -> tuple[float, int, int, int]:
    """Longest call, completions, tasks and descriptors left after n calls, 100 at a time."""
    judge = backend(url, timeout=2.0, concurrency=100)
    await ask(judge, "first")  # imports are not part of a deadline
    await judge.aclose()
    tasks, files = asyncio.all_tasks(), descriptors()
    free, took, ended = asyncio.Semaphore(100), [0.0], 0
    real = time.time

    async def one(number: int) -> None:
        nonlocal ended
        async with free:
            start = time.monotonic()
            outcome = await ask(judge, str(number))
            took.append(time.monotonic() - start)
            ended += isinstance(outcome, Completion)

    start = time.monotonic()

    def set_back() -> float:
        return real() - back * (time.monotonic() > start + 1)

    with mock.patch("time.time", new=set_back):
        await asyncio.gather(*(one(number) for number in range(n)))
    await judge.aclose()
    await asyncio.sleep(0.2)
    return max(took), ended, len(asyncio.all_tasks() - tasks), descriptors() - files


def storm(run: Run) -> None:
    """64 workers at a server that allows 20 requests a second."""
    seconds = run.count("seconds", 60, least=8)
    with OpenAIServer(rps=20, retry_after=1.0, latency=0.05) as server:
        waits, took, start = asyncio.run(_storm(server.url, seconds))
    ledger = server.ledger
    late = [hit for hit, _ in ledger.faulty if ledger.times[hit] - start > 5]
    after = sum(hit - start > 5 for hit in ledger.times)
    run.most("refused with 429 after 5 s", 100 * len(late) / max(1, after), 1, " %")
    run.least("share of the allowed rate", 100 * ledger.answered / (20 * took), 95, " %")
    run.zero("failed", sum(wait is None for wait in waits))
    waited = [wait for wait in waits if wait is not None]
    run.most("longest wait ÷ median wait", max(waited) / statistics.median(waited), 3)
    run.notes.append(f"{ledger.hits:,} requests, {len(late)} of {after:,} refused after 5 s.")


async def _storm(url: str, seconds: float) -> tuple[list[float | None], float, float]:
    judge = backend(url, concurrency=64)
    waits: list[float | None] = []
    start = time.monotonic()

    async def worker(number: int) -> None:
        while time.monotonic() - start < seconds:
            asked = time.monotonic()
            outcome = await ask(judge, str(number))
            fine = isinstance(outcome, Completion)
            waits.append(time.monotonic() - asked if fine else None)

    await asyncio.gather(*(worker(number) for number in range(64)))
    took = time.monotonic() - start
    await judge.aclose()
    return waits, took, start


def accounts(run: Run) -> None:
    """Tokens against the ledger, failed attempts included; budgets."""
    n = run.count("judgments", 2_000)
    faults = random_faults(0.3, (*TRANSIENT, *PERMANENT), seed=19)
    with OpenAIServer(verdict, faults=faults, retry_after=0.02, keep_calls=False) as server:
        _, usage = asyncio.run(judged(server.url, n, retries=8, timeout=60.0))
    same_tokens(run, usage, server)
    budgets = run.count("budgets", 30, least=3)
    over = 0.0
    for number in range(budgets):
        kind, limit = (("tokens", 500), ("calls", 25), ("tokens", 1234))[number % 3]
        budget = Budget(**{kind: limit})
        with OpenAIServer(verdict, latency=0.01, faults=first_faults("500", "empty")) as server:
            asyncio.run(_spend(server.url, budget))
        spent = budget.spent
        used = spent.calls if kind == "calls" else spent.tokens_in + spent.tokens_out
        each = used / max(1, server.ledger.answered)
        over = max(over, (used - limit) / each)
    run.most("calls beyond a budget, 8 at a time", over, 8)


async def _spend(url: str, budget: Budget) -> None:
    judge = backend(url, concurrency=8, budget=budget)
    await asyncio.gather(*(ask(judge, str(number)) for number in range(120)))
    await judge.aclose()
