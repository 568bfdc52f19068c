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
        await (gate.enter(5, again=True) if again else gate.enter(5))
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


@pytest.mark.parametrize("let_in", [False, True], ids=["waiting", "let in meanwhile"])
async def test_who_is_cancelled_keeps_no_place_and_gives_none_back(let_in: bool) -> None:
    gate = Gate(1, None)
    await gate.enter(5)
    cancelled = asyncio.create_task(gate.enter(5))
    await asyncio.sleep(0)
    if let_in:
        gate.leave()
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    if not let_in:
        gate.leave()
    await asyncio.wait_for(gate.enter(5), 10)
    another = asyncio.create_task(gate.enter(5))
    await asyncio.sleep(0.01)
    assert not another.done()
    another.cancel()


async def test_who_is_cancelled_when_turned_away_gives_no_place_back() -> None:
    gate = Gate(1, None)
    await gate.enter(5)
    cancelled = asyncio.create_task(gate.enter(10))
    await asyncio.sleep(0)
    gate.pace.wait_for(60)
    gate.leave()  # nobody may start, and who waits has no time
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    gate.pace = Pace()
    await asyncio.wait_for(gate.enter(5), 10)
    another = asyncio.create_task(gate.enter(5))
    await asyncio.sleep(0.01)
    assert not another.done()
    another.cancel()


async def test_a_silence_as_long_as_there_is_time_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = Gate(1, None)
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    gate.pace.wait_for(60)
    waiting = asyncio.create_task(gate.enter(60))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


@pytest.mark.parametrize("again", [False, True], ids=["new", "again"])
async def test_nobody_waits_in_vain(again: bool) -> None:
    gate = Gate(4, None)
    gate.pace.wait_for(60)
    start = time.monotonic()
    with pytest.raises(BackendTimeout, match=r"asked to wait (60\.0|59\.\d) s more"):
        await gate.enter(10, again=again)
    assert time.monotonic() - start < 5


async def test_all_who_wait_in_vain_are_turned_away_at_once() -> None:
    gate = Gate(1, None)
    await gate.enter(5)
    waiting = [asyncio.create_task(gate.enter(10)) for _ in range(3)]
    await asyncio.sleep(0)
    gate.pace.wait_for(60)
    gate.leave()
    async with asyncio.timeout(5):
        found = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(one, BackendTimeout) for one in found)


async def test_a_short_silence_is_waited_for_without_blocking_the_loop() -> None:
    gate = Gate(2, None)
    gate.pace.wait_for(0.4)
    start = time.monotonic()
    waiting = [asyncio.create_task(gate.enter(1)) for _ in range(2)]
    await asyncio.sleep(0)
    assert time.monotonic() - start < 0.3
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting)
    assert time.monotonic() - start >= 0.39


@pytest.mark.parametrize(
    ("attempts", "calls"), [pytest.param(1, 1, id="only-one"), pytest.param(2, 2, id="the-second")]
)
async def test_the_last_attempt_has_all_the_time_that_is_left(attempts: int, calls: int) -> None:
    made = 0

    async def attempt() -> str:
        nonlocal made
        made += 1
        await asyncio.sleep(10 if made < attempts else 0.2)
        return "answer"

    patience = Patience(0.05)
    answer = await with_retries(
        attempt, gate=Gate(1, None), attempts=attempts, timeout=5, patience=patience
    )
    assert (answer, made) == ("answer", calls)


async def test_a_slow_rate_starts_one_call_at_a_time() -> None:
    gate = Gate(2, 8.0)
    start = time.monotonic()
    await asyncio.gather(gate.enter(5), gate.enter(5))
    assert time.monotonic() - start >= 0.1


def test_a_request_that_is_a_little_late_does_not_delay_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pace, now = Pace(), 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for i in range(64):
        assert pace.take(now + i * 1e-6) == 0
    for i in range(20, 64):
        pace.refused(now + i * 1e-6)
    now += 50
    assert pace.take(now) == 0
    due = now + pace.take(now)
    now = due + 0.005
    assert pace.take(now) == 0
    assert pace.take(now) == pytest.approx(due - 1000.0 - 50 - 0.005, rel=0.05)


def test_old_answers_are_forgotten() -> None:
    patience = Patience()
    patience.saw(10.0)
    for _ in range(63):
        patience.saw(1.0)
    assert patience.limit(100.0) == 40.0
    patience.saw(1.0)
    assert patience.limit(100.0) == 12.5


@pytest.mark.parametrize(
    ("error", "n"),
    [
        pytest.param(BackendError("busy", retryable=True), 9, id="failed"),
        pytest.param(RateLimitError("busy"), 6, id="refused"),
    ],
)
async def test_the_wait_before_another_attempt_doubles(
    monkeypatch: pytest.MonkeyPatch, error: BackendError, n: int
) -> None:
    waits: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await real(0)

    async def attempt() -> None:
        if len(waits) < n:
            raise error

    monkeypatch.setattr(asyncio, "sleep", sleep)
    await with_retries(attempt, gate=Gate(1, None), attempts=10, timeout=60)
    longest = [min(8.0, 0.25 * 2**i) for i in range(n)]
    assert len(waits) == len(longest)
    assert all(most / 2 <= wait <= most for wait, most in zip(waits, longest, strict=True))


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


def test_a_rate_measured_too_low_is_left_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    # A busy process had started two requests when the first refusals came, of a provider that
    # takes 20 a second.
    pace, clock = Pace(), [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    sent = [clock[0] + i * 1e-6 for i in range(64)]
    assert all(pace.take(at) == 0 for at in sent)
    clock[0] += 0.001
    for at in sent[2:]:
        pace.refused(at)
    assert pace.rate == pytest.approx(2, rel=0.05)
    clock[0] += 20
    assert pace.rate == pytest.approx(2, rel=0.05)
    clock[0] += 50
    assert pace.rate > 20
    clock[0] += 1e6
    # Over 50,000 times as long as the way back, which counts by its cube, and no more doublings.
    assert pace.rate == pytest.approx(2 * 0.03 * 50_003.5**3 * 2**30, rel=1e-3)


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


@pytest.mark.parametrize(
    ("seconds", "shorter"),
    [
        pytest.param(60.0, 50.0, id="to-what-was-learned"),
        pytest.param(5.0, 0.0, id="but-never-prolonged"),
    ],
)
async def test_attempts_under_way_are_shortened_once_the_limit_is_learned(
    seconds: float, shorter: float
) -> None:
    patience = Patience()
    async with asyncio.timeout(seconds) as scope:
        with patience.bounding(scope, 80.0):
            before = scope.when()
            for _ in range(8):
                assert scope.when() == before
                patience.saw(0.01)
            await asyncio.sleep(0)
            after = scope.when()
    assert before is not None
    assert after is not None
    assert before - after == pytest.approx(shorter, abs=1)
    patience.saw(0.01)  # nothing is left to shorten


async def test_attempts_on_another_loop_keep_their_guess() -> None:
    patience = Patience()

    async def answers() -> None:
        for _ in range(8):
            patience.saw(0.01)

    async with asyncio.timeout(60) as scope:
        with patience.bounding(scope, 80.0):
            before = scope.when()
            await asyncio.to_thread(asyncio.run, answers())
            assert scope.when() == before
