"""Many callers at a server that is slow to forgive: its limit is found, and nothing is lost.

Each runs in a small size here, with limits that a loaded machine meets, and in full as `slow`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from deemster.backends import Outcome, Request, generate_all
from deemster.backends.api import APIBackend
from deemster.schemas import Completion, Sampling, Usage, as_query
from deemster.testing import TRANSIENT, Fault, OpenAIServer, random_faults

ServerFactory = Callable[..., OpenAIServer]
EVERYTHING: tuple[Fault, ...] = (*TRANSIENT, "slow-loris", "hang")


def backend(server: OpenAIServer, **options: Any) -> APIBackend:
    return APIBackend("openai/judge", api_base=server.url, api_key="sk-test-0123456", **options)


async def ask(judge: APIBackend, item: int) -> Outcome:
    request = Request(messages=as_query(f"item {item}"), sampling=Sampling())
    (outcome,) = await generate_all(judge, request)
    return outcome


def assert_ledger(usage: Usage, server: OpenAIServer) -> None:
    """The same tokens; a request on a connection that the server just cut is ours alone."""
    ledger = server.ledger
    assert (usage.tokens_in, usage.tokens_out) == (ledger.tokens_in, ledger.tokens_out)
    assert ledger.hits <= usage.calls <= 1.01 * ledger.hits + 1


@pytest.mark.parametrize(
    ("seconds", "share", "refused"),
    [
        pytest.param(7.0, 0.7, 0.1, id="short"),
        pytest.param(30.0, 0.9, 0.02, id="long", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("retry_after", [0.05, 1.0])
async def test_storm(
    openai_server: ServerFactory, retry_after: float, seconds: float, share: float, refused: float
) -> None:
    server = openai_server(rps=20, retry_after=retry_after, latency=0.05)
    judge = backend(server, concurrency=64)
    outcomes: list[Outcome] = []
    start = time.monotonic()

    async def worker(number: int) -> None:
        while time.monotonic() - start < seconds:
            outcomes.append(await ask(judge, number))

    await asyncio.gather(*(worker(number) for number in range(64)))
    ledger, took = server.ledger, time.monotonic() - start
    assert [str(one) for one in outcomes if not isinstance(one, Completion)] == []
    assert ledger.answered == len(outcomes)
    assert ledger.answered >= share * 20 * took
    late = [fault for hit, fault in ledger.faulty if ledger.times[hit] - start > 5]
    after = sum(hit - start > 5 for hit in ledger.times)
    assert len(late) <= refused * after
    assert_ledger(judge.spent, server)
    await judge.aclose()


@pytest.mark.parametrize(
    ("n", "limit"),
    [
        pytest.param(200, 2.0, id="few"),
        pytest.param(2000, None, id="many", marks=pytest.mark.slow),  # the limit is learned
    ],
)
async def test_servers_that_hang_lose_nothing(
    openai_server: ServerFactory, n: int, limit: float | None
) -> None:
    server = openai_server(faults=random_faults(0.1, ["hang"], seed=3), latency=0.01)
    judge = backend(server, timeout=40.0, attempt_timeout=limit, retries=8)
    outcomes = await asyncio.gather(*(ask(judge, i) for i in range(n)))
    assert [str(one) for one in outcomes if not isinstance(one, Completion)] == []
    assert_ledger(judge.spent, server)
    await judge.aclose()


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("n", "timeout"),
    [
        pytest.param(150, 12.0, id="few"),
        pytest.param(10_000, 60.0, id="many", marks=pytest.mark.slow),
    ],
)
async def test_every_fault_at_once(
    openai_server: ServerFactory,
    n: int,
    timeout: float,  # noqa: ASYNC109 - of the backend
) -> None:
    """Every judgment is accounted for once, none is wrong, and no token is lost or invented."""
    server = openai_server(
        faults=random_faults(0.3, EVERYTHING, seed=1), retry_after=0.02, keep_calls=False
    )
    judge = backend(server, retries=8, timeout=timeout, attempt_timeout=2.0)
    outcomes = await asyncio.gather(*(ask(judge, i) for i in range(n)))
    texts = [o.text if isinstance(o, Completion) else None for o in outcomes]
    wrong = [i for i, text in enumerate(texts) if text not in {None, f"reply 0 to item {i}"}]
    assert wrong == []
    assert texts.count(None) <= 0.001 * n
    assert server.ledger.hits <= 1.5 * n  # 1 / (1 - 0.3) = 1.43 expected
    assert_ledger(Usage.total(outcome.usage or Usage() for outcome in outcomes), server)
    assert_ledger(judge.spent, server)
    await judge.aclose()
