"""The rate that is learned, at a simulated provider: no figure depends on the machine's load."""

from __future__ import annotations

import heapq
import time
from collections import deque
from random import Random

import pytest

from deemster.backends.pace import Pace

LATENCY = 0.05


class Provider:
    """Takes so many requests in any second, and asks those that it refuses to wait."""

    def __init__(self, rate: float, refuses: float = 0.0) -> None:
        self._rate, self._refuses = rate, refuses
        self._taken: deque[float] = deque()
        self._random = Random(1)

    def takes(self, now: float) -> bool:
        while self._taken and now - self._taken[0] > 1:
            self._taken.popleft()
        if len(self._taken) >= self._rate or self._random.random() < self._refuses:
            return False
        self._taken.append(now)
        return True


def storm(
    monkeypatch: pytest.MonkeyPatch, provider: Provider, wait: float, seconds: float, jitter: float
) -> tuple[float, float]:
    """64 workers that always have another request: answers a second, and the share refused later
    than 5 s after the start. Timers and requests are late by `jitter` seconds on average."""
    random, clock = Random(7), 0.0
    monkeypatch.setattr(time, "monotonic", lambda: clock)
    pace, free = Pace(), 64
    events: list[tuple[float, str, float]] = [(0.0, "look", 0.0)]
    answered, outcomes = 0, [0, 0]

    def later(what: str, delay: float, started: float) -> None:
        heapq.heappush(events, (clock + delay + random.expovariate(1 / jitter), what, started))

    while events:
        clock, what, started = heapq.heappop(events)
        if what == "arrives":
            taken = provider.takes(clock)
            outcomes[not taken] += clock > 5
            later("answered" if taken else "refused", LATENCY, started)
            continue
        if what == "answered":
            answered, free = answered + 1, free + 1
            pace.answered(started)
        elif what == "refused":
            free += 1
            pace.refused(started, wait)
        waiting = any(event[1] == "look" for event in events)
        while free and clock < seconds and not waiting:
            delay = pace.take(clock)
            waiting = delay > 0
            if waiting:
                later("look", delay, 0.0)
            else:
                free -= 1
                later("arrives", 0.0, clock)
    return answered / clock, outcomes[True] / sum(outcomes)


@pytest.mark.parametrize(
    ("rate", "wait", "seconds", "jitter", "share", "refused"),
    [
        pytest.param(20, 1.0, 60, 0.002, 0.95, 0.002, id="a-minute"),
        pytest.param(20, 1.0, 300, 0.002, 0.95, 0.002, id="five-minutes"),
        pytest.param(20, 1.0, 300, 0.005, 0.91, 0.003, id="a-busy-machine"),
        pytest.param(20, 0.05, 60, 0.002, 0.96, 0.003, id="a-short-wait"),
        pytest.param(100, 1.0, 60, 0.002, 0.94, 0.001, id="a-quick-provider"),
    ],
)
def test_a_limit_is_used_and_not_tried_too_often(
    monkeypatch: pytest.MonkeyPatch,
    *,
    rate: int,
    wait: float,
    seconds: float,
    jitter: float,
    share: float,
    refused: float,
) -> None:
    answers, late = storm(monkeypatch, Provider(rate), wait, seconds, jitter)
    assert answers >= share * rate
    assert late <= refused


def test_refusals_by_chance_do_not_stop_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    answers, _ = storm(monkeypatch, Provider(20, refuses=0.005), 1.0, 120, 0.002)
    assert answers >= 0.7 * 20


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def pace(clock: Clock) -> Pace:
    """Of a provider that took 20 requests and refused 44."""
    found = Pace()
    sent = [clock.now + i * 1e-6 for i in range(64)]
    assert all(found.take(at) == 0 for at in sent)
    for at in sent[20:]:
        found.refused(at)
    return found


@pytest.mark.parametrize(
    ("after", "lowered"),
    [
        pytest.param(7.0, False, id="soon: it may be by chance"),
        pytest.param(9.9, False, id="before half of the way"),
        pytest.param(10.0, True, id="half of the way up"),
        pytest.param(13.0, True, id="on the way up"),
        pytest.param(20.5, True, id="beyond what was too much"),
    ],
)
def test_one_refusal_on_the_way_up_lowers_the_rate_for_long(
    pace: Pace, clock: Clock, after: float, lowered: bool
) -> None:
    clock.now += after
    before = pace.rate
    pace.refused(clock.now)
    if not lowered:
        assert pace.rate == before
        return
    assert pace.rate == pytest.approx(0.97 * before)
    clock.now += 40
    assert pace.rate < 0.98 * before
    clock.now += 40
    assert pace.rate == pytest.approx(before)


@pytest.mark.parametrize(
    ("after", "share"),
    [
        pytest.param(0.0, 0.97, id="lowered"),
        pytest.param(10.0, 0.97 + 0.03 / 8, id="half of the way"),
        pytest.param(20.0, 1.0, id="back"),
        pytest.param(40.0, (0.97 + 0.03 * 8) * 2, id="as long again"),
    ],
)
def test_the_way_back(clock: Clock, after: float, share: float) -> None:
    pace = Pace()
    assert pace.quiet == 0
    assert pace.take(clock.now - 1) == 0  # a second ago: of another burst
    assert all(pace.take(clock.now) == 0 for _ in range(64))
    for _ in range(7):
        pace.refused(clock.now)
    assert pace.rate == float("inf")
    for _ in range(37):
        pace.refused(clock.now)
    clock.now += after
    assert pace.rate == pytest.approx(20 * share)


