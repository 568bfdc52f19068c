from __future__ import annotations

import asyncio
import statistics
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest

from deemster.backends.gate import Gate
from deemster.backends.limits import Budget, check_limits, with_retries
from deemster.errors import BackendError, BackendTimeout, InputError, OverBudgetError
from deemster.schemas import Usage


async def retried(
    attempt: Callable[[], Awaitable[str]],
    *,
    attempts: int = 3,
    timeout: float = 5.0,  # noqa: ASYNC109
) -> str:
    return await with_retries(attempt, gate=Gate(4, None), attempts=attempts, timeout=timeout)


class Scripted:
    """Raises the errors in turn, then answers."""

    def __init__(self, *errors: BackendError) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


async def test_retryable_errors_are_tried_again() -> None:
    attempt = Scripted(*[BackendError("busy", retryable=True)] * 2)
    assert await retried(attempt) == "answer"
    assert attempt.calls == 3


async def test_attempts_are_limited_and_the_last_error_is_raised() -> None:
    attempt = Scripted(*[BackendError(f"busy {i}", retryable=True) for i in range(9)])
    with pytest.raises(BackendError, match="busy 2"):
        await retried(attempt, attempts=3)
    assert attempt.calls == 3


async def test_permanent_errors_are_tried_once() -> None:
    attempt = Scripted(BackendError("wrong key"))
    with pytest.raises(BackendError, match="wrong key"):
        await retried(attempt)
    assert attempt.calls == 1


async def test_one_deadline_bounds_all_attempts() -> None:
    async def attempt() -> str:
        await asyncio.sleep(0.05)
        raise BackendError("busy", retryable=True)

    start = time.monotonic()
    with pytest.raises(BackendTimeout, match=r"no answer within 1 s; .*busy"):
        await retried(attempt, attempts=50, timeout=1)
    assert time.monotonic() - start < 5


async def test_the_deadline_ends_the_wait_for_a_place() -> None:
    gate = Gate(1, None)

    async def attempt() -> str:
        await asyncio.sleep(0.01)
        raise BackendError("busy", retryable=True, retry_after=0.0)

    first = asyncio.create_task(with_retries(attempt, gate=gate, attempts=3, timeout=1))
    other = asyncio.create_task(gate.enter(60))  # who never leaves
    async with asyncio.timeout(20):
        with pytest.raises(BackendTimeout, match="busy"):
            await first
    assert other.done()


async def test_an_attempt_that_takes_all_the_time_is_the_deadline() -> None:
    async def attempt() -> str:
        await asyncio.sleep(60)
        return "late"

    with pytest.raises(BackendTimeout, match=r"^no answer within 0\.05 s$"):
        await retried(attempt, attempts=1, timeout=0.05)


async def test_a_timeout_error_of_the_attempt_is_not_taken_for_the_deadline() -> None:
    async def attempt() -> str:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await retried(attempt)


async def test_time_in_the_queue_does_not_count_towards_the_deadline() -> None:
    gate = Gate(1, None)

    async def attempt() -> str:
        await asyncio.sleep(0.1)
        return "answer"

    calls = [with_retries(attempt, gate=gate, attempts=1, timeout=0.3) for _ in range(8)]
    assert await asyncio.gather(*calls) == ["answer"] * 8


async def test_who_tries_again_goes_before_those_who_have_not_tried() -> None:
    gate, order = Gate(1, None), list[str]()
    busy = [BackendError("busy", retryable=True, retry_after=0.0)]

    async def call(name: str) -> str:
        async def attempt() -> str:
            order.append(name)
            await asyncio.sleep(0)
            if name == "first" and busy:
                raise busy.pop()
            return name

        return await with_retries(attempt, gate=gate, attempts=2, timeout=5)

    await asyncio.gather(*map(call, ("first", "second", "third")))
    assert order == ["first", "second", "first", "third"]


async def test_retry_after_pauses_every_call() -> None:
    gate = Gate(8, None)
    busy = Scripted(BackendError("429", retryable=True, retry_after=0.4))
    start = time.monotonic()
    first = asyncio.create_task(with_retries(busy, gate=gate, attempts=3, timeout=5))
    await asyncio.sleep(0.05)
    other = Scripted()
    assert await with_retries(other, gate=gate, attempts=1, timeout=5) == "answer"
    assert time.monotonic() - start >= 0.4
    assert await first == "answer"


async def test_a_pause_past_the_deadline_is_not_waited_for() -> None:
    attempt = Scripted(BackendError("429", retryable=True, retry_after=3600))
    start = time.monotonic()
    with pytest.raises(BackendTimeout, match="past the deadline"):
        await retried(attempt, timeout=2)
    assert time.monotonic() - start < 5
    assert attempt.calls == 1


async def test_concurrency_is_limited() -> None:
    gate, running, most = Gate(3, None), 0, 0

    async def one() -> None:
        nonlocal running, most
        await gate.enter(5)
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        gate.leave()

    await asyncio.gather(*(one() for _ in range(20)))
    assert most == 3


