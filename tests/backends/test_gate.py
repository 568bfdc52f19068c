"""Who may start, and when: places, the order of waiting, and the provider's own limit."""

from __future__ import annotations

import asyncio
import time

import pytest

from deemster.backends.gate import Gate
from deemster.backends.limits import Patience, with_retries
from deemster.backends.pace import Pace, shared_pace
from deemster.errors import BackendError, BackendTimeout, RateLimitError


async def test_calls_tried_before_go_first() -> None:
    gate, order = Gate(1, None), list[str]()

    async def one(name: str, *, again: bool) -> None:
        await gate.enter(5, again=again)
        order.append(name)
        gate.leave()

    await gate.enter(5)
    waiting = [asyncio.create_task(one(f"new {i}", again=False)) for i in range(3)]
    await asyncio.sleep(0)
    waiting.append(asyncio.create_task(one("again", again=True)))
    await asyncio.sleep(0)
    gate.leave()
    await asyncio.gather(*waiting)
    assert order == ["again", "new 0", "new 1", "new 2"]


async def test_a_cancelled_waiter_takes_no_place() -> None:
    gate = Gate(1, None)
    await gate.enter(5)
    waiting = asyncio.create_task(gate.enter(5))
    await asyncio.sleep(0)
    waiting.cancel()
    gate.leave()  # in the same moment
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(1):
        await gate.enter(5)


async def test_no_place_is_held_while_waiting_to_try_again() -> None:
    gate = Gate(1, None)
    failing = [BackendError("busy", retryable=True)] * 2
    order: list[str] = []

    async def fails_twice() -> None:
        order.append("first")
        if failing:
            raise failing.pop()

    async def other() -> None:
        order.append("other")

    first = asyncio.create_task(with_retries(fails_twice, gate=gate, attempts=3, timeout=10))
    await asyncio.sleep(0.01)
    await with_retries(other, gate=gate, attempts=1, timeout=10)
    await first
    assert order[:2] == ["first", "other"]


@pytest.mark.parametrize("again", [False, True], ids=["new", "again"])
async def test_nobody_waits_in_vain(again: bool) -> None:
    gate = Gate(4, None)
    gate.pace.wait_for(60)
    start = time.monotonic()
    with pytest.raises(BackendTimeout, match=r"asked to wait 60\.0 s more"):
        await gate.enter(10, again=again)
    assert time.monotonic() - start < 5


async def test_refusals_are_not_counted_as_attempts() -> None:
    refusals = [RateLimitError("slow", retry_after=0.01)] * 6

    async def attempt() -> str:
        if refusals:
            raise refusals.pop()
        return "answer"

    assert await with_retries(attempt, gate=Gate(4, None), attempts=2, timeout=10) == "answer"


def refuse(pace: Pace, n: int) -> None:
    now = time.monotonic()
    for i in range(n):
        started = now + i * 1e-6
        pace.take(started)
        pace.refused(started)


def test_a_few_scattered_refusals_set_no_rate() -> None:
    pace = Pace()
    for _ in range(5):
        refuse(pace, 1)
        for i in range(10):
            now = time.monotonic() + i * 1e-6
            assert pace.take(now) == 0
            pace.answered(now)
    assert pace.rate == float("inf")


def test_a_storm_sets_the_rate_to_what_got_through() -> None:
    pace = Pace()
    start = time.monotonic()
    sent = [start + i * 1e-6 for i in range(64)]
    assert all(pace.take(at) == 0 for at in sent)
    for at in sent[20:]:
        pace.refused(at)
    assert pace.rate == pytest.approx(20, rel=0.05)
    assert pace.take(time.monotonic()) > 0  # the burst took this second's allowance


def test_refusals_that_the_rate_does_not_change_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pace, clock = Pace(), [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def outcome(refused: bool) -> None:
        clock[0] += max(0.05, pace.take(clock[0]))
        if refused:
            pace.refused(clock[0])
        else:
            pace.answered(clock[0])

    for i in range(32):  # a bad moment, taken for a limit
        outcome(i % 3 == 0)
    assert pace.rate < 100
    for i in range(400):  # and then one in twelve, at whatever rate
        outcome(i % 12 == 0)
    assert pace.rate == float("inf")


def test_a_limit_by_the_minute_is_spread_over_it() -> None:
    pace = Pace()
    start = time.monotonic()
    sent = [start + i * 1e-6 for i in range(64)]
    assert all(pace.take(at) == 0 for at in sent)
    for at in sent[30:]:
        pace.refused(at, 60.0)
    assert pace.quiet == pytest.approx(60, abs=1)
    assert pace.rate == pytest.approx(0.5, rel=0.1)


def test_one_key_at_one_host_has_one_pace() -> None:
    one, same = shared_pace("host", "key"), shared_pace("host", "key")
    assert one is same
    assert shared_pace("host", "other") is not one
    assert shared_pace("elsewhere", "key") is not one


@pytest.mark.parametrize(
    ("seen", "limit"),
    [
        pytest.param([], 75.0, id="nothing-known"),
        pytest.param([1.0] * 7, 75.0, id="too-few"),
        pytest.param([1.0] * 8, 12.5, id="quick"),
        pytest.param([1.0] * 8 + [5.0], 20.0, id="slowest-counts"),
        pytest.param([60.0] * 8, 75.0, id="slow"),
    ],
)
def test_patience_is_learned(seen: list[float], limit: float) -> None:
    patience = Patience()
    for seconds in seen:
        patience.saw(seconds)
    assert patience.limit(100.0) == limit
    assert Patience(3.0).limit(100.0) == 3.0


async def test_attempts_under_way_are_shortened_once_the_limit_is_learned() -> None:
    patience = Patience()
    async with asyncio.timeout(patience.limit(80.0)) as scope:
        with patience.bounding(scope, 80.0):
            before = scope.when()
            for _ in range(8):
                patience.saw(0.01)
            await asyncio.sleep(0)
            after = scope.when()
    assert before is not None
    assert after is not None
    assert before - after == pytest.approx(60.0 - 10.0)
    patience.saw(0.01)  # nothing is left to shorten