@pytest.mark.parametrize(("answers", "known"), [(24, True), (25, False)])
def test_eight_refusals_among_32_outcomes_are_a_limit(
    clock: Clock, answers: int, *, known: bool
) -> None:
    pace = Pace()
    pace.refused(clock.now)
    for _ in range(answers):
        pace.answered(clock.now)
    for _ in range(7):
        pace.refused(clock.now)
    assert (pace.rate < float("inf")) is known


def test_a_refusal_of_what_started_a_second_after_the_cut_may_be_for_the_burst(
    pace: Pace, clock: Clock
) -> None:
    clock.now += 2
    before = pace.rate
    for _ in range(3):
        pace.refused(1001.0)
    assert pace.rate == before


def test_as_many_refusals_at_a_lower_rate_twice_are_not_for_the_rate(
    pace: Pace, clock: Clock
) -> None:
    for _ in range(2):  # what is learned anew is given up no sooner
        for known in (True, False):
            clock.now += 2
            for _ in range(3):
                pace.refused(clock.now)
            assert (pace.rate < float("inf")) is known
        clock.now += 61
        for _ in range(8):
            pace.refused(clock.now)


def test_at_most_1024_starts_are_kept(clock: Clock) -> None:
    pace = Pace()
    assert all(pace.take(clock.now) == 0 for _ in range(1100))
    for _ in range(8):
        pace.refused(clock.now)
    assert pace.rate == pytest.approx(0.97 * (1024 - 8))


def test_a_request_from_before_two_cuts_says_nothing_about_the_second(
    pace: Pace, clock: Clock
) -> None:
    clock.now += 13
    pace.refused(clock.now)
    lowered = pace.rate
    pace.refused(1000.0)
    assert pace.rate == lowered


def test_refusals_are_ignored_for_a_minute_after_a_rate_was_given_up(
    pace: Pace, clock: Clock
) -> None:
    for _ in range(3):
        half_refused(pace, clock)
    assert pace.rate == float("inf")
    for later, known in ((60.0, False), (60.0 + 1e-6, True)):
        given_up, clock.now = clock.now, clock.now + later
        for _ in range(8):
            pace.refused(clock.now)
        assert (pace.rate < float("inf")) is known
        clock.now = given_up


def half_refused(pace: Pace, clock: Clock) -> None:
    """Too soon after the rate was lowered for it to be on its way up."""
    clock.now += 2
    for refused in (False, True, False, True, False, True):
        (pace.refused if refused else pace.answered)(clock.now)


def test_answers_to_the_burst_say_nothing_about_the_rate(pace: Pace, clock: Clock) -> None:
    for _ in range(97):
        pace.answered(clock.now + 1.0)
    clock.now += 2
    for _ in range(3):
        pace.refused(clock.now)
    assert pace.rate < 0.2  # all that was asked since was refused


def test_a_request_starts_at_the_very_moment_of_its_turn(pace: Pace, clock: Clock) -> None:
    clock.now = 0.0
    turn = pace.take(clock.now)
    assert turn > 0
    assert pace.take(turn) == 0
    assert pace.take(turn) > 0  # it counted


def test_several_refusals_soon_after_lower_the_rate_by_their_share(
    pace: Pace, clock: Clock
) -> None:
    clock.now += 2
    before = pace.rate
    clock.now -= 2
    half_refused(pace, clock)
    assert pace.rate == pytest.approx(0.97 * before / 2)


@pytest.mark.parametrize("tried", [False, True], ids=["at once", "after a step too far"])
def test_a_rate_that_changes_nothing_twice_is_given_up(
    pace: Pace, clock: Clock, tried: bool
) -> None:
    # The storm's outcomes until the rate was set were refusals alone.
    half_refused(pace, clock)
    assert pace.rate < 20  # as often refused as not: fewer than before
    half_refused(pace, clock)
    assert pace.rate < 20
    if tried:
        clock.now += 15
        pace.refused(clock.now)
        half_refused(pace, clock)
        assert pace.rate < 20
    half_refused(pace, clock)
    assert pace.rate == float("inf")


def test_a_limit_by_the_minute_counts_from_the_first_request(clock: Clock) -> None:
    pace = Pace()
    for _ in range(30):  # over 20 s, after a first one by itself
        assert pace.take(clock.now) == 0
        pace.answered(clock.now)
        clock.now += 10 if clock.now == 1000.0 else 10 / 29
    assert all(pace.take(clock.now) == 0 for _ in range(16))
    for _ in range(16):
        pace.refused(clock.now, 40.0)
    clock.now += 40
    assert pace.rate == pytest.approx(0.97 * 30 / (20 + 40))


@pytest.mark.parametrize(("wait", "rate"), [(4.9, 20.0), (5.0, 20 / 5)])
def test_a_wait_of_5_s_is_of_a_limit_by_the_minute(clock: Clock, wait: float, rate: float) -> None:
    pace = Pace()
    sent = [clock.now + i * 1e-9 for i in range(64)]
    assert all(pace.take(at) == 0 for at in sent)
    clock.now = sent[-1]
    for at in sent[20:]:
        pace.refused(at, wait)
    clock.now += wait
    assert pace.rate == pytest.approx(0.97 * rate)
