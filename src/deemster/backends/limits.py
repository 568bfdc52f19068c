"""What holds calls back: a budget, a rate, a concurrency limit, and one owner of retries.

Nothing here belongs to one event loop for good: `Gate` is made per loop, `Budget` and `Pause`
may be shared between loops and threads.
"""

from __future__ import annotations

import asyncio
import math
import random
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from deemster.errors import BackendError, BackendTimeout, InputError, OverBudgetError
from deemster.schemas import Usage

if TYPE_CHECKING:
    from asyncio_throttle import Throttler

T = TypeVar("T")

_WINDOW = 0.05
"""Seconds of calls let through at once. A window of 1 s would let a whole second's calls go
together and then none for a second."""


class Budget:
    """A limit on money, tokens or calls, and the account of what was spent under it.

    One budget may be given to several backends. It is checked before every attempt, so calls
    already under way when it is spent are paid for: the overrun is at most what the concurrent
    calls cost. The number of calls is never exceeded.

    Args:
        usd: US dollars; None is no limit.
        tokens: tokens in and out together.
        calls: requests sent, retries included.
    """

    def __init__(
        self, *, usd: float | None = None, tokens: int | None = None, calls: int | None = None
    ) -> None:
        for name, value in (("usd", usd), ("tokens", tokens), ("calls", calls)):
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise InputError(f"budget {name} must be a finite number >= 0, got {value!r}")
        self.usd = usd
        self.tokens = tokens
        self.calls = calls
        self._spent = Usage()
        self._lock = threading.Lock()

    @property
    def spent(self) -> Usage:
        """What was spent so far; its cost is None once a call of unknown price was made."""
        with self._lock:
            return self._spent

    def admit(self) -> None:
        """Count one call, if there is budget left for it.

        Raises:
            OverBudgetError: there is not; nothing was counted.
        """
        with self._lock:
            spent = self._spent
            if self.calls is not None and spent.calls >= self.calls:
                raise OverBudgetError(f"budget of {self.calls} calls is spent; raise it to go on")
            tokens = spent.tokens_in + spent.tokens_out
            if self.tokens is not None and tokens >= self.tokens:
                raise OverBudgetError(
                    f"budget of {self.tokens} tokens is spent ({tokens} used); raise it to go on"
                )
            if self.usd is not None and (spent.cost is None or spent.cost >= self.usd):
                used = "an unknown amount" if spent.cost is None else f"{spent.cost:.6f}"
                raise OverBudgetError(
                    f"budget of {self.usd} USD is spent ({used} used); raise it to go on"
                )
            self._spent = spent + Usage(calls=1)

    def charge(self, usage: Usage) -> None:
        """Add what an admitted call cost; its `calls` are not counted again."""
        with self._lock:
            self._spent += usage.model_copy(update={"calls": 0})


class Pause:
    """The time until which a provider asked for quiet, shared by all calls of a backend."""

    def __init__(self) -> None:
        self._until = 0.0

    def ask(self, seconds: float) -> None:
        """Keep quiet for at least `seconds` from now."""
        self._until = max(self._until, time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """Seconds that remain, 0 if none."""
        return max(0.0, self._until - time.monotonic())

    async def wait(self, deadline: float) -> None:
        """Sleep until it is over.

        Args:
            deadline: `time.monotonic()` at which the caller gives up.

        Raises:
            BackendTimeout: it ends after the deadline, so waiting would be in vain.
        """
        while (left := self.left) > 0:
            if time.monotonic() + left > deadline:
                raise BackendTimeout(
                    f"the provider asked to wait {left:.1f} s more, which is past the deadline"
                )
            # All waiters would start in the same instant; spread them over a little time.
            await asyncio.sleep(left + random.uniform(0, min(0.25, 0.1 * left)))  # noqa: S311


class Gate:
    """Concurrency and rate of the calls on one event loop, first come first served.

    Args:
        concurrency: calls under way at once.
        rate: calls started per second; None is no limit.
    """

    def __init__(self, concurrency: int, rate: float | None) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._turn = asyncio.Lock()
        self._throttler = None if rate is None else _throttler(rate)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold one of the concurrent places, first sent when the rate allows it."""
        async with self._slots:
            await self.turn()
            yield

    async def turn(self) -> None:
        """Wait until the rate allows one more call."""
        if self._throttler is not None:
            # asyncio-throttle lets every waiter poll, in no order; behind a lock only the first
            # in the queue does.
            async with self._turn:
                await self._throttler.acquire()


def _throttler(rate: float) -> Throttler:
    from asyncio_throttle import Throttler  # noqa: PLC0415 - only where a rate is set

    limit = max(1, int(rate * _WINDOW))
    period = limit / rate
    # How late the poll finds the window open is rate lost; 2 % of the window is little.
    poll = min(0.01, max(0.0005, period / 50))
    return Throttler(rate_limit=limit, period=period, retry_interval=poll)


def check_limits(*, concurrency: int, rate: float | None, timeout: float, retries: int) -> None:
    """Refuse limits that no call could meet.

    Raises:
        InputError: one of them is out of range.
    """
    counts: dict[str, object] = {"concurrency": concurrency, "retries": retries}
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{name} must be a whole number >= 1, got {value!r}")
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        raise InputError(
            f"rate must be a number of calls per second above 0, got {rate!r}; None is no limit"
        )
    if not (math.isfinite(timeout) and timeout > 0):
        raise InputError(f"timeout must be a number of seconds above 0, got {timeout!r}")


async def with_retries(
    attempt: Callable[[], Awaitable[T]],
    *,
    gate: Gate,
    pause: Pause,
    attempts: int,
    timeout: float,  # noqa: ASYNC109
) -> T:
    """Run `attempt` until it succeeds, under one wall-clock deadline for all of it.

    Only this retries: the client libraries below are told not to. The place in the gate is held
    while waiting for the next attempt; a call that had to queue again behind thousands would
    miss its deadline there. Time spent in the queue before the first attempt does not count.

    Args:
        attempt: raises `BackendError` with `retryable` set where another try may help.
        gate: concurrency and rate.
        pause: where Retry-After is noted for the other calls.
        attempts: at most this many.
        timeout: seconds for all attempts and the waits between them.

    Raises:
        BackendError: of the last attempt, or the first that is not retryable.
        BackendTimeout: the deadline passed.
    """
    said = ""

    async def tries() -> T:
        nonlocal said
        for tried in range(1, attempts + 1):
            await pause.wait(deadline)
            try:
                return await attempt()
            except BackendError as error:
                if error.retry_after is not None:
                    pause.ask(error.retry_after)
                if tried == attempts or not error.retryable:
                    raise
                said = f"; the attempt before failed: {error}"
            await asyncio.sleep(_backoff(tried))
            await gate.turn()
        raise AssertionError("unreachable: the last attempt returns or raises")

    async with gate.slot():
        deadline = time.monotonic() + timeout
        try:
            # The clients' own timeouts are per read: bytes that trickle in never trip them.
            async with asyncio.timeout(timeout) as scope:
                return await tries()
        except TimeoutError:
            if not scope.expired():
                raise
            raise BackendTimeout(f"no answer within {timeout:g} s{said}") from None


def _backoff(failed: int) -> float:
    """Seconds to wait after `failed` attempts: 0.25 s, doubling, at most 8 s, halved at random."""
    return min(8.0, 0.25 * 2.0 ** (failed - 1)) * random.uniform(0.5, 1.0)  # noqa: S311