@pytest.mark.parametrize("rate", [40.0, 200.0], ids=lambda rate: f"{rate:g}/s")
async def test_rate_is_kept_evenly_and_in_order(rate: float) -> None:
    gate, times, order = Gate(1000, rate), list[float](), list[int]()

    async def one(number: int) -> None:
        await gate.enter(5)
        times.append(time.monotonic())
        order.append(number)
        gate.leave()

    n = int(rate)
    await asyncio.gather(*(one(number) for number in range(n)))
    seconds = times[-1] - times[0]
    assert order == list(range(n))
    assert n / (seconds + 1 / rate) <= rate * 1.1
    assert n / (seconds + 1 / rate) >= rate * 0.7  # slack for a loaded machine
    gaps = [b - a for a, b in pairwise(times)]
    assert statistics.quantiles(gaps, n=50)[-1] < 0.25  # not a burst, then a silent second


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        pytest.param({"concurrency": 0}, "concurrency", id="no-concurrency"),
        pytest.param({"concurrency": True}, "concurrency", id="no-count"),
        pytest.param({"concurrency": 1.5}, "concurrency", id="half-a-call"),
        pytest.param({"rate": 0}, "rate", id="rate-0-would-wait-forever"),
        pytest.param({"rate": float("nan")}, "rate", id="rate-nan"),
        pytest.param({"timeout": 0}, "timeout", id="no-time"),
        pytest.param({"timeout": float("inf")}, "timeout", id="no-deadline"),
        pytest.param({"timeout": True}, "timeout", id="no-number"),
        pytest.param({"rate": "2"}, "rate", id="text"),
        pytest.param({"attempt_timeout": -1}, "attempt_timeout", id="attempt-without-time"),
        pytest.param({"retries": 0}, "retries", id="no-attempt"),
    ],
)
def test_impossible_limits_are_refused(changed: dict[str, object], match: str) -> None:
    limits: dict[str, object] = {"concurrency": 4, "rate": None, "timeout": 1.0, "retries": 2}
    with pytest.raises(InputError, match=match):
        check_limits(**{**limits, **changed})  # type: ignore[arg-type]  # wrong on purpose


def test_possible_limits_are_not() -> None:
    check_limits(concurrency=1, rate=None, timeout=1, retries=1)
    check_limits(concurrency=4, rate=0.5, timeout=1.5, retries=2, attempt_timeout=0.1)


@pytest.mark.parametrize("bad", [-1, float("nan"), float("inf"), "5", True, [1]])
@pytest.mark.parametrize("name", ["usd", "tokens", "calls"])
def test_impossible_budgets_are_refused(name: str, bad: Any) -> None:
    with pytest.raises(InputError, match=f"budget {name} must be a finite number >= 0"):
        Budget(**{name: bad})


def test_a_budget_of_nothing_is_spent() -> None:
    with pytest.raises(OverBudgetError, match=r"^budget of 0 calls is spent"):
        Budget(calls=0).admit()


def test_budget_of_calls_is_exact_between_threads() -> None:
    budget, admitted, lock = Budget(calls=100), 0, threading.Lock()

    def worker(_: int) -> None:
        nonlocal admitted
        for _ in range(50):
            try:
                budget.admit()
            except OverBudgetError:
                continue
            with lock:
                admitted += 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(worker, range(8)))
    assert admitted == 100
    assert budget.spent.calls == 100


@pytest.mark.parametrize(
    ("limit", "usage", "used"),
    [
        pytest.param({"tokens": 10}, Usage(tokens_in=6, tokens_out=4), "10 used", id="tokens"),
        pytest.param({"usd": 0.5}, Usage(cost=0.5), "0.500000 used", id="money"),
        pytest.param({"usd": 0.5}, Usage(cost=None), "an unknown amount used", id="money-unknown"),
    ],
)
def test_a_spent_budget_admits_nothing(limit: dict[str, Any], usage: Usage, used: str) -> None:
    budget = Budget(**limit)
    budget.admit()
    budget.charge(usage)
    with pytest.raises(OverBudgetError, match=rf"is spent \({used}\)"):
        budget.admit()
    assert budget.spent.calls == 1


@pytest.mark.parametrize(
    "limit", [{"tokens": 10}, {"tokens": 10, "calls": 5}, {"tokens": 10, "usd": 1}]
)
def test_tokens_that_nobody_reports_end_a_budget_in_tokens(limit: dict[str, Any]) -> None:
    budget = Budget(**limit)
    budget.admit()
    budget.charge(Usage(), tokens_known=False)
    budget.charge(Usage(tokens_in=1))
    with pytest.raises(OverBudgetError, match=r"an unknown number used.*budget in calls"):
        budget.admit()


@pytest.mark.parametrize("limit", [{}, {"calls": 2}, {"usd": 1}])
def test_they_end_no_other_budget(limit: dict[str, Any]) -> None:
    budget = Budget(**limit)
    budget.admit()
    budget.charge(Usage(), tokens_known=False)
    budget.admit()
